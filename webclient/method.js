/**
 * PURE: how a relay passes a stream on: by exchanging payloads ("swap"), or by encoding it anew
 * ("reforward"), which costs more, adds delay and loses quality, but can be made to fit a slow link.
 */

/** @typedef {"own" | "swap" | "reforward"} Method own: nothing is passed on */

/**
 * @typedef {object} Circumstances
 * @property {boolean} canSwap the browser can, and both ends use a codec that allows it
 * @property {boolean} dummies whether the browser makes dummies now
 * @property {boolean} slow the child's link is slower than the stream
 */

/**
 * @param {Circumstances} circumstances
 * @returns {Method}
 */
export function method({ canSwap, dummies, slow }) {
  return canSwap && dummies && !slow ? "swap" : "reforward";
}

/** A link has to be too slow for so long, ms; estimates start low and dip. */
const SLOW_AFTER_MS = 4_000;
/** And to be wide enough for so long before it is trusted again. */
const FAST_AFTER_MS = 15_000;
/** What a link has to carry beside the payloads. */
const SLOW_MARGIN = 1.05;
const FAST_MARGIN = 1.5;

/** Whether a link is too slow for what it has to carry, by its estimates over some time. */
export class LinkWatch {
  slow = false;
  /** @type {number | null} since when the estimates say the opposite of `slow` */
  #since = null;

  /**
   * @param {number} available estimated, bit/s
   * @param {number} needed bit/s
   * @param {number} now ms
   */
  estimate(available, needed, now) {
    const contrary = this.slow ? available > needed * FAST_MARGIN : available < needed * SLOW_MARGIN;
    if (!contrary) {
      this.#since = null;
      return;
    }
    this.#since ??= now;
    if (now - this.#since < (this.slow ? FAST_AFTER_MS : SLOW_AFTER_MS)) return;
    this.slow = !this.slow;
    this.#since = null;
  }
}
