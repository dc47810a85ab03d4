/**
 * PURE: sound that comes in, put in order before it is passed on.
 *
 * A packet that was lost and sent again comes after those that follow it. These are held for it: a
 * browser sends no frame that is written after a later one (W3C WebRTC Encoded Transform, "write
 * encoded data"). Where nothing is sent again, as by Firefox or on long lines, nothing is held.
 */

/** @import {Payload} from "./feed.js" */

/** How long a missing packet is waited for, ms: the next one tells of the loss, 20 ms later. */
const HOLD_MS = 60;
/** After so many that were waited for in vain, one after the other, none is for a while. */
const TRIES = 4;
const REST_MS = 10_000;
/** Packets: a larger step is a new stream. */
const NEW_STREAM = 100;
const NUMBERS = 0x10000;

export class SoundOrder {
  /** The RTP sequence number that comes next.
   * @type {number | null} */
  #next = null;
  /** In order; `at` is when it came.
   * @type {{payload: Payload, sequence: number, at: number}[]} */
  #held = [];
  #inVain = 0;
  #restUntil = -Infinity;

  /**
   * @param {Payload} payload
   * @param {number} now ms
   * @returns {Payload[]} what is to be passed on now, in order
   */
  take(payload, now) {
    const { sequence } = payload;
    if (sequence === null) return [payload];
    const step = this.#next === null ? NEW_STREAM : distance(this.#next, sequence);
    if (Math.abs(step) >= NEW_STREAM) {
      this.#held = [];
      this.#next = sequence;
    } else if (step < 0) return [];
    this.#hold({ payload, sequence, at: now });
    if (step === 0 && this.#held.length > 1) this.#inVain = 0;
    const passed = this.#inOrder();
    while (this.#held[0] !== undefined && !this.#waits(this.#held[0].at, now)) {
      this.#next = this.#held[0].sequence;
      passed.push(...this.#inOrder());
    }
    return passed;
  }

  /** @param {{payload: Payload, sequence: number, at: number}} one */
  #hold(one) {
    const later = this.#held.findIndex(({ sequence }) => distance(one.sequence, sequence) > 0);
    this.#held.splice(later < 0 ? this.#held.length : later, 0, one);
  }

  /** All held that nothing is missing before. */
  #inOrder() {
    const passed = [];
    for (;;) {
      const [first] = this.#held;
      if (first === undefined || first.sequence !== this.#next) return passed;
      this.#held.shift();
      this.#next = (first.sequence + 1) % NUMBERS;
      passed.push(first.payload);
    }
  }

  /**
   * Whether what is missing is waited for.
   *
   * @param {number} since ms
   * @param {number} now
   */
  #waits(since, now) {
    if (now < this.#restUntil) return false;
    if (now - since < HOLD_MS) return true;
    this.#inVain += 1;
    if (this.#inVain >= TRIES) this.#restUntil = now + REST_MS;
    return false;
  }
}

/**
 * By how much sequence number `b` is after `a`; they wrap (RFC 3550, section 5.1).
 *
 * @param {number} a
 * @param {number} b
 */
function distance(a, b) {
  const forward = (b - a + NUMBERS) % NUMBERS;
  return forward < NUMBERS / 2 ? forward : forward - NUMBERS;
}
