/**
 * PURE: places, the `recvonly` m-sections of an offer, each for a stream that the other side is to
 * send (docs/protocol.md, "`signal`").
 */

import { mediaOf } from "./protocol.js";

/** @import {MediaKind, Track} from "./protocol.js" */

/** @typedef {{mid: string, media: MediaKind}} Place */

/**
 * The places of an offer, as they follow each other.
 *
 * @param {string} sdp
 * @returns {Place[]}
 */
export function placesIn(sdp) {
  const [session = "", ...sections] = sdp.split(/^(?=m=)/m);
  const usual = directionOf(session);
  return sections.flatMap((section) => {
    const media = /^m=(audio|video) /.exec(section)?.[1];
    const mid = midOf(section);
    if (media === undefined || mid === "" || isRejected(section)) return [];
    if ((directionOf(section) ?? usual) !== "recvonly") return [];
    return [{ mid, media: /** @type {MediaKind} */ (media) }];
  });
}

/**
 * Which stream goes to which place: any of its medium serves. Who finds none is not in it.
 *
 * @template {Track} S
 * @param {readonly Place[]} places
 * @param {readonly S[]} slots
 * @returns {Map<string, S>} by mid
 */
export function lay(places, slots) {
  const free = { audio: places.values(), video: places.values() };
  /** @type {Map<string, S>} */
  const laid = new Map();
  for (const slot of slots) {
    const media = mediaOf(slot.kind);
    const place = next(free[media], media);
    if (place !== undefined) laid.set(place.mid, slot);
  }
  return laid;
}

/**
 * @param {Iterator<Place>} places
 * @param {MediaKind} media
 */
function next(places, media) {
  let { done, value } = places.next();
  while (!done && value.media !== media) ({ done, value } = places.next());
  return done ? undefined : /** @type {Place} */ (value);
}

/** @param {string} section an m-section */
export function midOf(section) {
  return /^a=mid:(\S+)/m.exec(section)?.[1] ?? "";
}

/**
 * RFC 8866, section 6.7: what the session says holds for m-sections that say nothing.
 *
 * @param {string} part
 */
function directionOf(part) {
  return /^a=(sendrecv|sendonly|recvonly|inactive)\s*$/m.exec(part)?.[1];
}

/**
 * Port 0, unless another m-section has the port for all (RFC 9143, section 6).
 *
 * @param {string} section
 */
function isRejected(section) {
  return /^m=\S+ 0 /.test(section) && !/^a=bundle-only\s*$/m.test(section);
}
