/** PURE: how pictures go out on one sender (`outlets.js`). */

import { PAINTED_SIZE } from "./dummies.js";
import { framesBetween, nextStamp, stamped } from "./stamp.js";
import { keyFrameSize } from "./vp8.js";

/** @import {Dummy, Outlet, Written} from "./outlets.js" */
/** @import {Payload} from "./feed.js" */
/** @import {Stamp} from "./stamp.js" */

const PICTURE_DUMMIES = 4;
const PICTURE_MARGIN = 2;
/** A queue that was never empty for so long is caught up with by a key frame, ms. */
const BEHIND_MS = 400;
const CATCH_UP_INTERVAL_MS = 3_000;
const PICTURE_PAYLOADS = 60;

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
    else if (this.#dummies.length > PICTURE_DUMMIES) this.#run(false);
    return this.#pair(now);
  }

  /**
   * @param {Payload} payload
   * @param {number} now ms
   */
  payload(payload, now) {
    if (payload.key) this.#run(true);
    else if (!this.#running || !this.#follows(payload)) return [];
    this.#moved = false;
    this.#last = payload.stamp;
    this.#payloads.push(payload);
    const tooMany = this.#payloads.length > PICTURE_PAYLOADS;
    const behind = now - this.#behindSince > BEHIND_MS;
    if (tooMany || (behind && this.#mayCatchUp(now))) this.#run(false);
    return this.#pair(now);
  }

  /** @param {Payload} payload */
  #follows({ stamp }) {
    if (stamp === null && this.#last === null && !this.#moved) return true;
    const frames = framesBetween(this.#last, stamp);
    if (frames === 1) return true;
    // What we had already, from a new feed that lags behind the old one, is passed over.
    if (frames === null || frames > 1) this.#run(false);
    return false;
  }

  /** @param {boolean} running from a key frame on; if not, until one comes */
  #run(running) {
    this.#running = running;
    this.wantsKey = !running;
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
