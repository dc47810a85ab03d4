/** What one neighbour sends us: which of its transceivers carries which stream, and since when. */

import { mediaArrives } from "./arrival.js";
import { Intruders } from "./intruders.js";
import { mediaOf } from "./protocol.js";
import { sameTrack } from "./relay.js";
import { sleep } from "./sleep.js";

/** @import {Forwarder} from "./forwarder.js" */
/** @import {Track, Tracks} from "./protocol.js" */
/** @import {Received} from "./relay.js" */

/** When a jitter buffer has begun to play what comes, at the latest. */
const JITTER_BUFFER_MS = 200;

/** @typedef {Received<MediaStreamTrack> & {plays: boolean, end: AbortController}} Arriving */

export class Incoming {
  #id;
  #pc;
  #forwarder;
  #guard;
  #change;
  #intruders = new Intruders();
  /** What the neighbour said that it sends, by mid.
   * @type {Tracks} */
  #told = {};
  /** What we have asked the neighbour for.
   * @type {readonly (readonly [RTCRtpTransceiver, Track])[]} */
  #asked = [];
  /** @type {Map<RTCRtpTransceiver, Arriving>} */
  #arriving = new Map();

  /**
   * @param {string} id the neighbour's
   * @param {RTCPeerConnection} pc
   * @param {Forwarder} forwarder
   * @param {(what: string, work: () => Promise<void>) => Promise<void>} guard takes what goes wrong
   * @param {() => void} change `all` is another one now
   */
  constructor(id, pc, forwarder, guard, change) {
    this.#id = id;
    this.#pc = pc;
    this.#forwarder = forwarder;
    this.#guard = guard;
    this.#change = change;
    pc.ontrack = ({ receiver }) => forwarder.tap(receiver);
  }

  /** What comes or is to come, as far as the neighbour said what that is. */
  get all() {
    return [...this.#arriving.values()];
  }

  /** @param {Tracks} tracks what the neighbour says that it sends; it counts from `refresh` on */
  told(tracks) {
    this.#told = tracks;
  }

  /** @param {readonly (readonly [RTCRtpTransceiver, Track])[]} asked on our own transceivers */
  ask(asked) {
    this.#asked = asked;
    this.refresh();
  }

  /** Brings `all` in step with what is negotiated and told. */
  refresh() {
    const named = this.#named();
    let changed = false;
    for (const [transceiver, old] of this.#arriving) {
      const track = named.get(transceiver);
      if (track !== undefined && sameTrack(track, old)) continue;
      old.end.abort();
      this.#arriving.delete(transceiver);
      changed = true;
    }
    for (const [transceiver, track] of named) {
      if (this.#arriving.has(transceiver)) continue;
      this.#arriving.set(transceiver, this.#await(transceiver.receiver, track));
      changed = true;
    }
    if (changed) queueMicrotask(this.#change);
  }

  /**
   * What was idle is to come from now on: it is live when its next frame has come.
   *
   * @param {Track} track
   */
  expect(track) {
    for (const [transceiver, old] of this.#arriving) {
      if (!sameTrack(old, track)) continue;
      old.end.abort();
      this.#arriving.set(transceiver, this.#await(transceiver.receiver, track));
    }
  }

  /**
   * Stops the transceivers on which the neighbour goes on sending what may not be published.
   *
   * @param {(track: Track) => boolean} isForbidden
   */
  async stopIntruders(isForbidden) {
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

  close() {
    for (const { track } of this.#pc.getReceivers()) {
      this.#forwarder.forget(this.#forwarder.feedOf(track));
    }
    for (const { end } of this.#arriving.values()) end.abort();
    this.#arriving.clear();
  }

  /** @returns {Map<RTCRtpTransceiver, Track>} */
  #named() {
    const named = new Map(this.#asked);
    for (const transceiver of this.#pc.getTransceivers()) {
      const { mid, receiver } = transceiver;
      if (mid === null || !Object.hasOwn(this.#told, mid) || !receives(transceiver)) continue;
      const track = this.#told[mid];
      if (track && mediaOf(track.kind) === receiver.track.kind) named.set(transceiver, track);
    }
    return named;
  }

  /**
   * @param {RTCRtpReceiver} receiver
   * @param {Track} track
   * @returns {Arriving}
   */
  #await(receiver, { source, kind }) {
    const end = new AbortController();
    /** @type {Arriving} */
    const arriving = {
      ...{ from: this.#id, source, kind, track: receiver.track },
      ...{ live: false, plays: false, end },
    };
    this.#guard("arrival", async () => {
      await (this.#forwarder.nextFrame(receiver.track) ?? mediaArrives(receiver, end.signal));
      if (end.signal.aborted) return;
      arriving.live = true;
      arriving.plays = kind !== "audio";
      this.#change();
      if (arriving.plays) return;
      await sleep(JITTER_BUFFER_MS);
      arriving.plays = true;
      if (!end.signal.aborted) this.#change();
    });
    return arriving;
  }
}

/** @param {RTCRtpTransceiver} transceiver */
const receives = ({ currentDirection }) =>
  currentDirection === "recvonly" || currentDirection === "sendrecv";
