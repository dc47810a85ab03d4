/**
 * PURE: what goes out on one sender. Its frames are *dummies*, whose data is exchanged for payloads.
 *
 * A browser sends only frames of the sender's own encoder, so each payload needs a dummy. A few
 * of them wait here, so that a payload goes at once; RTP numbers and times are the dummies'.
 */

import { PicturePass, PictureSwap } from "./picture-outlets.js";
import { SoundPass, SoundSwap } from "./sound-outlets.js";

/** @import {MediaKind} from "./protocol.js" */
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
 * `own`: what the sender's encoder makes goes out as it is, be it our own or encoded anew.
 *
 * @template F
 * @param {MediaKind} kind
 * @param {boolean} own
 * @param {Stamp} stamp of the first picture of our own
 * @param {boolean} painted whether its dummies were painted up to now
 * @returns {Outlet<F>}
 */
export function outletOf(kind, own, stamp, painted) {
  if (kind === "audio") return own ? new SoundPass() : new SoundSwap();
  return own ? new PicturePass(stamp, painted) : new PictureSwap();
}
