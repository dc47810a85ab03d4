/** All that goes to one neighbour: the streams of its edges, laid out on transceivers. */

import { onlyOpus, preferRelayed } from "./formats.js";
import { encodingOf } from "./layers.js";
import { LinkWatch } from "./method.js";
import { Outgoing } from "./outgoing.js";
import { lay, placesIn } from "./places.js";
import { mediaOf } from "./protocol.js";
import { assign } from "./relay.js";
import { availableBitrate, senderStats } from "./reports.js";

/** @import {Counts} from "./exchange.js" */
/** @import {Forwarder} from "./forwarder.js" */
/** @import {Method} from "./method.js" */
/** @import {MediaKind, StreamKind, Track} from "./protocol.js" */
/** @import {Slot} from "./relay.js" */

/**
 * A transceiver of ours and what it carries; null: left idle by an ended edge.
 *
 * @template {Track} S
 * @typedef {{transceiver: RTCRtpTransceiver, media: MediaKind, slot: S | null}} Lane
 */

/**
 * `pauses`: nothing is sent while it is silent (DTX). Only our own sound does: the dummies that
 * payloads go on may not stop, since a payload that ends a pause cannot wait for the next one.
 *
 * `of`: whose streams only; null: anybody's. A spare lane is in step with its own source's others.
 *
 * @typedef {Lane<Slot<MediaStreamTrack>> & {outgoing: Outgoing, pauses: boolean, of: string | null}} SendingLane
 */

/**
 * How one edge's stream is sent: `frames` is what our own encoder made for it, of `height` pixels;
 * `forwarded` what went out.
 *
 * @typedef {object} EdgeStats
 * @property {string} source
 * @property {StreamKind} kind
 * @property {string} child
 * @property {Method} method
 * @property {number} frames pictures
 * @property {number} height
 * @property {number} octets of RTP payload
 * @property {number} forwarded frames or packets
 */

export class Senders {
  #pc;
  #isSeat;
  #forwarder;
  #onLevel;
  /** @type {SendingLane[]} */
  #lanes = [];
  /** One per source, so that its sound and picture are played in step (lip-sync by msid); its
   * screen has its own.
   * @type {Map<string, MediaStream>} */
  #streams = new Map();
  /** By the mid of the place that a neighbour's offer has for it.
   * @type {Map<string, Slot<MediaStreamTrack>>} */
  #laid = new Map();
  #link = new LinkWatch();
  /** Octets of each feed at the last look.
   * @type {{at: number, feeds: Counts["feeds"]} | null} */
  #looked = null;

  /**
   * @param {RTCPeerConnection} pc
   * @param {boolean} isSeat
   * @param {Forwarder} forwarder
   * @param {(source: string, level: number) => void} onLevel how loud what we encode is, 0 to 1
   */
  constructor(pc, isSeat, forwarder, onLevel) {
    this.#pc = pc;
    this.#isSeat = isSeat;
    this.#forwarder = forwarder;
    this.#onLevel = onLevel;
  }

