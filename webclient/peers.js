/**
 * All neighbours together: turns the edges that the server decided into streams.
 *
 * Each change, of the room, of our own tracks or of what arrives, goes through `#flow`: select
 * what to play, plan what to send, tell each neighbour's connection, report what has arrived.
 */

import { Forwarder } from "./forwarder.js";
import { Mending } from "./mending.js";
import { Neighbour } from "./neighbour.js";
import { noPathText } from "./path-watch.js";
import { publishedOf } from "./protocol.js";
import { arrived, isPolite, plan, playable, select, shown, wants } from "./relay.js";
import { EMPTY_ROOM, edgeKey, reachable } from "./room.js";
import { SeatRetry } from "./seat-retry.js";
import { SilentPlayers } from "./silent.js";
import { spareSlots, spareTracks } from "./spares.js";

/** @import {Levels, Word} from "./control.js" */
/** @import {EdgeStats} from "./senders.js" */
/** @import {ClientMessage, Edge, PublishedKind, SignalMessage, Track} from "./protocol.js" */
/** @import {Slot, Streams} from "./relay.js" */
/** @import {Room} from "./room.js" */

/** @typedef {Partial<Record<PublishedKind, MediaStreamTrack>>} SourceTracks */

/** How often links are seen after that carry what we pass on. */
const LOOK_INTERVAL_MS = 2_000;

/**
 * @typedef {object} Handlers
 * @property {(message: ClientMessage) => void} send
 * @property {(streams: Map<string, SourceTracks>) => void} streams what to play, by source
 * @property {(neighbour: string, text: string | null) => void} trouble there is no way to this
 *     neighbour, said for people; null: there is one again, or none is needed any more
 * @property {(levels: Levels) => void} levels how loud sources are, as they told
 */

