/**
 * PURE: which streams have stopped coming though they ought to, so that a standby parent is asked.
 *
 * It goes by when frames came, and by whether anything comes from a neighbour at all: a parent that
 * is alive lacks the stream itself, and what is wrong is mended above it; but a stream whose parent
 * has fallen silent is missed soon. Where no neighbour is heard, the line that is gone is ours.
 */

import { isSilent } from "./dtx.js";

/** A neighbour of whom nothing came for so long is taken for dead, ms. */
const DEAD_AFTER_MS = 150;
/** Without a frame for so long a stream is missed; pictures at `PICTURES` of their usual distance. */
const MISSED_AFTER_MS = 150;
const PICTURES = 3;
/** In a pause (DTX) sound comes every 400 ms. */
const PAUSE_MS = 600;
/** What a living parent gets on top of it: the first of a pause's frames, 400 ms apart, may be lost. */
const PATIENCE_MS = 300;
/** A standby parent of whom nothing came for so long may not be heard because of our own line. */
const SPARE_SILENT_MS = 120;
/** A stream that comes back by itself was no failure: from then on one waits so many times longer. */
const CAUTION = 2;
const MOST_CAUTION = 8;
/** Without another false alarm for so long one is less cautious again, ms. */
const CALM_MS = 30_000;
/** How often one looks at least, ms; what is due earlier is looked at then. */
export const LOOK_MS = 25;
/** A look that is so late says that we ourselves stood still, and frames wait to be taken. */
const STALL_MS = 50;

/** Sound of which so many frames came in a row, none later than this, is no pause: half a second, so
 * that what comes by fits and starts, as while people join, is not missed at once. */
const DENSE_FRAMES = 25;
const DENSE_MS = 100;
/** A few frames tell how often pictures come; a long break does not. */
const PICTURE_MS = 40;
const LEARNING = 1 / 8;
const MAX_DISTANCE_MS = 500;

/**
 * A stream for which another parent stands by.
 *
 * @typedef {object} Watched
 * @property {number} feed
 * @property {string} parent
 * @property {string} spare the standby parent
 * @property {boolean} sound
 * @property {boolean} still it may stop by itself: its source is muted, or shows a screen
 */

/**
 * What a feed brings: another `stream` on the same feed begins anew.
 *
 * @typedef {{feed: number, neighbour: string, stream: string}} Brought
 */

/** When one stream's frames came. */
class Pulse {
  missing = false;
  lastAt;
  #row = 0;
  #distance = PICTURE_MS;

  /** @param {number} now ms */
  constructor(now) {
    this.lastAt = now;
  }

  /**
   * @param {number} octets
   * @param {number} now ms
   */
  frame(octets, now) {
    const distance = now - this.lastAt;
    this.lastAt = now;
    this.#row = distance <= DENSE_MS && !isSilent(octets) ? this.#row + 1 : 0;
    this.#distance += LEARNING * (Math.min(distance, MAX_DISTANCE_MS) - this.#distance);
  }

  /**
   * Without a frame for how long it is missed, ms.
   *
   * @param {boolean} sound
   */
  limit(sound) {
    if (sound) return this.#row >= DENSE_FRAMES ? MISSED_AFTER_MS : PAUSE_MS;
    return Math.max(MISSED_AFTER_MS, PICTURES * this.#distance);
  }
}

export class Missing {
  /** @type {readonly Watched[]} */
  #watched = [];
  /** By feed.
   * @type {ReadonlyMap<number, Brought>} */
  #brought = new Map();
  /** By feed.
   * @type {Map<number, Pulse>} */
  #pulses = new Map();
  /** @type {Map<string, number>} */
  #heardAt = new Map();
  #dueAt = Infinity;
  #caution = 1;
  #alarmAt = -Infinity;

