/**
 * PURE: what the first offer between two has places for though no edge says it yet. What each of them
 * publishes mostly comes a moment later: when it is known who shows whose picture, and who stands by
 * for whom. Then it needs no offer more.
 */

import { publishedOf } from "./protocol.js";

/** @import {Participant, Track} from "./protocol.js" */
/** @import {Slot, Streams} from "./relay.js" */

/** A picture of another size goes on the same place. */
const KINDS = /** @type {const} */ (["audio", "high"]);

/**
 * What we may come to send; nothing goes out of it, and nobody is told of it.
 *
 * @template T
 * @param {string} you
 * @param {Streams<T>} own
 * @returns {Slot<T>[]}
 */
export function spareSlots(you, own) {
  return KINDS.flatMap((kind) => {
    const track = own[kind];
    return track === undefined ? [] : [{ source: you, kind, track, held: true, spare: true }];
  });
}

/**
 * What a neighbour may come to send.
 *
 * @param {string} neighbour
 * @param {readonly Participant[]} participants
 * @returns {Track[]}
 */
export function spareTracks(neighbour, participants) {
  const { publishes = [] } = participants.find(({ id }) => id === neighbour) ?? {};
  const kinds = KINDS.filter((kind) => publishes.includes(publishedOf(kind)));
  return kinds.map((kind) => ({ source: neighbour, kind }));
}

/**
 * Those tracks, and the spares of which none is among them.
 *
 * @template {Track} T
 * @param {readonly T[]} tracks
 * @param {readonly T[]} spares
 * @returns {T[]}
 */
export function withSpares(tracks, spares) {
  const needed = spares.filter((spare) => !tracks.some((one) => isSameMedia(one, spare)));
  return [...tracks, ...needed];
}

/**
 * @param {Track} a
 * @param {Track} b
 */
function isSameMedia(a, b) {
  return a.source === b.source && publishedOf(a.kind) === publishedOf(b.kind);
}
