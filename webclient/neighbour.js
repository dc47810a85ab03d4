/**
 * One connection with one neighbour: the only file that makes an RTCPeerConnection.
 *
 * All edges of a pair share it; an edge is a transceiver. Between browsers the impolite side makes
 * the first offer, and later ones can cross; the seat never offers.
 */

import { Asking } from "./asking.js";
import { Control } from "./control.js";
import { raiseStart, repairSound, withoutContributors, withPauses } from "./formats.js";
import { Incoming } from "./incoming.js";
import { Negotiation } from "./negotiation.js";
import { Path } from "./path.js";
import { Senders } from "./senders.js";
import { withSpares } from "./spares.js";
import { Waiting } from "./waiting.js";

/** @import {Counts} from "./exchange.js" */
/** @import {Forwarder} from "./forwarder.js" */
/** @import {Word} from "./control.js" */
/** @import {SignalBody, Track, Tracks} from "./protocol.js" */
/** @import {Slot} from "./relay.js" */
/** @import {Link} from "./report.js" */

/** @typedef {{sends: readonly Slot<MediaStreamTrack>[], wants: readonly Track[]}} Spares */

/** @type {Spares} */
const NO_SPARES = { sends: [], wants: [] };

/**
 * @typedef {object} Handlers
 * @property {(body: SignalBody) => void} signal to be sent to the neighbour
 * @property {() => Spares} spares what else the first offer has places for
 * @property {() => void} change `received` is another one now
 * @property {() => void} unreachable there is none for so long that streams have to go around
 * @property {(lost: boolean) => void} trouble there is no connection for a while; `lost`: was one
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {() => void} unanswered the seat has let an offer of ours lie
 * @property {(word: Word) => void} heard what the neighbour said on the data channel
 * @property {() => void} lost the connection is of no more use, or the neighbour has ended it
 */

