/**
 * PURE: how large each kind of stream is encoded, and the dummies that a relay's payloads go on.
 */

/** @import {StreamKind} from "./protocol.js" */

/** @typedef {{scaleResolutionDownBy: number, maxBitrate: number, maxFramerate?: number}} Encoding */

/** A relay that encodes anew sends each child as much as the source sent it. */
const MAX_BITRATE = { low: 150_000, high: 800_000, screen: 1_500_000 };
/** The picture for small tiles, pixels, either way round. */
const LOW = { longer: 320, shorter: 180, rate: 15 };

/** The pacer goes by what the dummies are allowed, and payloads are larger than they. */
const MAX_SWAP_BITRATE = 4_000_000;
const DUMMY_SCALE = 12;

/**
 * How a sender encodes a stream.
 *
 * @param {{kind: StreamKind, track: {getSettings: () => MediaTrackSettings}}} slot
 * @param {boolean} own what we get as `low` is small already
 * @returns {Encoding | null} null for sound: as the browser likes
 */
export function encodingOf({ kind, track }, own = true) {
  if (kind === "audio") return null;
  const maxBitrate = MAX_BITRATE[kind];
  if (kind !== "low") return { scaleResolutionDownBy: 1, maxBitrate };
  const { width = 0, height = 0 } = own ? track.getSettings() : {};
  const longer = Math.max(width, height) / LOW.longer;
  const shorter = Math.min(width, height) / LOW.shorter;
  const scaleResolutionDownBy = Math.max(1, longer, shorter);
  return { scaleResolutionDownBy, maxBitrate, maxFramerate: LOW.rate };
}

/**
 * How a sender encodes what only carries payloads.
 *
 * @param {boolean} painted small from the start
 * @returns {Encoding}
 */
export function dummyEncoding(painted) {
  return { scaleResolutionDownBy: painted ? 1 : DUMMY_SCALE, maxBitrate: MAX_SWAP_BITRATE };
}
