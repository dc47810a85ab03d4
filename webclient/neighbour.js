/**
 * One connection with one neighbour: the only file that makes an RTCPeerConnection.
 *
 * All edges of a pair share it; an edge is a transceiver. Between browsers offers can
 * cross, so both follow perfect negotiation (W3C WebRTC 1.0, section 10.7). The seat never
 * offers: we do, with a `recvonly` transceiver for each stream that we want of it.
 */

import { mediaArrives } from "./arrival.js";
import { Control } from "./control.js";
import {
  onlyOpus,
  preferVp8,
  raiseStart,
  repairSound,
  withoutContributors,
  withPauses,
} from "./formats.js";
import { encodingOf } from "./layers.js";
import { Intruders } from "./intruders.js";
import { LinkWatch } from "./method.js";
import { Outgoing } from "./outgoing.js";
import { Path } from "./path.js";
import { mediaOf } from "./protocol.js";
import { assign, sameTrack } from "./relay.js";
import { availableBitrate, senderStats } from "./reports.js";

/** @import {Counts} from "./exchange.js" */
/** @import {Forwarder} from "./forwarder.js" */
/** @import {Word} from "./control.js" */
/** @import {Method} from "./method.js" */
/** @import {MediaKind, SignalBody, StreamKind, Track, Tracks} from "./protocol.js" */
/** @import {Received, Slot} from "./relay.js" */
/** @import {Link} from "./report.js" */

/** Candidates of one's own machine take milliseconds; see `#gathers`. */
const GATHERING_TIMEOUT_MS = 1_000;
/** Edges are told one by one, and one offer is for all of them. */
const GATHER_EDGES_MS = 5;
/** When a jitter buffer has begun to play what comes, at the latest. */
const JITTER_BUFFER_MS = 200;
/** The seat answers at once, or something on the way to it was lost. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Handlers
 * @property {(body: SignalBody) => void} signal to be sent to the neighbour
 * @property {() => void} change `received()` is another one now
 * @property {() => void} unreachable there is none for so long that streams have to go around
 * @property {(lost: boolean) => void} trouble there is no connection for a while; `lost`: was one
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {() => void} unanswered the seat has let an offer of ours lie
 * @property {(word: Word) => void} heard what the neighbour said on the data channel
 * @property {() => void} lost the connection is of no more use, or the neighbour has ended it
 */

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
 * @typedef {Lane<Slot<MediaStreamTrack>> & {outgoing: Outgoing, pauses: boolean}} SendingLane
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

/** @typedef {Received<MediaStreamTrack> & {plays: boolean, end: AbortController}} Incoming */

export class Neighbour {
  #id;
  #polite;
  #connection;
  #on;
  #forwarder;
  #pc;
  /** @type {Control | null} */
  #control = null;
  #link = new LinkWatch();
  #intruders = new Intruders();
  /** Octets of each feed at the last look.
   * @type {{at: number, feeds: Counts["feeds"]} | null} */
  #looked = null;
  /** @type {SendingLane[]} */
  #sending = [];
  /** @type {Lane<Track>[]} */
  #asking = [];
  /** @type {Tracks} */
  #theirs = {};
  /** @type {Map<RTCRtpTransceiver, Incoming>} */
  #incoming = new Map();
  /** One per source, so that its sound and picture are played in step (lip-sync by msid); its
   * screen has its own.
   * @type {Map<string, MediaStream>} */
  #streams = new Map();
  #announced = "{}";
  #makingOffer = false;
  #ignoringOffer = false;
  /** Signals are taken one after the other, as they came. */
  #inbox = Promise.resolve();
  /**
   * COMPAT: Chromium 156: an offer taken back before its first candidate came leaves a connection
   * that never gathers again, not even after an ICE restart. So a crossing offer waits for this.
   */
  #gathers = Promise.resolve();
  #path;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #answerTimer;

