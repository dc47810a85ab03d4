/**
 * Carries out what `repair.js` decides: asks standby parents on their data channels, and tells the
 * relay worker what to look after.
 */

import { dutyOf } from "./duty.js";
import { sameTrack } from "./relay.js";
import { Repair } from "./repair.js";
import { EMPTY_ROOM, reachable } from "./room.js";

/** @import {Forwarder} from "./forwarder.js" */
/** @import {Neighbour} from "./neighbour.js" */
/** @import {Track} from "./protocol.js" */
/** @import {Received} from "./relay.js" */
/** @import {Asking} from "./repair.js" */
/** @import {Room} from "./room.js" */

export class Mending {
  #forwarder;
  #neighbours;
  #repair = new Repair();
  #room = EMPTY_ROOM;
  #duty = "";
  /** Feeds that have stopped.
   * @type {Set<number>} */
  #missed = new Set();
  /** Neighbours whose connection is gone.
   * @type {Set<string>} */
  #lost = new Set();

  /**
   * @param {Forwarder} forwarder
   * @param {ReadonlyMap<string, Neighbour>} neighbours as they are at any time
   */
  constructor(forwarder, neighbours) {
    this.#forwarder = forwarder;
    this.#neighbours = neighbours;
  }

  /** The edges, with the standby edges that take over. */
  get edges() {
    return this.#repair.edges;
  }

  /** The standby edges that are only held ready. */
  get idle() {
    return this.#repair.idle;
  }

  /** @param {Room} room as it is now */
  update(room) {
    this.#room = room;
    const here = reachable(room);
    for (const id of this.#lost) if (!here.has(id)) this.#lost.delete(id);
    this.#ask(this.#repair.update(room));
  }

  /** @param {string} neighbour whose connection is gone */
  lost(neighbour) {
    this.#lost.add(neighbour);
    this.#ask(this.#repair.lost(neighbour));
  }

  /** @param {string} neighbour whose connection stands */
  found(neighbour) {
    this.#lost.delete(neighbour);
  }

  /**
   * @param {string} child
   * @param {Track} track which it asks us to send, or no longer
   * @param {boolean} on
   */
  give(child, track, on) {
    this.#repair.give(child, track, on);
  }

  /**
   * @param {number} feed whose stream has stopped, or is back
   * @param {boolean} missing
   * @param {readonly Received<MediaStreamTrack>[]} received
   */
  missing(feed, missing, received) {
    const stream = received.find(({ track }) => this.#forwarder.feedOf(track) === feed);
    if (missing) this.#missed.add(feed);
    else this.#missed.delete(feed);
    if (stream === undefined) return;
    const spare = this.#repair.standbyFor(stream)?.parent;
    const other = received.find((one) => one.from === spare && sameTrack(one, stream));
    const { source, kind } = stream;
    this.#ask(
      missing
        ? this.#repair.missing({ source, kind })
        : this.#repair.back({ source, kind }, other?.live === true),
    );
  }

  /**
   * Whether a stream has stopped, or its parent's connection is gone.
   *
   * @param {Received<MediaStreamTrack>} one
   */
  isMissed({ from, track }) {
    return this.#missed.has(this.#forwarder.feedOf(track) ?? -1) || this.#lost.has(from);
  }

  /** @param {readonly Received<MediaStreamTrack>[]} received */
  watch(received) {
    const duty = dutyOf(
      this.#room,
      this.#repair,
      received,
      (track) => this.#forwarder.feedOf(track),
      (id) => this.#neighbours.get(id)?.outlets ?? [],
    );
    const watched = new Set(duty.watched.map(({ feed }) => feed));
    for (const feed of this.#missed) if (!watched.has(feed)) this.#missed.delete(feed);
    const text = JSON.stringify(duty);
    if (text === this.#duty) return;
    this.#duty = text;
    this.#forwarder.serve(duty);
  }

  /** @param {readonly Asking[]} asking */
  #ask(asking) {
    for (const { to, type, track } of asking) {
      console.info(`${to}: ${type} ${track.source}'s ${track.kind}`);
      const neighbour = this.#neighbours.get(to);
      if (type === "adopt") neighbour?.expect(track);
      neighbour?.say({ type, track });
    }
  }
}
