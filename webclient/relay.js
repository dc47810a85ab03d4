/**
 * Which stream goes to whom: the pure heart of being a peer in streaming trees.
 *
 * `select` decides, of what our parents send, what is passed on, and `shown` what is played; `plan` decides what
 * each neighbour is sent; `assign` lays that out on a connection's transceivers so that as few as
 * possible change. Tracks are opaque here (`T`): any value will do, and does in the tests.
 *
 * How a sender passes a received track on is for `outgoing.js`.
 */

import { mediaOf, publishedOf } from "./protocol.js";

/** @import {Edge, MediaKind, PublishedKind, StreamKind, Track} from "./protocol.js" */

/**
 * What a neighbour sends us. `live` once its media has begun to arrive.
 *
 * @template T
 * @typedef {{from: string, source: string, kind: StreamKind, track: T, live: boolean}} Received
 */

/**
 * What a transceiver is to carry; `held`: nothing goes out of it yet; `spare`: perhaps never.
 *
 * @template T
 * @typedef {Track & {track: T, held?: boolean, spare?: boolean}} Slot
 */

/**
 * A participant's streams, by kind.
 *
 * @template T
 * @typedef {Partial<Record<StreamKind, T>>} Streams
 */

/**
 * A jitter buffer plays nothing of what has only just begun: as long as the old parent's sound is
 * good, that of the new one is not taken to be here.
 *
 * @template T
 * @param {readonly (Received<T> & {plays: boolean})[]} received
 * @param {(one: Received<T>) => boolean} isMissed whether it has stopped
 * @returns {Received<T>[]}
 */
export function playable(received, isMissed) {
  const good = received.filter((one) => one.live && one.plays && !isMissed(one));
  return received.map((one) => {
    const waits = one.live && !one.plays && good.some((other) => sameTrack(other, one));
    return waits ? { ...one, live: false } : one;
  });
}

/**
 * The one track per source and kind that we pass on.
 *
 * While a stream has an old parent and a new one, the old one's goes on until the new one's has
 * begun (docs/protocol.md, "Edges").
 *
 * @template T
 * @param {string} you
 * @param {readonly Edge[]} edges the newest last
 * @param {readonly Received<T>[]} received
 * @returns {Map<string, Streams<T>>} by source
 */
export function select(you, edges, received) {
  return newest(you, edges, received, (kind) => kind);
}

/**
 * What is played of each source: of the camera's layers, while both stand, the newer one once it
 * has begun.
 *
 * @template T
 * @param {string} you
 * @param {readonly Edge[]} edges the newest last
 * @param {readonly Received<T>[]} received
 * @returns {Map<string, Partial<Record<PublishedKind, T>>>} by source
 */
export function shown(you, edges, received) {
  return newest(you, edges, received, publishedOf);
}

/**
 * @template T
 * @template {string} K
 * @param {string} you
 * @param {readonly Edge[]} edges
 * @param {readonly Received<T>[]} received
 * @param {(kind: StreamKind) => K} as streams that are the same here take each other's place
 * @returns {Map<string, Partial<Record<K, T>>>}
 */
function newest(you, edges, received, as) {
  /** @type {Map<string, Partial<Record<K, T>>>} */
  const chosen = new Map();
  for (const edge of edges) {
    if (edge.child !== you) continue;
    /** @type {Partial<Record<K, T>>} */
    const tracks = chosen.get(edge.source) ?? {};
    chosen.set(edge.source, tracks);
    for (const one of received) {
      if (!comesBy(edge, one)) continue;
      const key = as(one.kind);
      if (one.live || tracks[key] === undefined) tracks[key] = one.track;
    }
  }
  return chosen;
}

/**
 * The edges whose stream has arrived, so that we could pass it on.
 *
 * @template T
 * @param {string} you
 * @param {readonly Edge[]} edges
 * @param {readonly Received<T>[]} received
 */
export function arrived(you, edges, received) {
  return edges.filter(
    (edge) => edge.child === you && received.some((one) => one.live && comesBy(edge, one)),
  );
}

/**
 * @param {Edge} edge
 * @param {Received<unknown>} received
 */
function comesBy(edge, received) {
  return edge.parent === received.from && sameTrack(edge, received);
}

/**
 * What each neighbour is to be sent.
 *
 * @template T
 * @param {string} you
 * @param {readonly Edge[]} edges
 * @param {Streams<T>} own
 * @param {ReadonlyMap<string, Streams<T>>} selected from `select`
 * @param {readonly Edge[]} [idle] to be held ready
 * @returns {Map<string, Slot<T>[]>} by neighbour
 */
export function plan(you, edges, own, selected, idle = []) {
  /** @type {Map<string, Slot<T>[]>} */
  const sends = new Map();
  for (const edge of [...edges, ...idle]) {
    const { source, kind, parent, child } = edge;
    if (parent !== you) continue;
    const slots = sends.get(child) ?? [];
    sends.set(child, slots);
    const track = (source === you ? own : selected.get(source))?.[kind];
    if (track === undefined) continue;
    slots.push(idle.includes(edge) ? { source, kind, track, held: true } : { source, kind, track });
  }
  return sends;
}

/**
 * Who gives way when offers of two browsers cross; the other one makes the first.
 *
 * @param {string} you
 * @param {string} neighbour
 */
export function isPolite(you, neighbour) {
  return you < neighbour;
}

/**
 * The streams that we ask for: those of the seat, which never offers, and those of neighbours to
 * whom we make the first offer.
 *
 * @param {string} you
 * @param {string} seat
 * @param {readonly Edge[]} edges
 * @returns {Map<string, Track[]>} by neighbour
 */
export function wants(you, seat, edges) {
  /** @type {Map<string, Track[]>} */
  const asks = new Map();
  for (const { source, kind, parent, child } of edges) {
    if (child !== you || (parent !== seat && isPolite(you, parent))) continue;
    asks.set(parent, [...(asks.get(parent) ?? []), { source, kind }]);
  }
  return asks;
}

/**
 * Lays `slots` out on the transceivers that a connection has, one direction of them.
 *
 * A transceiver keeps its stream while it is wanted; what an ended edge left behind serves the
 * next one of its medium, which needs no negotiation; only the rest is new.
 *
 * @template {Track} S
 * @template {{media: MediaKind, slot: Track | null}} L
 * @param {readonly L[]} transceivers what each carries now
 * @param {readonly S[]} slots what is wanted
 * @param {(idle: L, wanted: S) => boolean} [fits] of one medium, whether it can serve
 * @returns {{carry: (S | null)[], add: S[]}} `carry[i]` is for transceiver i, null: idle
 */
export function assign(transceivers, slots, fits = () => true) {
  /** @type {(S | null)[]} */
  const carry = transceivers.map(
    ({ slot }) => slots.find((wanted) => slot !== null && sameTrack(slot, wanted)) ?? null,
  );
  const add = [];
  for (const wanted of slots) {
    if (carry.includes(wanted)) continue;
    const medium = mediaOf(wanted.kind);
    const idle = transceivers.findIndex(
      (one, i) => carry[i] === null && one.media === medium && fits(one, wanted),
    );
    if (idle >= 0) carry[idle] = wanted;
    else add.push(wanted);
  }
  return { carry, add };
}

/**
 * @param {Track} a
 * @param {Track} b
 */
export function sameTrack(a, b) {
  return a.source === b.source && a.kind === b.kind;
}
