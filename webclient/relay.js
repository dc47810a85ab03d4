/**
 * Which stream goes to whom: the pure heart of being a peer in streaming trees.
 *
 * `select` decides, of what our parents send, what is played and passed on; `plan` decides what
 * each neighbour is sent; `assign` lays that out on a connection's transceivers so that as few as
 * possible change. Tracks are opaque here (`T`): any value will do, and does in the tests.
 *
 * How a sender passes a received track on is for `outgoing.js`.
 */

/** @import {Edge, MediaKind, Track} from "./protocol.js" */

/**
 * What a neighbour sends us. `live` once its media has begun to arrive.
 *
 * @template T
 * @typedef {{from: string, source: string, kind: MediaKind, track: T, live: boolean}} Received
 */

/**
 * What a transceiver is to carry.
 *
 * @template T
 * @typedef {Track & {track: T}} Slot
 */

const KINDS = /** @type {const} */ (["audio", "video"]);

/**
 * The one track per source and kind that we play and pass on.
 *
 * While a source has an old parent and a new one, the old one's stream goes on until the new
 * one's has begun (docs/protocol.md, "Edges").
 *
 * @template T
 * @param {string} you
 * @param {readonly Edge[]} edges the newest last
 * @param {readonly Received<T>[]} received
 * @returns {Map<string, Partial<Record<MediaKind, T>>>} by source
 */
export function select(you, edges, received) {
  /** @type {Map<string, Partial<Record<MediaKind, T>>>} */
  const selected = new Map();
  for (const { source, parent, child } of edges) {
    if (child !== you) continue;
    const tracks = selected.get(source) ?? {};
    selected.set(source, tracks);
    for (const one of received) {
      if (one.from !== parent || one.source !== source) continue;
      if (one.live || tracks[one.kind] === undefined) tracks[one.kind] = one.track;
    }
  }
  return selected;
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
    ({ source, parent, child }) =>
      child === you &&
      received.some((one) => one.from === parent && one.source === source && one.live),
  );
}

/**
 * What each neighbour is to be sent. The seat takes sound only.
 *
 * @template T
 * @param {string} you
 * @param {string} seat
 * @param {readonly Edge[]} edges
 * @param {Partial<Record<MediaKind, T>>} own the tracks of our own microphone and camera
 * @param {ReadonlyMap<string, Partial<Record<MediaKind, T>>>} selected from `select`
 * @returns {Map<string, Slot<T>[]>} by neighbour
 */
export function plan(you, seat, edges, own, selected) {
  /** @type {Map<string, Slot<T>[]>} */
  const sends = new Map();
  for (const { source, parent, child } of edges) {
    if (parent !== you) continue;
    const tracks = source === you ? own : (selected.get(source) ?? {});
    const slots = sends.get(child) ?? [];
    sends.set(child, slots);
    for (const kind of KINDS) {
      const track = tracks[kind];
      if (track === undefined || (child === seat && kind === "video")) continue;
      slots.push({ source, kind, track });
    }
  }
  return sends;
}

/**
 * The sources that we get from the seat, which never offers: we ask it for each.
 *
 * @param {string} you
 * @param {string} seat
 * @param {readonly Edge[]} edges
 * @returns {Track[]}
 */
export function wants(you, seat, edges) {
  return edges
    .filter(({ parent, child }) => parent === seat && child === you)
    .map(({ source }) => ({ source, kind: "audio" }));
}

/**
 * Lays `slots` out on the transceivers that a connection has, one direction of them.
 *
 * A transceiver keeps its source and kind while they are wanted; what an ended edge left behind
 * serves the next one of its kind, which needs no negotiation; only the rest is new.
 *
 * @template {Track} S
 * @param {readonly {kind: MediaKind, slot: Track | null}[]} transceivers what each carries now
 * @param {readonly S[]} slots what is wanted
 * @returns {{carry: (S | null)[], add: S[]}} `carry[i]` is for transceiver i, null: idle
 */
export function assign(transceivers, slots) {
  /** @type {(S | null)[]} */
  const carry = transceivers.map(
    ({ slot }) => slots.find((wanted) => slot !== null && sameTrack(slot, wanted)) ?? null,
  );
  const add = [];
  for (const wanted of slots) {
    if (carry.includes(wanted)) continue;
    const idle = transceivers.findIndex(({ kind }, i) => carry[i] === null && kind === wanted.kind);
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
