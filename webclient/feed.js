/**
 * PURE: one stream that comes in, put in order before it is passed on.
 *
 * A frame that waits for a packet to be sent again comes after those that follow it: these are held
 * for it. What does not come in time is left out, and the outlets see by the stamps that they
 * need a key frame. Sound has an order of its own (`sound-order.js`).
 */

import { SoundOrder } from "./sound-order.js";
import { framesBetween, nextStamp } from "./stamp.js";

/** @import {MediaKind} from "./protocol.js" */
/** @import {Stamp} from "./stamp.js" */

/**
 * A payload: `key` and `stamp` are about pictures, `time` is the RTP timestamp, `sequence` that of
 * the RTP packet (sound only).
 *
 * @typedef {object} Payload
 * @property {ArrayBuffer} data
 * @property {number} time
 * @property {boolean} key
 * @property {Stamp | null} stamp
 * @property {number | null} sequence
 */

/** How long a missing frame is waited for: two round trips of a long line, ms. */
const HOLD_MS = 200;
const HELD_FRAMES = 30;
/** A key frame costs the whole tree above a burst: at most this often, ms. */
const KEY_REQUEST_INTERVAL_MS = 300;

export class Feed {
  #kind;
  /** @type {Stamp | null} of the next frame in order */
  #expected = null;
  /** @type {Payload[]} in order of their stamps */
  #held = [];
  #heldSince = 0;
  #sound = new SoundOrder();
  #keyRequestedAt = -Infinity;

  /** @param {MediaKind} kind */
  constructor(kind) {
    this.#kind = kind;
  }

  /**
   * @param {Payload} payload
   * @param {number} now ms
   * @returns {Payload[]} what is to be passed on now, in order
   */
  take(payload, now) {
    return this.#kind === "audio" ? this.#sound.take(payload, now) : this.#picture(payload, now);
  }

  /**
   * Whether to ask for a key frame now. A wish that comes too early has to be repeated.
   *
   * @param {number} now ms
   */
  wantsKeyFrame(now) {
    if (this.#kind === "audio" || now - this.#keyRequestedAt < KEY_REQUEST_INTERVAL_MS) return false;
    this.#keyRequestedAt = now;
    return true;
  }

  /**
   * @param {Payload} payload
   * @param {number} now
   */
  #picture(payload, now) {
    const ahead = payload.key ? null : framesBetween(this.#expected, payload.stamp);
    if (ahead === null) {
      this.#held = [];
      return this.#inOrder(payload);
    }
    if (ahead < 0) return [];
    if (ahead === 0) return this.#inOrder(payload);
    if (this.#held.length === 0) this.#heldSince = now;
    this.#hold(payload);
    const patient = now - this.#heldSince < HOLD_MS && this.#held.length <= HELD_FRAMES;
    return patient ? [] : this.#inOrder(...this.#held.splice(0, 1));
  }

  /** @param {Payload} payload */
  #hold(payload) {
    const later = this.#held.findIndex(
      ({ stamp }) => (framesBetween(payload.stamp, stamp) ?? 0) > 0,
    );
    this.#held.splice(later < 0 ? this.#held.length : later, 0, payload);
  }

  /**
   * The payloads, and those held that follow them.
   *
   * @param {...Payload} payloads
   */
  #inOrder(...payloads) {
    for (const { stamp } of payloads) this.#expected = stamp && nextStamp(stamp);
    for (;;) {
      const [first] = this.#held;
      if (first === undefined || framesBetween(this.#expected, first.stamp) !== 0) return payloads;
      payloads.push(first);
      this.#held.shift();
      this.#expected = first.stamp && nextStamp(first.stamp);
    }
  }
}
