/**
 * What we send a new neighbour waits for its first offer, which has places for it: so one offer is
 * enough for both sides (docs/protocol.md, "`signal`").
 */

/** Another client may not offer first; and a page that has just joined a busy machine takes a second. */
const TIMEOUT_MS = 2_000;

/** @typedef {"waits" | "came" | "over"} State `came`: the offer is being taken */

/** @template T what waits */
export class Waiting {
  #go;
  /** @type {State} */
  #state;
  /** @type {readonly T[]} */
  #slots = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {boolean} waits
   * @param {(slots: readonly T[]) => void} go it is over, and these have waited
   */
  constructor(waits, go) {
    this.#state = waits ? "waits" : "over";
    this.#go = go;
  }

  /**
   * @param {readonly T[]} slots all that there are now
   * @returns {boolean} whether they wait
   */
  hold(slots) {
    if (this.#state === "over") return false;
    this.#slots = slots;
    if (this.#state === "waits" && slots.length > 0) {
      this.#timer ??= setTimeout(() => this.#end(), TIMEOUT_MS);
    }
    return true;
  }

  /** An offer has come: gives what has waited for it, which waits until it is taken. Null: nothing
   * waits any more. */
  comes() {
    if (this.#state === "over") return null;
    this.#state = "came";
    clearTimeout(this.#timer);
    return this.#slots;
  }

  /** A signal is dealt with; if that was the offer, nothing has to wait any more. */
  taken() {
    if (this.#state === "came") this.#end();
  }

  close() {
    clearTimeout(this.#timer);
    this.#state = "over";
  }

  #end() {
    this.#state = "over";
    this.#go(this.#slots);
  }
}
