/**
 * Offers, answers and candidates of one connection: perfect negotiation (W3C WebRTC 1.0, section
 * 10.7). The seat never offers, and knows no ICE restart.
 */

import { sleep } from "./sleep.js";

/** @import {SignalBody, Tracks} from "./protocol.js" */

/** Candidates of one's own machine take milliseconds; see `#gathers`. */
const GATHERING_TIMEOUT_MS = 1_000;
/** Edges are told one by one, and one offer is for all of them. */
const GATHER_EDGES_MS = 5;
/** The first offer has all that goes both ways; on a busy machine these edges do not come at once. */
const GATHER_FIRST_MS = 50;
/** The seat answers at once, or something on the way to it was lost. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Handlers
 * @property {(body: SignalBody) => void} signal to be sent to the neighbour
 * @property {() => Tracks} tracks what we send, as far as it is negotiated or about to be
 * @property {(tracks: Tracks) => void} told what the neighbour sends
 * @property {(sdp: string) => void} comes an offer of the neighbour's, which is taken now
 * @property {(description: RTCSessionDescriptionInit) => string} adapt the neighbour's SDP as we take it
 * @property {(sdp: string) => void} offered the neighbour's offer is taken, and not answered yet
 * @property {() => void} taken a signal of the neighbour's has been dealt with
 * @property {() => void} unanswered the seat has let an offer of ours lie
 */

export class Negotiation {
  #pc;
  #polite;
  #isSeat;
  #guard;
  #on;
  #announced = "{}";
  #makingOffer = false;
  #answering = false;
  #ignoringOffer = false;
  /** Signals are taken one after the other, as they came. */
  #inbox = Promise.resolve();
  /**
   * COMPAT: Chromium 156: an offer taken back before its first candidate came leaves a connection
   * that never gathers again, not even after an ICE restart. So a crossing offer waits for this.
   */
  #gathers = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #answerTimer;

  /**
   * @param {RTCPeerConnection} pc
   * @param {{polite: boolean, isSeat: boolean}} whom `polite`: we give way when offers cross
   * @param {(what: string, work: () => Promise<void>) => Promise<void>} guard takes what goes wrong
   * @param {Handlers} handlers
   */
  constructor(pc, { polite, isSeat }, guard, handlers) {
    this.#pc = pc;
    this.#polite = polite;
    this.#isSeat = isSeat;
    this.#guard = guard;
    this.#on = handlers;
    pc.onnegotiationneeded = () => this.#guard("offer", () => this.#offer());
    pc.onicecandidate = ({ candidate }) => this.#sendCandidate(candidate);
    pc.onsignalingstatechange = () => this.#signalingChanged();
    this.#awaitGathering();
  }

  /** Whether an offer of ours is on its way: an error of the server's may be about it. */
  get offering() {
    return this.#makingOffer || this.#pc.signalingState === "have-local-offer";
  }

  /** Whether neither side has offered yet. */
  get fresh() {
    const { localDescription, remoteDescription, signalingState } = this.#pc;
    const begun = localDescription !== null || remoteDescription !== null;
    return !begun && !this.#makingOffer && signalingState === "stable";
  }

  /**
   * Takes a `signal` of the neighbour's.
   *
   * @param {SignalBody} body
   */
  receive(body) {
    this.#inbox = this.#inbox.then(() => this.#guard("signal", () => this.#take(body)));
  }

  /** Tells of reused transceivers; what is still to be negotiated goes with the description. */
  announce() {
    if (this.#answering || this.#pc.signalingState !== "stable") return;
    const tracks = this.#on.tracks();
    const text = JSON.stringify(tracks);
    if (text === this.#announced) return;
    this.#announced = text;
    this.#on.signal({ tracks });
  }

  /**
   * For restarts from now on.
   *
   * COMPAT: Chromium 156 makes a restart of the next offer, whatever that is for.
   *
   * @param {RTCIceServer[]} iceServers
   */
  useServers(iceServers) {
    this.#awaitGathering();
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers });
  }

  restartIce() {
    this.#awaitGathering();
    this.#pc.restartIce();
  }

  close() {
    clearTimeout(this.#answerTimer);
    const pc = this.#pc;
    pc.onnegotiationneeded = pc.onicecandidate = pc.onsignalingstatechange = null;
  }

  async #offer() {
    await sleep(this.fresh && !this.#isSeat ? GATHER_FIRST_MS : GATHER_EDGES_MS);
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

  /** @param {SignalBody} body */
  async #take({ description, tracks, candidate }) {
    if (description && !this.#takes(description.type)) return;
    if (description && this.#crosses(description.type)) {
      await Promise.race([this.#gathers, sleep(GATHERING_TIMEOUT_MS)]);
    }
    if (tracks) this.#on.told(tracks);
    try {
      if (description) await this.#setRemote(description);
      if (candidate !== undefined) await this.#addCandidate(candidate);
    } finally {
      this.#on.taken();
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
    const { type, sdp = "" } = description;
    if (type === "offer") this.#on.comes(sdp);
    await this.#pc.setRemoteDescription({ type, sdp: this.#on.adapt(description) });
    if (type === "answer") return;
    this.#on.offered(sdp);
    this.#answering = true;
    try {
      await this.#pc.setLocalDescription();
      this.#describe();
    } finally {
      this.#answering = false;
    }
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
    const tracks = this.#on.tracks();
    this.#announced = JSON.stringify(tracks);
    this.#on.signal({ description: { type, sdp: sdp ?? "" }, tracks });
  }

  #signalingChanged() {
    clearTimeout(this.#answerTimer);
    if (this.#isSeat && this.#pc.signalingState === "have-local-offer") {
      this.#answerTimer = setTimeout(() => this.#on.unanswered(), ANSWER_TIMEOUT_MS);
    }
    this.announce();
  }

  /** @param {RTCIceCandidate | null} candidate */
  #sendCandidate(candidate) {
    // Firefox ends with an empty candidate before the null: say it once.
    if (candidate?.candidate === "") return;
    this.#on.signal({ candidate: candidate?.toJSON() ?? null });
  }

  #awaitGathering() {
    this.#gathers = new Promise((resolve) => {
      this.#pc.addEventListener("icecandidate", () => resolve(), { once: true });
    });
  }
}
