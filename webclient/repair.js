/**
 * PURE: who takes over when a parent's stream stops (docs/protocol.md, "Repair").
 *
 * As a child we ask the standby parent as soon as a stream is missed, or its parent is gone, and
 * say so if it comes back first. As a standby parent we hold streams ready, and send those that
 * were asked for. Every method takes one input and answers what is to be said to neighbours.
 */

import { sameTrack } from "./relay.js";
import { EMPTY_ROOM, edgeKey, reachable } from "./room.js";

/** @import {Edge, Track} from "./protocol.js" */
/** @import {Room} from "./room.js" */

/** @typedef {{to: string, type: "adopt" | "release", track: Track}} Asking */

export class Repair {
  /** @type {Room} */
  #room = EMPTY_ROOM;
  /** Standby edges, by key, whose parent we asked.
   * @type {Set<string>} */
  #asked = new Set();
  /** Those whose child asked us.
   * @type {Set<string>} */
  #given = new Set();

  /**
   * The room is another one now.
   *
   * @param {Room} room
   * @returns {Asking[]}
   */
  update(room) {
    const before = this.#room;
    this.#room = room;
    const standing = new Set(room.standbys.map(edgeKey));
    for (const keys of [this.#asked, this.#given]) {
      for (const key of keys) if (!standing.has(key)) keys.delete(key);
    }
    if (before.you !== room.you) return [];
    const here = reachable(room);
    return this.#ask(
      before.edges.filter(({ child, parent }) => child === room.you && !here.has(parent)),
    );
  }

  /**
   * A neighbour's connection is gone: there is no need to wait for what it should send.
   *
   * @param {string} neighbour
   */
  lost(neighbour) {
    const { you, edges } = this.#room;
    return this.#ask(edges.filter(({ child, parent }) => child === you && parent === neighbour));
  }

  /** @param {Track} track which does not come any more */
  missing(track) {
    return this.#ask([track]);
  }

  /**
   * @param {Track} track which comes from its parent again
   * @param {boolean} live whether the standby parent's stream has come meanwhile
   * @returns {Asking[]}
   */
  back(track, live) {
    const standby = live ? undefined : this.standbyFor(track);
    if (standby === undefined || !this.#asked.delete(edgeKey(standby))) return [];
    return [{ to: standby.parent, type: "release", track: trackOf(standby) }];
  }

  /**
   * A child asks us to send a stream that we hold ready, or no longer.
   *
   * @param {string} child
   * @param {Track} track
   * @param {boolean} on
   */
  give(child, track, on) {
    const standby = this.#room.standbys.find(
      (one) => one.child === child && one.parent === this.#room.you && sameTrack(one, track),
    );
    if (standby === undefined) return;
    if (on) this.#given.add(edgeKey(standby));
    else this.#given.delete(edgeKey(standby));
  }

  /**
   * The standby edge of which we are the child.
   *
   * @param {Track} track
   */
  standbyFor(track) {
    const { you, standbys } = this.#room;
    return standbys.find((one) => one.child === you && sameTrack(one, track));
  }

  /** The edges, and the standby edges that were asked for: as good as edges. */
  get edges() {
    const { edges, standbys } = this.#room;
    const used = (/** @type {Edge} */ edge) =>
      this.#asked.has(edgeKey(edge)) || this.#given.has(edgeKey(edge));
    return [...edges, ...standbys.filter((one) => used(one) && !isAmong(one, edges))];
  }

  /** The standby edges that nothing is to be sent on. */
  get idle() {
    const edges = this.edges;
    return this.#room.standbys.filter((one) => !isAmong(one, edges));
  }

  /**
   * @param {readonly Track[]} tracks
   * @returns {Asking[]}
   */
  #ask(tracks) {
    /** @type {Asking[]} */
    const asking = [];
    for (const track of tracks) {
      const standby = this.standbyFor(track);
      if (standby === undefined || this.#asked.has(edgeKey(standby))) continue;
      this.#asked.add(edgeKey(standby));
      asking.push({ to: standby.parent, type: "adopt", track: trackOf(standby) });
    }
    return asking;
  }
}

/** @param {Track} edge */
const trackOf = ({ source, kind }) => ({ source, kind });

/**
 * @param {Edge} edge
 * @param {readonly Edge[]} edges
 */
const isAmong = (edge, edges) => edges.some((one) => edgeKey(one) === edgeKey(edge));