  /**
   * What is watched from now on.
   *
   * @param {readonly Watched[]} watched
   * @param {readonly Brought[]} brought all that we receive
   */
  watch(watched, brought) {
    const before = this.#brought;
    this.#watched = watched;
    this.#brought = new Map(brought.map((one) => [one.feed, one]));
    const neighbours = new Set(brought.map(({ neighbour }) => neighbour));
    for (const { spare } of watched) neighbours.add(spare);
    for (const feed of this.#pulses.keys()) {
      if (this.#brought.get(feed)?.stream !== before.get(feed)?.stream) this.#pulses.delete(feed);
    }
    for (const id of this.#heardAt.keys()) if (!neighbours.has(id)) this.#heardAt.delete(id);
  }

  /** Whether there is anything to look after. */
  get watching() {
    return this.#watched.length > 0;
  }

  /**
   * @param {number} feed
   * @param {number} octets
   * @param {number} now ms
   * @returns {boolean} whether it had been missed: it is back
   */
  frame(feed, octets, now) {
    const brought = this.#brought.get(feed);
    if (brought === undefined) return false;
    this.heard(brought.neighbour, now);
    const known = this.#pulses.get(feed);
    if (known === undefined) {
      this.#pulses.set(feed, new Pulse(now));
      return false;
    }
    const back = known.missing;
    if (back) this.#falseAlarm(now);
    known.missing = false;
    known.frame(octets, now);
    return back;
  }

  /**
   * A neighbour said something, whatever it was.
   *
   * @param {string} neighbour
   * @param {number} now ms
   */
  heard(neighbour, now) {
    this.#heardAt.set(neighbour, now);
  }

  /**
   * Streams that are missed from now on. A stream of which nothing ever came is not.
   *
   * @param {number} now ms
   * @returns {{missing: number[], again: number}} feeds; and when to look again
   */
  look(now) {
    if (now - this.#dueAt > STALL_MS) this.#stalled(now - this.#dueAt, now);
    if (this.#caution > 1 && now - this.#alarmAt > CALM_MS) {
      this.#caution /= CAUTION;
      this.#alarmAt = now;
    }
    const missing = [];
    let again = now + LOOK_MS;
    for (const watched of this.#watched) {
      const pulse = this.#pulses.get(watched.feed);
      if (pulse === undefined || pulse.missing) continue;
      const at = this.#missedAt(watched, pulse, now);
      if (at > now) {
        again = Math.min(again, at);
        continue;
      }
      pulse.missing = true;
      missing.push(watched.feed);
    }
    this.#dueAt = again;
    return { missing, again };
  }

  /**
   * @param {Watched} watched
   * @param {Pulse} pulse
   * @param {number} now
   */
  #missedAt({ parent, spare, sound, still }, pulse, now) {
    const limit = pulse.limit(sound) * this.#caution;
    const latest = still ? Infinity : pulse.lastAt + limit + PATIENCE_MS;
    const dead = Math.max(pulse.lastAt + limit, this.#heard(parent) + DEAD_AFTER_MS * this.#caution);
    if (dead >= latest) return latest;
    const spareSilent = now - this.#heard(spare) > SPARE_SILENT_MS;
    return spareSilent ? Math.max(dead, pulse.lastAt + limit + PATIENCE_MS) : dead;
  }

  /**
   * On a machine that has too much to do everything comes late, and asking others makes it later.
   *
   * @param {number} now
   */
  #falseAlarm(now) {
    this.#caution = Math.min(this.#caution * CAUTION, MOST_CAUTION);
    this.#alarmAt = now;
  }

  /** @param {string} neighbour */
  #heard(neighbour) {
    return this.#heardAt.get(neighbour) ?? -Infinity;
  }

  /**
   * What came meanwhile has not been taken yet: that time says nothing.
   *
   * @param {number} ms
   * @param {number} now
   */
  #stalled(ms, now) {
    for (const pulse of this.#pulses.values()) pulse.lastAt = Math.min(pulse.lastAt + ms, now);
    for (const [id, at] of this.#heardAt) this.#heardAt.set(id, Math.min(at + ms, now));
  }
}