export class Peers {
  #on;
  /** @type {Map<string, Neighbour>} */
  #neighbours = new Map();
  /** @type {Set<string>} */
  #ready = new Set();
  /** @type {Room} */
  #room = EMPTY_ROOM;
  /** @type {Streams<MediaStreamTrack>} */
  #own = {};
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** Neighbours whose trouble was told.
   * @type {Set<string>} */
  #troubled = new Set();
  #seatConnections = 0;
  #seatRetry = new SeatRetry({
    again: () => {
      const { seat } = this.#room;
      this.#neighbours.get(seat)?.close();
      this.#neighbours.delete(seat);
      this.#flow();
    },
    over: () => this.#trouble(this.#room.seat, false),
  });
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #lookTimer;
  #forwarder = new Forwarder({
    missing: (feed, missing) => {
      this.#mending.missing(feed, missing, this.#received());
      this.#flow();
    },
    beats: (neighbours) => {
      for (const id of neighbours) this.#neighbours.get(id)?.say({ type: "alive" });
    },
  });
  #silent = new SilentPlayers();
  #mending = new Mending(this.#forwarder, this.#neighbours);

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.#on = handlers;
  }

  /** Nothing comes after this. */
  end() {
    this.close();
    this.#forwarder.end();
  }

  /** Resolves when streams can be taken; before that, they could not be passed on as they are. */
  get prepared() {
    return this.#forwarder.ready;
  }

  /**
   * A new participation begins: what was with the neighbours of the last one is over.
   *
   * @param {RTCIceServer[]} iceServers
   */
  restart(iceServers) {
    this.close();
    this.#iceServers = iceServers;
    this.#lookTimer = setInterval(() => void this.#look(), LOOK_INTERVAL_MS);
  }

  /**
   * Others from now on, for connections that are made or restarted later.
   *
   * @param {RTCIceServer[]} iceServers
   */
  useServers(iceServers) {
    this.#iceServers = iceServers;
    for (const neighbour of this.#neighbours.values()) neighbour.useServers(iceServers);
  }

  /** This machine has come to another network. */
  networkChanged() {
    for (const neighbour of this.#neighbours.values()) neighbour.networkChanged();
    if (!this.#neighbours.has(this.#room.seat)) return;
    this.#seatRetry.reset();
    this.renewSeat();
  }

  /** @param {import("./protocol.js").FaultMessage} fault of what we send, on purpose */
  suffer(fault) {
    this.#forwarder.suffer(fault);
  }

  /** What we send to whom, and how. */
  async stats() {
    const counts = await this.#forwarder.counts();
    /** @type {EdgeStats[][]} */
    const all = await Promise.all([...this.#neighbours.values()].map((one) => one.stats(counts)));
    return all.flat();
  }

  /** All connections as they are now, for reports. */
  links() {
    return Promise.all([...this.#neighbours.values()].map((one) => one.link()));
  }

  async #look() {
    const counts = await this.#forwarder.counts();
    for (const neighbour of this.#neighbours.values()) {
      await neighbour.look(counts, performance.now());
      await neighbour.stopIntruders((track) => this.#isForbidden(track));
    }
  }

  /**
   * Whether a stream's source may not publish it: only then is who sends it at fault. That no edge
   * says it can also mean that somebody is slow.
   *
   * @param {Track} track
   */
  #isForbidden({ source, kind }) {
    const who = this.#room.participants.find(({ id }) => id === source);
    return who !== undefined && !who.may.includes(publishedOf(kind));
  }

  /**
   * A parent tells how loud its sources are: that goes the way of their streams.
   *
   * @param {string} from
   * @param {Levels} told
   */
  #passOn(from, told) {
    const { you } = this.#room;
    const { edges } = this.#mending;
    /** @type {Levels} */
    const heard = {};
    const sounds = edges.filter(({ kind }) => kind === "audio");
    for (const { source, parent, child } of sounds) {
      const level = told[source];
      if (parent === from && child === you && level !== undefined) heard[source] = level;
    }
    for (const [id, neighbour] of this.#neighbours) {
      const theirs = sounds
        .filter(({ source, parent, child }) => parent === you && child === id && source in heard)
        .map(({ source }) => [source, heard[source]]);
      if (theirs.length === 0) continue;
      neighbour.say({ type: "levels", levels: Object.fromEntries(theirs) });
    }
    this.#on.levels(heard);
  }

  close() {
    clearInterval(this.#lookTimer);
    this.#seatRetry.reset();
    // First, as closing takes some milliseconds for each: they ask their standby parents meanwhile.
    for (const neighbour of this.#neighbours.values()) neighbour.say({ type: "bye" });
    for (const neighbour of this.#neighbours.values()) neighbour.close();
    this.#neighbours.clear();
    this.#silent.play(new Set());
    this.#ready.clear();
    this.#room = EMPTY_ROOM;
    this.#endTroubles();
    this.#mending.update(EMPTY_ROOM);
  }

  /**
   * @param {Room} room
   * @param {Streams<MediaStreamTrack>} own the tracks that we publish
   */
  update(room, own) {
    const changed = room.version !== this.#room.version;
    this.#room = room;
    this.#own = own;
    const stay = reachable(room);
    const left = [...this.#neighbours].filter(([id]) => !stay.has(id));
    for (const [id] of left) this.#neighbours.delete(id);
    this.#endTroubles();
    if (!stay.has(room.seat)) this.#seatRetry.reset();
    else if (changed && this.#seatRetry.isOver) {
      this.#seatRetry.reset();
      this.renewSeat();
    }
    this.#mending.update(room);
    this.#flow();
    // Last, as it takes some milliseconds for each: who lost a parent has asked another by now.
    for (const [, neighbour] of left) neighbour.close();
  }

  /** @param {SignalMessage} message */
  receive({ from, type: _type, ...body }) {
    const known = this.#neighbours.get(from);
    if (known === undefined && (from === this.#room.seat || !reachable(this.#room).has(from))) {
      console.debug(`${from}: a signal from nobody we are connected with`);
      return;
    }
    (known ?? this.#open(from)).receive(body);
  }

  /** Whether an offer to the seat is on its way. */
  get offersToSeat() {
    return this.#neighbours.get(this.#room.seat)?.offering ?? false;
  }

  /** Makes a new connection with the seat, in place of one that is stuck. */
  renewSeat() {
    this.#seatRetry.failed();
  }

  #flow() {
    const { you, seat } = this.#room;
    const { edges, idle } = this.#mending;
    const received = playable(this.#received(), (one) => this.#mending.isMissed(one));
    const selected = select(you, edges, received);
    const sends = plan(you, edges, this.#own, selected, idle);
    this.#silent.play(this.#relayedSounds(sends));
    const asks = wants(you, seat, [...edges, ...idle]);
    for (const id of new Set([...this.#neighbours.keys(), ...sends.keys(), ...asks.keys()])) {
      const slots = sends.get(id) ?? [];
      const wanted = asks.get(id) ?? [];
      if (this.#neighbours.has(id) || slots.length + wanted.length > 0) this.#carry(id, slots, wanted);
    }
    this.#report(edges, arrived(you, edges, received));
    this.#on.streams(shown(you, edges, received));
    this.#mending.watch(received);
  }

  /** @param {ReadonlyMap<string, readonly Slot<MediaStreamTrack>[]>} sends by neighbour */
  #relayedSounds(sends) {
    const sounds = [...sends.values()].flat().filter(({ kind, held }) => kind === "audio" && !held);
    const tracks = sounds.map(({ track }) => track);
    return new Set(tracks.filter((track) => this.#forwarder.feedOf(track) !== null));
  }

  #received() {
    return [...this.#neighbours.values()].flatMap((one) => one.received);
  }

  /**
   * @param {string} from
   * @param {Word} word
   */
  #heard(from, word) {
    this.#forwarder.heard(from);
    switch (word.type) {
      case "levels":
        return this.#passOn(from, word.levels);
      case "adopt":
      case "release":
        this.#mending.give(from, word.track, word.type === "adopt");
        return this.#flow();
      case "bye":
        return this.#lose(from);
    }
  }

  /** @param {string} id of a neighbour from whom nothing comes any more */
  #lose(id) {
    this.#mending.lost(id);
    this.#flow();
  }

  /**
   * @param {string} id
   * @param {Parameters<Neighbour["carry"]>[0]} slots
   * @param {Parameters<Neighbour["carry"]>[1]} wanted
   */
  #carry(id, slots, wanted) {
    try {
      (this.#neighbours.get(id) ?? this.#open(id)).carry(slots, wanted);
    } catch (error) {
      console.error(`${id}: cannot be sent its streams:`, error);
    }
  }

  /**
   * Says `ready` once per edge; an edge that ended and came back is another one.
   *
   * @param {readonly Edge[]} edges
   * @param {readonly Edge[]} arrived
   */
  #report(edges, arrived) {
    const standing = new Set(edges.map(edgeKey));
    for (const key of this.#ready) if (!standing.has(key)) this.#ready.delete(key);
    for (const edge of arrived) {
      if (this.#ready.has(edgeKey(edge))) continue;
      this.#ready.add(edgeKey(edge));
      const { source, kind, parent } = edge;
      this.#on.send({ type: "ready", source, kind, parent });
    }
  }

  /** @param {string} id */
  #open(id) {
    const { you, seat } = this.#room;
    const connection = id === seat ? `k${(this.#seatConnections += 1)}` : undefined;
    const neighbour = new Neighbour(
      {
        ...{ id, polite: isPolite(you, id), connection },
        ...{ iceServers: this.#iceServers, forwarder: this.#forwarder },
      },
      {
        signal: (body) => this.#on.send({ type: "signal", to: id, ...body }),
        spares: () => ({
          sends: spareSlots(you, this.#own),
          wants: spareTracks(id, this.#room.participants),
        }),
        change: () => this.#neighbours.get(id) === neighbour && this.#flow(),
        unreachable: () => this.#unreachable(id),
        trouble: (lost) => this.#neighbours.get(id) === neighbour && this.#trouble(id, lost),
        state: (state) => this.#stateChanged(id, state),
        unanswered: () => this.renewSeat(),
        heard: (word) => this.#neighbours.get(id) === neighbour && this.#heard(id, word),
        lost: () => this.#neighbours.get(id) === neighbour && this.#lose(id),
      },
    );
    this.#neighbours.set(id, neighbour);
    return neighbour;
  }

  /**
   * @param {string} id
   * @param {RTCPeerConnectionState} state
   */
  #stateChanged(id, state) {
    if (state === "connected") this.#mending.found(id);
    if (state === "connected" && this.#troubled.delete(id)) this.#on.trouble(id, null);
    if (id !== this.#room.seat) return;
    if (state === "connected") this.#seatRetry.stands();
    if (state === "failed") this.renewSeat();
  }

  /**
   * @param {string} id
   * @param {boolean} lost whether there was a connection
   */
  #trouble(id, lost) {
    if (!this.#needs(id)) return;
    const { participants, seat } = this.#room;
    const name = participants.find((one) => one.id === id)?.name ?? "somebody";
    this.#troubled.add(id);
    this.#on.trouble(id, noPathText(id === seat ? null : name, lost, this.#iceServers));
  }

  /** @param {string} id */
  #unreachable(id) {
    if (id === this.#room.seat || !this.#needs(id)) return;
    this.#on.send({ type: "unreachable", neighbour: id });
  }

  /** Who has left, or is fed by somebody else, is not missed. */
  #endTroubles() {
    for (const id of this.#troubled) {
      if (this.#needs(id)) continue;
      this.#troubled.delete(id);
      this.#on.trouble(id, null);
    }
  }

  /**
   * Whether anything has to go between us and a neighbour.
   *
   * @param {string} id
   */
  #needs(id) {
    const { you, edges } = this.#room;
    const ends = [you, id];
    return edges.some(({ parent, child }) => ends.includes(parent) && ends.includes(child));
  }
}