  /**
   * @param {object} options
   * @param {string} options.id
   * @param {boolean} options.polite who gives way when offers cross
   * @param {string} [options.connection] only for the seat: names this RTCPeerConnection
   * @param {RTCIceServer[]} options.iceServers
   * @param {Forwarder} options.forwarder
   * @param {Handlers} handlers
   */
  constructor({ id, polite, connection, iceServers, forwarder }, handlers) {
    this.#id = id;
    this.#polite = polite;
    this.#connection = connection;
    this.#on = handlers;
    this.#forwarder = forwarder;
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.onnegotiationneeded = () => this.#guard("offer", () => this.#offer());
    this.#pc.onicecandidate = ({ candidate }) => this.#sendCandidate(candidate);
    this.#pc.ontrack = ({ receiver }) => this.#forwarder.tap(receiver);
    this.#awaitGathering();
    this.#pc.onsignalingstatechange = () => this.#signalingChanged();
    this.#pc.onconnectionstatechange = () => this.#connectionChanged();
    this.#path = new Path(polite, {
      restart: () => this.#restartIce(),
      trouble: (lost) => this.#on.trouble(lost),
      unreachable: () => this.#on.unreachable(),
    });
  }

  /**
   * What the neighbour sends us, as far as it said what that is.
   *
   * @returns {Incoming[]}
   */
  received() {
    return [...this.#incoming.values()];
  }

  /** Whether an offer of ours is on its way: an error of the server's may be about it. */
  get offering() {
    return this.#makingOffer || this.#pc.signalingState === "have-local-offer";
  }

  get #isSeat() {
    return this.#connection !== undefined;
  }

  /**
   * Sends exactly `slots`, and asks the seat for exactly `wanted`.
   *
   * @param {readonly Slot<MediaStreamTrack>[]} slots
   * @param {readonly Track[]} wanted
   */
  carry(slots, wanted) {
    const replaced = this.#layOut(slots);
    const asked = assign(this.#asking, wanted);
    this.#asking.forEach((lane, i) => (lane.slot = asked.carry[i] ?? null));
    for (const slot of asked.add) {
      const media = mediaOf(slot.kind);
      const transceiver = this.#pc.addTransceiver(media, { direction: "recvonly" });
      onlyOpus(transceiver);
      this.#forwarder.tap(transceiver.receiver);
      this.#asking.push({ transceiver, media, slot });
    }
    this.#refresh();
    this.#guard("tracks", async () => {
      await Promise.all(replaced);
      this.#announce();
    });
  }

  /** @param {readonly Slot<MediaStreamTrack>[]} slots */
  #layOut(slots) {
    // The neighbour can stop one, which then serves no edge any more.
    const isStopped = (/** @type {SendingLane} */ { transceiver }) => transceiver.currentDirection === "stopped";
    this.#sending.filter(isStopped).forEach(({ outgoing }) => outgoing.close());
    this.#sending = this.#sending.filter((lane) => !isStopped(lane));
    const { carry, add } = assign(
      this.#sending,
      slots,
      ({ pauses }, wanted) => pauses === this.#pauses(wanted),
    );
    const replaced = this.#sending.map((lane, i) => {
      lane.slot = carry[i] ?? null;
      return lane.outgoing.carry(lane.slot);
    });
    if (add.length > 0 && !this.#polite) this.#openControl();
    for (const slot of add) {
      const transceiver = this.#addSender(slot);
      const media = mediaOf(slot.kind);
      const outgoing = new Outgoing(transceiver.sender, media, this.#forwarder, (level) => {
        // What a relay encodes anew lags behind; its source tells.
        if (lane.slot === null || lane.outgoing.feed !== null) return;
        this.say({ type: "levels", levels: { [lane.slot.source]: level } });
      });
      /** @type {SendingLane} */
      const lane = { transceiver, media, slot, outgoing, pauses: this.#pauses(slot) };
      this.#sending.push(lane);
      replaced.push(outgoing.carry(slot));
    }
    return replaced;
  }

  /** @param {Slot<MediaStreamTrack>} slot */
  #pauses({ kind, track }) {
    return kind === "audio" && this.#forwarder.feedOf(track) === null;
  }

  /** @param {Slot<MediaStreamTrack>} slot */
  #addSender({ source, kind, track }) {
    const together = `${source} ${kind === "screen" ? kind : ""}`;
    const stream = this.#streams.get(together) ?? new MediaStream();
    this.#streams.set(together, stream);
    const transceiver = this.#pc.addTransceiver(track, {
      direction: "sendonly",
      streams: [stream],
      sendEncodings: [encodingOf({ kind, track }) ?? {}],
    });
    if (kind !== "audio") preferVp8(transceiver);
    else if (this.#isSeat) onlyOpus(transceiver);
    return transceiver;
  }

  /**
   * Takes a `signal` of the neighbour's.
   *
   * @param {SignalBody} body
   */
  receive(body) {
    // A late answer to a connection that was given up.
    if (body.connection !== this.#connection) return;
    this.#inbox = this.#inbox.then(() => this.#guard("signal", () => this.#take(body)));
  }

  /** @param {SignalBody} body */
  async #take({ description, tracks, candidate }) {
    if (description && !this.#takes(description.type)) return;
    if (description && this.#crosses(description.type)) {
      await Promise.race([this.#gathers, sleep(GATHERING_TIMEOUT_MS)]);
    }
    if (tracks) this.#theirs = tracks;
    if (description) await this.#setRemote(description);
    if (candidate !== undefined) await this.#addCandidate(candidate);
    this.#refresh();
  }

  /** @param {Word} word for the data channel; the seat has none */
  say(word) {
    this.#control?.say(word);
  }

  /**
   * What was idle is to come from now on: it is live when its next frame has come.
   *
   * @param {Track} track
   */
  expect(track) {
    for (const [transceiver, old] of this.#incoming) {
      if (!sameTrack(old, track)) continue;
      old.end.abort();
      this.#incoming.set(transceiver, this.#await(transceiver.receiver, track));
    }
  }

  /** The outlets that frames to this neighbour go out on. */
  get outlets() {
    return this.#sending.flatMap(({ slot, outgoing: { outlet } }) =>
      slot === null || outlet === null ? [] : [outlet],
    );
  }

  /**
   * The impolite side makes the data channel, the other follows; the seat has none.
   *
   * COMPAT: Chromium 156: an offer taken back with a data channel in it leaves a connection that
   * "failed to start SCTP transport". The impolite side's offers are never taken back.
   */
  #openControl() {
    if (this.#isSeat) return;
    this.#control ??= new Control(this.#pc, {
      heard: (word) => this.#on.heard(word),
      closed: () => this.#on.lost(),
    });
  }

  /**
   * What we send this neighbour, and how.
   *
   * @param {Counts} counts the worker's
   * @returns {Promise<EdgeStats[]>}
   */
  async stats({ outlets }) {
    const edges = this.#sending.map(async ({ transceiver, slot, outgoing }) => {
      if (slot === null || slot.held) return [];
      const { source, kind } = slot;
      const encoder = await senderStats(transceiver.sender);
      const forwarded = outlets[outgoing.outlet ?? -1] ?? 0;
      return [{ source, kind, child: this.#id, method: outgoing.method, ...encoder, forwarded }];
    });
    return (await Promise.all(edges)).flat();
  }

  /** @returns {Promise<Link>} */
  async link() {
    const stats = await this.#pc.getStats();
    const live = [...this.#incoming.values()].filter((one) => one.live);
    const receives = live.map(({ source, kind, track }) => ({ source, kind, track: track.id }));
    return { neighbour: this.#id, stats: [...stats.values()], receives };
  }

  /**
   * Sees whether the link carries what we pass on over it; if not, we encode it anew to fit.
   *
   * @param {Counts} counts the worker's
   * @param {number} now ms
   */
  async look({ feeds }, now) {
    const relayed = this.#sending.filter(
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
    for (const { media, outgoing } of this.#sending) {
      if (media !== "video" || outgoing.slow === this.#link.slow) continue;
      outgoing.slow = this.#link.slow;
      void outgoing.review();
    }
  }

  /**
   * Stops the transceivers on which the neighbour goes on sending what may not be published.
   *
   * @param {(track: Track) => boolean} isForbidden
   */
  async stopIntruders(isForbidden) {
    if (this.#isSeat) return;
    const named = this.#named();
    const receiving = this.#pc.getTransceivers().filter(receives);
    const isRight = (/** @type {RTCRtpTransceiver} */ one) => {
      const track = named.get(one);
      return track === undefined || !isForbidden(track);
    };
    const right = receiving.filter(isRight).map(({ receiver }) => receiver);
    const others = receiving.filter((one) => !isRight(one)).map(({ receiver }) => receiver);
    const found = await this.#intruders.look(others, right);
    for (const transceiver of receiving) {
      if (!found.includes(transceiver.receiver)) continue;
      console.warn(`${this.#id} sends what it may not: stopped`);
      this.#forwarder.forget(this.#forwarder.feedOf(transceiver.receiver.track));
      transceiver.stop();
    }
  }

  /**
   * For restarts of this connection from now on; the seat's is not restarted.
   *
   * COMPAT: Chromium 156 makes a restart of the next offer, whatever that is for.
   *
   * @param {RTCIceServer[]} iceServers
   */
  useServers(iceServers) {
    if (this.#isSeat) return;
    this.#awaitGathering();
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers });
    this.#path.serversChanged();
  }

  /** The addresses that the neighbour knows of this machine are gone. */
  networkChanged() {
    this.#path.networkChanged();
  }

  close() {
    for (const { outgoing } of this.#sending) outgoing.close();
    for (const { track } of this.#pc.getReceivers()) {
      this.#forwarder.forget(this.#forwarder.feedOf(track));
    }
    this.#path.close();
    clearTimeout(this.#answerTimer);
    for (const { end } of this.#incoming.values()) end.abort();
    this.#incoming.clear();
    const pc = this.#pc;
    pc.onnegotiationneeded = pc.onicecandidate = null;
    pc.onsignalingstatechange = pc.onconnectionstatechange = null;
    pc.close();
  }

  // --- negotiation ---------------------------------------------------------------------------

  async #offer() {
    await sleep(GATHER_EDGES_MS);
    // If not stable, this is said again when it is.
    if (this.#makingOffer || this.#pc.signalingState !== "stable") return;
    this.#makingOffer = true;
    try {
      await this.#pc.setLocalDescription();
      this.#describe();
    } finally {
      this.#makingOffer = false;
    }
  }

  /**
   * Whether a description is for us. The impolite side lets a crossing offer pass, with all that
   * came in it: the polite side will offer again.
   *
   * @param {"offer" | "answer"} type
   */
  #takes(type) {
    this.#ignoringOffer = this.#crosses(type) && !this.#polite;
    return !this.#ignoringOffer;
  }

  /** @param {"offer" | "answer"} type */
  #crosses(type) {
    const ready = !this.#makingOffer && this.#pc.signalingState === "stable";
    return type === "offer" && !ready;
  }

  /** @param {RTCSessionDescriptionInit} description */
  async #setRemote(description) {
    if (description.type === "answer") {
      const { sdp = "" } = description;
      const ours = this.#isSeat ? sdp : this.#soundOf(raiseStart(sdp));
      await this.#pc.setRemoteDescription({ ...description, sdp: ours });
      return;
    }
    const sdp = this.#soundOf(withoutContributors(description.sdp ?? ""));
    await this.#pc.setRemoteDescription({ type: "offer", sdp });
    if (!this.#polite || /^m=application /m.test(description.sdp ?? "")) this.#openControl();
    await this.#pc.setLocalDescription();
    this.#describe();
  }

  /**
   * Another browser's description, with what we want of our sound.
   *
   * @param {string} sdp
   */
  #soundOf(sdp) {
    const pausing = this.#sending.filter(({ pauses }) => pauses);
    const mids = pausing.map(({ transceiver }) => transceiver.mid ?? "");
    return withPauses(repairSound(sdp), mids);
  }

  /** @param {RTCIceCandidateInit | null} candidate */
  async #addCandidate(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (error) {
      // It belongs to the offer that was let pass.
      if (!this.#ignoringOffer) throw error;
    }
  }

  #describe() {
    const { type, sdp } = this.#pc.localDescription ?? {};
    if (type !== "offer" && type !== "answer") return;
    const tracks = this.#tracks();
    this.#announced = JSON.stringify(tracks);
    this.#signal({ description: { type, sdp: sdp ?? "" }, tracks });
  }

  #signalingChanged() {
    clearTimeout(this.#answerTimer);
    if (this.#isSeat && this.#pc.signalingState === "have-local-offer") {
      this.#answerTimer = setTimeout(() => this.#on.unanswered(), ANSWER_TIMEOUT_MS);
    }
    this.#announce();
  }

  /** Tells of reused transceivers; what is still to be negotiated goes with the description. */
  #announce() {
    if (this.#pc.signalingState !== "stable") return;
    const tracks = this.#tracks();
    const text = JSON.stringify(tracks);
    if (text === this.#announced) return;
    this.#announced = text;
    this.#signal({ tracks });
  }

  #tracks() {
    /** @type {Tracks} */
    const tracks = {};
    for (const { transceiver, slot } of [...this.#sending, ...this.#asking]) {
      if (slot === null || transceiver.mid === null) continue;
      tracks[transceiver.mid] = { source: slot.source, kind: slot.kind };
    }
    return tracks;
  }

  /** @param {RTCIceCandidate | null} candidate */
  #sendCandidate(candidate) {
    // Firefox ends with an empty candidate before the null: say it once.
    if (candidate?.candidate === "") return;
    this.#signal({ candidate: candidate?.toJSON() ?? null });
  }

  /** @param {SignalBody} body */
  #signal(body) {
    this.#on.signal(
      this.#connection === undefined ? body : { ...body, connection: this.#connection },
    );
  }

  // --- what comes in -------------------------------------------------------------------------

  /** Brings `#incoming` in step with what is negotiated and announced. */
  #refresh() {
    const named = this.#named();
    let changed = false;
    for (const [transceiver, old] of this.#incoming) {
      const track = named.get(transceiver);
      if (track !== undefined && sameTrack(track, old)) continue;
      old.end.abort();
      this.#incoming.delete(transceiver);
      changed = true;
    }
    for (const [transceiver, track] of named) {
      if (this.#incoming.has(transceiver)) continue;
      this.#incoming.set(transceiver, this.#await(transceiver.receiver, track));
      changed = true;
    }
    if (changed) queueMicrotask(() => this.#on.change());
  }

  /** @returns {Map<RTCRtpTransceiver, Track>} */
  #named() {
    const named = new Map();
    for (const { transceiver, slot } of this.#asking) if (slot) named.set(transceiver, slot);
    for (const transceiver of this.#pc.getTransceivers()) {
      const { mid, receiver } = transceiver;
      if (mid === null || !Object.hasOwn(this.#theirs, mid) || !receives(transceiver)) continue;
      const track = this.#theirs[mid];
      if (track && mediaOf(track.kind) === receiver.track.kind) named.set(transceiver, track);
    }
    return named;
  }

  /**
   * @param {RTCRtpReceiver} receiver
   * @param {Track} track
   * @returns {Incoming}
   */
  #await(receiver, { source, kind }) {
    const end = new AbortController();
    /** @type {Incoming} */
    const incoming = {
      ...{ from: this.#id, source, kind, track: receiver.track },
      ...{ live: false, plays: false, end },
    };
    this.#guard("arrival", async () => {
      await (this.#forwarder.nextFrame(receiver.track) ?? mediaArrives(receiver, end.signal));
      if (end.signal.aborted) return;
      incoming.live = true;
      incoming.plays = kind !== "audio";
      this.#on.change();
      if (incoming.plays) return;
      await sleep(JITTER_BUFFER_MS);
      incoming.plays = true;
      if (!end.signal.aborted) this.#on.change();
    });
    return incoming;
  }

  // --- the state of the connection -----------------------------------------------------------

  #connectionChanged() {
    const state = this.#pc.connectionState;
    console.info(`${this.#id}: connection ${state}`);
    this.#path.stateChanged(state);
    if (state === "failed" || state === "closed") this.#on.lost();
    this.#on.state(state);
  }

  #restartIce() {
    // The seat knows no ICE restart: there the owner makes a new connection.
    if (this.#isSeat) return;
    console.info(`${this.#id}: looking for another way`);
    this.#awaitGathering();
    this.#pc.restartIce();
  }

  #awaitGathering() {
    this.#gathers = new Promise((resolve) => {
      this.#pc.addEventListener("icecandidate", () => resolve(), { once: true });
    });
  }

  /**
   * The edge of this connection: what goes wrong in here ends here.
   *
   * @param {string} what
   * @param {() => Promise<void>} work
   */
  async #guard(what, work) {
    try {
      await work();
    } catch (error) {
      if (this.#pc.signalingState !== "closed") console.error(`${this.#id}: ${what}:`, error);
    }
  }
}

/** @param {RTCRtpTransceiver} transceiver */
const receives = ({ currentDirection }) =>
  currentDirection === "recvonly" || currentDirection === "sendrecv";

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