export class Neighbour {
  #id;
  #polite;
  #connection;
  #on;
  #pc;
  #negotiation;
  #senders;
  #asking;
  /** @type {Waiting<Slot<MediaStreamTrack>>} */
  #waiting;
  #incoming;
  #path;
  /** @type {Control | null} */
  #control = null;

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
    const pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    const isSeat = this.#isSeat;
    const guard = this.#guard.bind(this);
    this.#senders = new Senders(pc, isSeat, forwarder, (source, level) =>
      this.say({ type: "levels", levels: { [source]: level } }),
    );
    this.#asking = new Asking(pc, isSeat, forwarder);
    this.#waiting = new Waiting(polite && !isSeat, (slots) => this.#send(slots));
    this.#incoming = new Incoming(id, pc, forwarder, guard, () => this.#on.change());
    this.#negotiation = new Negotiation(pc, { polite, isSeat }, guard, {
      signal: (body) => this.#signal(body),
      tracks: () => this.#tracks(),
      told: (tracks) => this.#incoming.told(tracks),
      comes: (sdp) => this.#lay(sdp),
      adapt: (description) => this.#adapted(description),
      offered: (sdp) => {
        this.#asking.withdraw();
        this.#senders.fill();
        if (!polite || /^m=application /m.test(sdp)) this.#openControl();
      },
      taken: () => {
        this.#waiting.taken();
        this.#incoming.refresh();
      },
      unanswered: () => this.#on.unanswered(),
    });
    pc.onconnectionstatechange = () => this.#connectionChanged();
    this.#path = new Path(polite, {
      restart: () => this.#restartIce(),
      trouble: (lost) => this.#on.trouble(lost),
      unreachable: () => this.#on.unreachable(),
    });
  }

  /** What the neighbour sends us, as far as it said what that is. */
  get received() {
    return this.#incoming.all;
  }

  /** Whether an offer of ours is on its way: an error of the server's may be about it. */
  get offering() {
    return this.#negotiation.offering;
  }

  /** The outlets that frames to this neighbour go out on. */
  get outlets() {
    return this.#senders.outlets;
  }

  get #isSeat() {
    return this.#connection !== undefined;
  }

  /**
   * Sends exactly `slots`, and asks the seat for exactly `wanted`. Another browser is asked only in
   * the first offer: later it offers by itself what it has to send.
   *
   * @param {readonly Slot<MediaStreamTrack>[]} slots
   * @param {readonly Track[]} wanted
   */
  carry(slots, wanted) {
    const offersFirst = this.#negotiation.fresh && !this.#isSeat && !this.#polite;
    const spares = offersFirst && slots.length + wanted.length > 0 ? this.#on.spares() : NO_SPARES;
    if (!this.#waiting.hold(slots)) this.#send(withSpares(slots, spares.sends));
    const asks = this.#isSeat || this.#negotiation.fresh;
    if (asks && this.#asking.ask(withSpares(wanted, spares.wants))) this.#openControl();
    this.#incoming.ask(this.#asking.named);
  }

  /** @param {string} sdp an offer that is about to be taken */
  #lay(sdp) {
    const waited = this.#waiting.comes();
    this.#senders.lay(sdp, waited === null ? [] : withSpares(waited, this.#on.spares().sends));
  }

  /** @param {readonly Slot<MediaStreamTrack>[]} slots */
  #send(slots) {
    const { added, replaced } = this.#senders.carry(slots);
    if (added && !this.#polite) this.#openControl();
    this.#guard("tracks", async () => {
      await replaced;
      this.#negotiation.announce();
    });
  }

  /**
   * Takes a `signal` of the neighbour's.
   *
   * @param {SignalBody} body
   */
  receive(body) {
    // Otherwise it is a late answer to a connection that was given up.
    if (body.connection === this.#connection) this.#negotiation.receive(body);
  }

  /** @param {Word} word for the data channel; the seat has none */
  say(word) {
    this.#control?.say(word);
  }

  /** @param {Track} track that was idle, and is to come from now on */
  expect(track) {
    this.#incoming.expect(track);
  }

  /**
   * What we send this neighbour, and how.
   *
   * @param {Counts} counts the worker's
   */
  stats(counts) {
    return this.#senders.stats(this.#id, counts);
  }

  /** @returns {Promise<Link>} */
  async link() {
    const stats = await this.#pc.getStats();
    const live = this.received.filter((one) => one.live);
    const receives = live.map(({ source, kind, track }) => ({ source, kind, track: track.id }));
    return { neighbour: this.#id, stats: [...stats.values()], receives };
  }

  /**
   * Sees whether the link carries what we pass on over it.
   *
   * @param {Counts} counts the worker's
   * @param {number} now ms
   */
  look(counts, now) {
    return this.#senders.look(counts, now);
  }

  /**
   * Stops what the neighbour goes on sending though it may not be published.
   *
   * @param {(track: Track) => boolean} isForbidden
   */
  async stopIntruders(isForbidden) {
    if (!this.#isSeat) await this.#incoming.stopIntruders(isForbidden);
  }

  /** @param {RTCIceServer[]} iceServers for restarts of this connection; the seat's has none */
  useServers(iceServers) {
    if (this.#isSeat) return;
    this.#negotiation.useServers(iceServers);
    this.#path.serversChanged();
  }

  /** The addresses that the neighbour knows of this machine are gone. */
  networkChanged() {
    this.#path.networkChanged();
  }

  close() {
    this.#waiting.close();
    this.#senders.close();
    this.#incoming.close();
    this.#path.close();
    this.#negotiation.close();
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }

  #tracks() {
    /** @type {Tracks} */
    const tracks = {};
    for (const [{ mid }, { source, kind }] of [...this.#senders.tracks, ...this.#asking.named]) {
      if (mid !== null) tracks[mid] = { source, kind };
    }
    return tracks;
  }

  /**
   * A description of the neighbour's, with what we want it to say of our formats.
   *
   * @param {RTCSessionDescriptionInit} description
   */
  #adapted({ type, sdp = "" }) {
    if (this.#isSeat) return sdp;
    const plain = type === "offer" ? withoutContributors(sdp) : sdp;
    return withPauses(repairSound(raiseStart(plain)), this.#senders.pausing);
  }

  /** @param {SignalBody} body */
  #signal(body) {
    this.#on.signal(
      this.#connection === undefined ? body : { ...body, connection: this.#connection },
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
    this.#negotiation.restartIce();
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
