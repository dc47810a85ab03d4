/**
 * PURE: what was when: the entries of one room, and all their changes of the last minutes.
 *
 * Times are the gateway's, in seconds. docs/monitor.md tells what entries there are.
 */

/** How far back one can look, seconds. */
export const KEEP = 600;

/** @typedef {"web" | "sip" | "xmpp" | "seat"} NodeKind */
/** @typedef {"audio" | "low" | "high" | "screen"} StreamKind */

/**
 * @typedef {object} Participant
 * @property {string} id
 * @property {NodeKind} kind
 * @property {string} name
 * @property {string[]} [publishes]
 * @property {{audio: boolean, video: boolean}} [muted]
 * @property {boolean} [online]
 * @property {number | null} [uplink] bit/s
 * @property {string | null} [cpu]
 * @property {number | null} [battery]
 * @property {string} [quality]
 * @property {number} [loss]
 * @property {string} [codec]
 */
/**
 * @typedef {object} Edge
 * @property {StreamKind} kind
 * @property {string} source
 * @property {string} parent
 * @property {string} child
 * @property {"starting" | "live" | "standby"} state
 * @property {"own" | "swap" | "reforward"} [method]
 * @property {number} [bitrate] bit/s, as the child says
 * @property {number} [sent] bit/s, as the parent says
 * @property {number} [loss] 0 to 1
 * @property {number} [stalls]
 * @property {number} [stalled_ms]
 * @property {number} [stalled_at]
 */
/** @typedef {{from: string, to: string, round_trip_ms: number}} Link */
/**
 * @typedef {object} Injection
 * @property {string} fault
 * @property {string} distribution
 * @property {number} rate
 * @property {number} seconds
 * @property {number} struck
 */
/** @typedef {Participant | Edge | Link | Injection} Entry */
/** @typedef {{at: number, key: string[], entry: Entry | null}} Change */
/** @typedef {Map<string, {key: string[], entry: Entry}>} Entries */
/**
 * @typedef {object} Picture
 * @property {Map<string, Participant>} participants by id, in order of joining
 * @property {Edge[]} edges
 * @property {Map<string, number>} trips round trips in ms, by `pairOf`
 * @property {Injection | null} injection
 */

export class Timeline {
  /** @type {Entries} */
  #oldest = new Map();
  /** @type {Change[]} */
  #changes = [];
  /** @type {Entries} */
  #entries = new Map();
  /** The earliest time that can be looked at. */
  since = 0;
  /** The latest that was heard of. */
  now = 0;

  /**
   * All before this is forgotten.
   *
   * @param {{key: string[], entry: Entry}[]} entries
   * @param {number} at
   */
  restart(entries, at) {
    this.#oldest = new Map(entries.map((one) => [nameOf(one.key), one]));
    this.#entries = new Map(this.#oldest);
    this.#changes = [];
    this.since = this.now = at;
  }

  /**
   * @param {readonly Change[]} changes in the order of their times
   * @param {number} now
   */
  add(changes, now) {
    for (const change of changes) {
      this.#changes.push(change);
      apply(change, this.#entries);
    }
    this.now = Math.max(this.now, now);
    const old = this.#changes.findIndex(({ at }) => at >= this.now - KEEP);
    const gone = this.#changes.splice(0, old < 0 ? this.#changes.length : old);
    for (const change of gone) {
      apply(change, this.#oldest);
      this.since = change.at;
    }
  }

  /** @returns {Picture} */
  latest() {
    return pictureOf(this.#entries);
  }

  /**
   * @param {number} time before `since` it is the picture of `since`
   * @returns {Picture}
   */
  at(time) {
    const entries = new Map(this.#oldest);
    for (const change of this.#changes) {
      if (change.at > Math.max(time, this.since)) break;
      apply(change, entries);
    }
    return pictureOf(entries);
  }
}

/** @type {Picture} */
export const NOTHING = { participants: new Map(), edges: [], trips: new Map(), injection: null };

/**
 * @param {string} one
 * @param {string} other
 */
export function pairOf(one, other) {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

/**
 * Those of one source, or all (null), and of one kind, or all.
 *
 * @param {readonly Edge[]} edges
 * @param {{source: string | null, kind: string | null}} wanted
 */
export function edgesOf(edges, { source, kind }) {
  return edges.filter(
    (edge) => (source === null || edge.source === source) && (kind === null || edge.kind === kind),
  );
}

/** @param {readonly string[]} key */
function nameOf(key) {
  return key.join(" ");
}

/**
 * @param {Change} change
 * @param {Entries} entries
 */
function apply({ key, entry }, entries) {
  if (entry === null) entries.delete(nameOf(key));
  else entries.set(nameOf(key), { key, entry });
}

/**
 * @param {Entries} entries
 * @returns {Picture}
 */
function pictureOf(entries) {
  /** @type {Picture} */
  const picture = { participants: new Map(), edges: [], trips: new Map(), injection: null };
  for (const { key, entry } of entries.values()) {
    if (key[0] === "participant") {
      const participant = /** @type {Participant} */ (entry);
      picture.participants.set(participant.id, participant);
    } else if (key[0] === "edge") picture.edges.push(/** @type {Edge} */ (entry));
    else if (key[0] === "link") {
      const { from, to, round_trip_ms: trip } = /** @type {Link} */ (entry);
      const pair = pairOf(from, to);
      picture.trips.set(pair, Math.max(trip, picture.trips.get(pair) ?? 0));
    } else if (key[0] === "injection") picture.injection = /** @type {Injection} */ (entry);
  }
  return picture;
}