  /**
   * Sends exactly `slots`.
   *
   * @param {readonly Slot<MediaStreamTrack>[]} slots
   * @returns {{added: boolean, replaced: Promise<unknown>}} whether that has to be negotiated; when
   *   the senders have their tracks
   */
  carry(slots) {
    // The neighbour can stop one, which then serves no edge any more.
    const isStopped = (/** @type {SendingLane} */ one) =>
      one.transceiver.currentDirection === "stopped";
    this.#lanes.filter(isStopped).forEach(({ outgoing }) => outgoing.close());
    this.#lanes = this.#lanes.filter((lane) => !isStopped(lane));
    const { carry, add } = assign(
      this.#lanes,
      slots,
      ({ pauses, of }, wanted) =>
        pauses === this.#pauses(wanted) && (of === null || of === wanted.source),
    );
    const replaced = this.#lanes.map((lane, i) => {
      lane.slot = carry[i] ?? null;
      return lane.outgoing.carry(lane.slot);
    });
    for (const slot of add) {
      const lane = this.#lane(this.#addTransceiver(slot), slot);
      this.#lanes.push(lane);
      replaced.push(lane.outgoing.carry(slot));
    }
    return { added: add.length > 0, replaced: Promise.all(replaced) };
  }

  /**
   * Lays streams on the places of an offer, which is not taken yet.
   *
   * @param {string} sdp
   * @param {readonly Slot<MediaStreamTrack>[]} slots
   */
  lay(sdp, slots) {
    this.#laid = slots.length > 0 ? lay(placesIn(sdp), slots) : new Map();
  }

  /** The offer is taken, and not answered yet. What is laid goes out after `carry`. */
  fill() {
    for (const transceiver of this.#pc.getTransceivers()) {
      const slot = this.#laid.get(transceiver.mid ?? "");
      if (slot === undefined) continue;
      transceiver.direction = "sendonly";
      transceiver.sender.setStreams(this.#streamOf(slot));
      preferRelayed(transceiver);
      this.#lanes.push(this.#lane(transceiver, slot));
    }
    this.#laid.clear();
  }

  /** The transceivers in use, with their streams. */
  get tracks() {
    return this.#lanes.flatMap(({ transceiver, slot }) =>
      slot === null || slot.spare ? [] : [/** @type {const} */ ([transceiver, slot])],
    );
  }

  /** The m-sections on which nothing is sent while we are silent. */
  get pausing() {
    const mids = this.#lanes.flatMap(({ pauses, transceiver: { mid } }) =>
      pauses && mid !== null ? [mid] : [],
    );
    for (const [mid, slot] of this.#laid) if (this.#pauses(slot)) mids.push(mid);
    return mids;
  }

  /** The outlets that frames to this neighbour go out on. */
  get outlets() {
    return this.#lanes.flatMap(({ slot, outgoing: { outlet } }) =>
      slot === null || outlet === null ? [] : [outlet],
    );
  }

  /**
   * What we send, and how.
   *
   * @param {string} child the neighbour
   * @param {Counts} counts the worker's
   * @returns {Promise<EdgeStats[]>}
   */
  async stats(child, { outlets }) {
    const edges = this.#lanes.map(async ({ transceiver, slot, outgoing }) => {
      if (slot === null || slot.held) return [];
      const { source, kind } = slot;
      const encoder = await senderStats(transceiver.sender);
      const forwarded = outlets[outgoing.outlet ?? -1] ?? 0;
      return [{ source, kind, child, method: outgoing.method, ...encoder, forwarded }];
    });
    return (await Promise.all(edges)).flat();
  }

  /**
   * Sees whether the link carries what we pass on over it; if not, we encode it anew to fit.
   *
   * @param {Counts} counts the worker's
   * @param {number} now ms
   */
  async look({ feeds }, now) {
    const relayed = this.#lanes.filter(
      ({ slot, outgoing }) => slot && !slot.held && outgoing.feed !== null,
    );
    const before = this.#looked;
    this.#looked = { at: now, feeds };
    const available = relayed.length > 0 ? await availableBitrate(this.#pc) : null;
    if (before === null || available === null) return;
    const octets = relayed
      .map(({ outgoing }) => outgoing.feed ?? -1)
      .map((id) => (feeds[id]?.octets ?? 0) - (before.feeds[id]?.octets ?? 0));
    const sum = octets.reduce((total, one) => total + one, 0);
    this.#link.estimate(available, (8000 * sum) / (now - before.at), now);
    for (const { media, outgoing } of this.#lanes) {
      if (media !== "video" || outgoing.slow === this.#link.slow) continue;
      outgoing.slow = this.#link.slow;
      void outgoing.review();
    }
  }

  close() {
    for (const { outgoing } of this.#lanes) outgoing.close();
  }

  /** @param {Slot<MediaStreamTrack>} slot */
  #pauses({ kind, track }) {
    return kind === "audio" && this.#forwarder.feedOf(track) === null;
  }

  /**
   * @param {RTCRtpTransceiver} transceiver
   * @param {Slot<MediaStreamTrack>} slot
   * @returns {SendingLane}
   */
  #lane(transceiver, slot) {
    const media = mediaOf(slot.kind);
    const outgoing = new Outgoing(transceiver.sender, media, this.#forwarder, (level) => {
      // What a relay encodes anew lags behind; its source tells.
      if (lane.slot !== null && outgoing.feed === null) this.#onLevel(lane.slot.source, level);
    });
    /** @type {SendingLane} */
    const lane = {
      ...{ transceiver, media, slot, outgoing },
      ...{ pauses: this.#pauses(slot), of: slot.spare ? slot.source : null },
    };
    return lane;
  }

  /** @param {Slot<MediaStreamTrack>} slot */
  #addTransceiver(slot) {
    const what = slot.held ? mediaOf(slot.kind) : slot.track;
    const transceiver = this.#pc.addTransceiver(what, {
      direction: "sendonly",
      streams: [this.#streamOf(slot)],
      sendEncodings: [encodingOf(slot) ?? {}],
    });
    if (this.#isSeat) onlyOpus(transceiver);
    else preferRelayed(transceiver);
    return transceiver;
  }

  /** @param {Track} track */
  #streamOf({ source, kind }) {
    const together = `${source} ${kind === "screen" ? kind : ""}`;
    const stream = this.#streams.get(together) ?? new MediaStream();
    this.#streams.set(together, stream);
    return stream;
  }
}
