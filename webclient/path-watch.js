/**
 * PURE: when the way to a neighbour is to be looked for anew (ICE restart, RFC 8445, section 9),
 * and when the person is told that there is none.
 *
 * One input, then `drain`, then `nextTimeout`. Times are milliseconds.
 */

/** Checks that stay unanswered for a moment are no reason: most paths come back by themselves. */
const DISCONNECTED_MS = 2_000;
/** One side is enough to restart; the impolite one goes first, since its offers always count. */
const POLITE_MS = 1_500;
/** Between restarts; each one is twice as long as the one before. */
const FIRST_PAUSE_MS = 2_000;
const MAX_PAUSE_MS = 32_000;
/** After this long without a connection the person is told. */
const TROUBLE_AFTER_MS = 10_000;

/** And after so long the server, which then leads streams around the two. */
const UNREACHABLE_AFTER_MS = 20_000;

/** @typedef {"restart" | "trouble" | "unreachable"} Todo */

export class PathWatch {
  /** Whether there has been a connection. */
  lost = false;
  #polite;
  /** @type {RTCPeerConnectionState} */
  #state = "new";
  /** @type {number | null} since when there is no connection */
  #since;
  /** @type {number | null} */
  #restartAt = null;
  #restarts = 0;
  /** What was said of the present want of a connection.
   * @type {"" | "trouble" | "unreachable"} */
  #told = "";
  /** @type {Todo[]} */
  #todo = [];

  /**
   * @param {boolean} polite
   * @param {number} now
   */
  constructor(polite, now) {
    this.#polite = polite;
    this.#since = now;
  }

  /**
   * @param {RTCPeerConnectionState} state
   * @param {number} now
   */
  stateChanged(state, now) {
    this.#state = state;
    this.#restartAt = null;
    if (state === "connected") {
      this.lost = true;
      this.#since = null;
      this.#restarts = 0;
      this.#told = "";
      return;
    }
    this.#since ??= now;
    const later = this.#polite ? POLITE_MS : 0;
    if (state === "disconnected") this.#restartAt = now + DISCONNECTED_MS + later;
    if (state === "failed") this.#restartAt = now + this.#pause() + later;
  }

  /**
   * This machine has come to another network: the addresses that the neighbour knows are gone.
   *
   * @param {number} now
   */
  networkChanged(now) {
    if (this.#state === "new" || this.#state === "closed") return;
    this.#restarts = 0;
    this.#restart(now);
  }

  /**
   * Other servers can help from now on; who is connected needs none.
   *
   * @param {number} now
   */
  serversChanged(now) {
    if (this.#state === "connected" || this.#state === "closed") return;
    this.#restarts = 0;
    this.#restart(now);
  }

  /** @param {number} now */
  handleTimeout(now) {
    if (this.#restartAt !== null && now >= this.#restartAt) this.#restart(now);
    const tellAt = this.#tellAt();
    if (tellAt === null || now < tellAt) return;
    this.#told = this.#told === "" ? "trouble" : "unreachable";
    this.#todo.push(this.#told);
    // Where neither side had an address to offer, nothing was checked that could have failed.
    if (this.#state === "new" && this.#told === "trouble") this.#restart(now);
  }

  /** @returns {number | null} */
  nextTimeout() {
    const times = [this.#restartAt, this.#tellAt()].filter((time) => time !== null);
    return times.length > 0 ? Math.min(...times) : null;
  }

  /** @returns {Todo[]} */
  drain() {
    return this.#todo.splice(0);
  }

  #tellAt() {
    if (this.#since === null || this.#told === "unreachable") return null;
    return this.#since + (this.#told === "" ? TROUBLE_AFTER_MS : UNREACHABLE_AFTER_MS);
  }

  #pause() {
    if (this.#restarts === 0) return 0;
    return Math.min(FIRST_PAUSE_MS * 2 ** (this.#restarts - 1), MAX_PAUSE_MS);
  }

  /** @param {number} now */
  #restart(now) {
    this.#restarts += 1;
    this.#todo.push("restart");
    // What leads to no other state, an offer that was lost, is tried again.
    const down = this.#state !== "connected" && this.#state !== "connecting";
    this.#restartAt = down ? now + this.#pause() : null;
  }
}

/**
 * What a person reads when there is no way to a neighbour.
 *
 * @param {string | null} name null: the server's seat
 * @param {boolean} lost whether there was one before
 * @param {readonly RTCIceServer[]} servers
 */
export function noPathText(name, lost, servers) {
  if (name === null) {
    return (
      "There is no media connection with the server: phones and XMPP are not heard. " +
      "A firewall may be in the way: the server has to be reached by UDP."
    );
  }
  if (lost) {
    return `The connection with ${name} was lost. Another way is being looked for; until it is there, you may not hear each other.`;
  }
  const none = `No network path to ${name} was found: you may not hear each other.`;
  return servers.some(isTurn)
    ? `${none} The TURN server did not help either; another network might. The administrator can see whether it answers (ice.turn).`
    : `${none} A firewall is in the way. The administrator can set up a TURN server (ice.turn in the configuration).`;
}

/** @param {RTCIceServer} server */
const isTurn = ({ urls }) => [urls].flat().some((url) => /^turns?:/i.test(url));
