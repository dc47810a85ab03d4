/** PURE: how sound goes out on one sender (`outlets.js`). */

import { PauseBeginning } from "./dtx.js";

/** @import {Dummy, Outlet, Written} from "./outlets.js" */
/** @import {Payload} from "./feed.js" */

/**
 * Dummies of sound that wait at most, half a second: where payloads come late and then all at once,
 * each still finds the one of its time. A dummy that waits delays nothing.
 */
const SOUND_DUMMIES = 25;
/** So many are kept ahead: they come in bursts, as a sound card wants them. */
const SOUND_MARGIN = 2;
/** A jump by more than this, 60 ms, is a pause of the sound's. */
const PAUSE = 2_880;
/** Payloads of sound that wait for a dummy, 100 ms: after a stall of ours dummies come in a burst. */
const SOUND_PAYLOADS = 5;
/** Where nothing follows a frame of silence for so long, ms, a pause has begun. */
const PAUSE_BEGINS_MS = 25;
/** Opus ticks at 48 kHz (RFC 7587, section 4.1): a jump of more than a second is a new stream. */
const NEW_STREAM = 48_000;

/**
 * Each payload goes on the dummy that is as far from the last one as the payload is from its last:
 * so losses, pauses (DTX) and packets of any length look to the child as they did to us.
 *
 * The first goes on the first dummy: who lost its parent waits for it. A margin, so that none has to
 * wait for its dummy, is taken out of the first pause.
 *
 * @template F
 * @implements {Outlet<F>}
 */
export class SoundSwap {
  wantsKey = false;
  /** @type {Dummy<F>[]} */
  #dummies = [];
  /** `pause`: it comes after one.
   * @type {(Payload & {pause: boolean})[]} */
  #payloads = [];
  /** What a dummy's time is more than its payload's; null: to be found.
   * @type {number | null} */
  #offset = null;
  #lastTime = 0;
  #beginning = new PauseBeginning();

  get waiting() {
    return this.#dummies.length;
  }

  moved() {
    this.#offset = null;
    this.#payloads = [];
  }

  /**
   * @param {Dummy<F>} dummy
   * @param {number} now ms
   */
  dummy(dummy, now) {
    this.#dummies.push(dummy);
    if (this.#dummies.length > SOUND_DUMMIES) this.#dummies.shift();
    const written = this.#pair(now);
    return written.length > 0 ? written : this.#again(now);
  }

  /**
   * @param {Payload} payload
   * @param {number} now ms
   */
  payload(payload, now) {
    const passed = clockDifference(payload.time, this.#lastTime);
    if (Math.abs(passed) > NEW_STREAM) this.#offset = null;
    this.#lastTime = payload.time;
    this.#payloads.push({ ...payload, pause: passed > PAUSE });
    if (this.#offset === null) {
      this.#payloads.splice(0, this.#payloads.length - 1);
    } else if (this.#payloads.length > SOUND_PAYLOADS) {
      this.#payloads.splice(0, this.#payloads.length - 1);
      this.#offset = null;
    }
    return this.#pair(now);
  }

  /** @param {number} now */
  #pair(now) {
    /** @type {Written<F>[]} */
    const written = [];
    for (;;) {
      const [payload] = this.#payloads;
      if (payload === undefined) return written;
      this.#dummies.splice(0, this.#early(payload));
      const dummy = this.#dummies.shift();
      if (dummy === undefined) return written;
      this.#offset = clockDifference(dummy.time, payload.time);
      this.#payloads.shift();
      this.#beginning.goes(payload.data, now);
      written.push({ frame: dummy.frame, data: payload.data });
    }
  }

  /** @param {number} now */
  #again(now) {
    if (this.#dummies.length === 0) return [];
    const data = this.#beginning.again(now - PAUSE_BEGINS_MS);
    const dummy = data && this.#dummies.shift();
    return dummy ? [{ frame: dummy.frame, data }] : [];
  }

  /**
   * How many dummies are too early for a payload.
   *
   * @param {Payload & {pause: boolean}} payload
   */
  #early({ time, pause }) {
    const offset = this.#offset;
    if (offset === null) return 0;
    const at = this.#dummies.findIndex((dummy) => clockDifference(dummy.time, time + offset) >= 0);
    const early = at < 0 ? this.#dummies.length : at;
    // A pause may be shorter by as many dummies as lack.
    return pause ? Math.max(0, Math.min(early, this.#dummies.length - 1 - SOUND_MARGIN)) : early;
  }
}

/**
 * Our own encoder's sound as it is. In a pause it makes frames without data, of which none is sent;
 * they can carry some.
 *
 * @template F
 * @implements {Outlet<F>}
 */
export class SoundPass {
  wantsKey = false;
  waiting = 0;
  #beginning = new PauseBeginning();

  moved() {}

  /**
   * @param {Dummy<F>} dummy
   * @param {number} now ms
   * @returns {Written<F>[]}
   */
  dummy({ frame, data: made }, now) {
    const data = made();
    if (data.byteLength === 0) {
      const again = this.#beginning.again(now);
      return again ? [{ frame, data: again }] : [];
    }
    this.#beginning.goes(data, now);
    return [{ frame, data }];
  }

  payload() {
    return [];
  }
}

/**
 * By how many ticks RTP timestamp `a` is after `b`; they wrap (RFC 3550, section 5.1).
 *
 * @param {number} a
 * @param {number} b
 */
function clockDifference(a, b) {
  return (a - b) | 0;
}
