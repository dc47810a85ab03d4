/**
 * PURE: what goes out on one sender. Its frames are *dummies*, whose data is exchanged for payloads.
 *
 * A browser sends only frames of the sender's own encoder, so each payload needs a dummy. A few
 * of them wait here, so that a payload goes at once; RTP numbers and times are the dummies'.
 * `SoundPass` and `PicturePass` are for what we encode ourselves: our own, and re-forwarding.
 */

import { PauseBeginning } from "./dtx.js";
import { PAINTED_SIZE } from "./dummies.js";
import { framesBetween, nextStamp, stamped } from "./stamp.js";
import { keyFrameSize } from "./vp8.js";

/** @import {Payload} from "./feed.js" */
/** @import {Stamp} from "./stamp.js" */

/**
 * `frame` is the browser's, opaque here; `time` its RTP timestamp.
 *
 * @template F
 * @typedef {{frame: F, data: () => ArrayBuffer, time: number, key: boolean}} Dummy
 */

/**
 * @template F
 * @typedef {{frame: F, data: ArrayBuffer}} Written
 */

/**
 * @template F
 * @typedef {object} Outlet
 * @property {(dummy: Dummy<F>, now: number) => Written<F>[]} dummy a frame of the sender's encoder
 * @property {(payload: Payload, now: number) => Written<F>[]} payload a frame of the feed's
 * @property {() => void} moved another feed from now on
 * @property {boolean} wantsKey nothing can go on without a key frame: of the feed's, or our own
 * @property {number} waiting how many dummies are here
 */

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

const PICTURE_DUMMIES = 4;
const PICTURE_MARGIN = 2;
/** A queue that was never empty for so long is caught up with by a key frame, ms. */
const BEHIND_MS = 400;
const CATCH_UP_INTERVAL_MS = 3_000;
const PICTURE_PAYLOADS = 60;

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
 * One dummy for one payload, in order and without a gap in either, from a key frame on: a child
 * knows by our sender's numbers that it missed nothing, so that must be true.
 *
 * @template F
 * @implements {Outlet<F>}
 */
export class PictureSwap {
  wantsKey = true;
  /** @type {Dummy<F>[]} */
  #dummies = [];
  /** @type {Payload[]} */
  #payloads = [];
  /** Of the newest payload taken.
   * @type {Stamp | null} */
  #last = null;
  #running = false;
  #begun = false;
  #moved = false;
  #behindSince = Infinity;
  #caughtUpAt = -Infinity;

  get waiting() {
    return this.#dummies.length;
  }

  /** The new feed's frames may well follow those of the old one: their stamps tell. */
  moved() {
    this.#moved = true;
  }

  /**
   * @param {Dummy<F>} dummy
   * @param {number} now ms
   */
  dummy(dummy, now) {
    // The child asked our encoder for a key frame (RFC 4585, section 6.3.1). Its first is none such.
    if (dummy.key && this.#begun) this.wantsKey = true;
    this.#begun = true;
    this.#dummies.push(dummy);
    if (!this.#running) this.#trim();
    else if (this.#dummies.length > PICTURE_DUMMIES) this.#stop();
    return this.#pair(now);
  }

  /**
   * @param {Payload} payload
   * @param {number} now ms
   */
  payload(payload, now) {
    if (payload.key) this.#start();
    else if (!this.#running || !this.#follows(payload)) return [];
    this.#moved = false;
    this.#last = payload.stamp;
    this.#payloads.push(payload);
    const behind = now - this.#behindSince > BEHIND_MS;
    if (this.#payloads.length > PICTURE_PAYLOADS || (behind && this.#mayCatchUp(now))) this.#stop();
    return this.#pair(now);
  }

  /** @param {Payload} payload */
  #follows({ stamp }) {
    if (stamp === null && this.#last === null && !this.#moved) return true;
    const frames = framesBetween(this.#last, stamp);
    if (frames === 1) return true;
    // What we had already, from a new feed that lags behind the old one, is passed over.
    if (frames === null || frames > 1) this.#stop();
    return false;
  }

  #start() {
    this.#running = true;
    this.wantsKey = false;
    this.#payloads = [];
    this.#behindSince = Infinity;
    this.#trim();
  }

  #stop() {
    this.#running = false;
    this.wantsKey = true;
    this.#payloads = [];
    this.#behindSince = Infinity;
    this.#trim();
  }

  /** Dummies may be left out only where a key frame comes next. */
  #trim() {
    this.#dummies.splice(0, this.#dummies.length - PICTURE_MARGIN);
  }

  /** @param {number} now */
  #mayCatchUp(now) {
    if (now - this.#caughtUpAt < CATCH_UP_INTERVAL_MS) return false;
    this.#caughtUpAt = now;
    return true;
  }

  /** @param {number} now */
  #pair(now) {
    /** @type {Written<F>[]} */
    const written = [];
    for (;;) {
      const [dummy] = this.#dummies;
      const [payload] = this.#payloads;
      if (payload === undefined) this.#behindSince = Infinity;
      else if (dummy === undefined) this.#behindSince = Math.min(this.#behindSince, now);
      if (dummy === undefined || payload === undefined) return written;
      written.push({ frame: dummy.frame, data: payload.data });
      this.#dummies.shift();
      this.#payloads.shift();
    }
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
 * Our own encoder's pictures, from a key frame on, and stamped.
 *
 * @template F
 * @implements {Outlet<F>}
 */
export class PicturePass {
  wantsKey = true;
  waiting = 0;
  #stamp;
  #painted;

  /**
   * @param {Stamp} stamp of the first frame
   * @param {boolean} [painted] painted dummies, asked for before, may still come first
   */
  constructor(stamp, painted = false) {
    this.#stamp = stamp;
    this.#painted = painted;
  }

  moved() {}

  /**
   * @param {Dummy<F>} dummy
   * @returns {Written<F>[]}
   */
  dummy({ frame, data, key }) {
    if (this.wantsKey) {
      if (!key || (this.#painted && isPainted(data()))) return [];
      this.wantsKey = false;
    }
    const written = { frame, data: stamped(data(), this.#stamp) };
    this.#stamp = nextStamp(this.#stamp);
    return [written];
  }

  payload() {
    return [];
  }
}

/** @param {ArrayBuffer} data of a key frame */
function isPainted(data) {
  const size = keyFrameSize(data);
  return size?.width === PAINTED_SIZE && size.height === PAINTED_SIZE;
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
