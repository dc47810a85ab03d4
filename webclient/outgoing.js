/**
 * What one sender sends: our own track, or another's stream, by whichever method fits the child.
 *
 * A change of method or of feed needs no negotiation, and the child cannot tell. The dummies that
 * payloads go on come from the received track itself, made small: so colours and sound levels
 * (RFC 6464) in the headers are those of the stream. Firefox's encoder would leave out dummies of
 * pictures that way, and paints them on demand.
 */

import { PAINTS, paintedDummy } from "./dummies.js";
import { dummyEncoding, encodingOf } from "./layers.js";
import { method } from "./method.js";

/** @import {Forwarder} from "./forwarder.js" */
/** @import {Method} from "./method.js" */
/** @import {Encoding} from "./layers.js" */
/** @import {MediaKind} from "./protocol.js" */
/** @import {Slot} from "./relay.js" */

export class Outgoing {
  /** @type {Method} */
  method = "own";
  /** The child's link is slower than what it would be sent. */
  slow = false;
  #sender;
  #media;
  #forwarder;
  #outlet;
  /** @type {Slot<MediaStreamTrack> | null} */
  #slot = null;
  /** The feed whose codec is not ours.
   * @type {number | null} */
  #unfit = null;
  /** @type {ReturnType<typeof paintedDummy> | null} */
  #painted = null;
  #ordered = "";
  /** Steps of one change follow each other, and changes too. */
  #changes = Promise.resolve();
  #end = new AbortController();

  /**
   * @param {RTCRtpSender} sender
   * @param {MediaKind} media
   * @param {Forwarder} forwarder
   * @param {(level: number) => void} onLevel how loud what we encode is, 0 to 1
   */
  constructor(sender, media, forwarder, onLevel) {
    this.#sender = sender;
    this.#media = media;
    this.#forwarder = forwarder;
    this.#outlet = forwarder.outlet(sender, media, {
      paint: () => this.#painted?.paint(),
      unfit: () => {
        this.#unfit = this.feed;
        void this.review();
      },
      level: onLevel,
    });
    // A hidden page does not paint.
    const { signal } = this.#end;
    if (PAINTS) document.addEventListener("visibilitychange", () => void this.review(), { signal });
  }

  /** The number of the feed whose stream this is; null for our own. */
  get feed() {
    return this.#slot && this.#forwarder.feedOf(this.#slot.track);
  }

  /** The number of this sender in the worker's counts. */
  get outlet() {
    return this.#outlet;
  }

  /**
   * @param {Slot<MediaStreamTrack> | null} slot
   * @returns {Promise<void>} when the sender has it
   */
  carry(slot) {
    const before = this.#slot;
    this.#slot = slot;
    const same =
      slot?.track === before?.track && slot?.kind === before?.kind && slot?.held === before?.held;
    if (same) return this.#changes;
    return this.review();
  }

  /** Chooses the method anew. */
  review() {
    this.#changes = this.#changes.then(() => this.#change()).catch((error) => {
      if (!this.#end.signal.aborted) console.error("cannot be sent:", error);
    });
    return this.#changes;
  }

  close() {
    this.#end.abort();
    this.#painted?.track.stop();
    this.#forwarder.forget(this.#outlet);
  }

  async #change() {
    const slot = this.#slot;
    const track = slot?.track ?? null;
    const feed = this.feed;
    const paints = PAINTS && this.#media === "video";
    const canSwap = this.#outlet !== null && feed !== this.#unfit;
    const dummies = !paints || document.visibilityState === "visible";
    const held = slot?.held === true;
    this.method = feed === null ? "own" : method({ canSwap, dummies, slow: this.slow });
    if (held) {
      // Idle: the track comes with the order to send, which takes about 50 ms. An encoder for each
      // stream that may be wanted one day would cost every relay a few percent of a core.
      this.#order(null, false, held);
      await this.#send(null, null);
    } else if (this.method === "swap") {
      if (paints) this.#painted ??= paintedDummy();
      const dummy = paints ? (this.#painted?.track ?? null) : track;
      this.#order(feed, paints, held);
      await this.#send(dummy, dummyEncoding(paints));
    } else {
      // First, so that the key frame that the change of size brings is not taken for a dummy.
      this.#order(null, false, held);
      await this.#send(track, slot && encodingOf(slot, feed === null));
    }
  }

  /**
   * @param {number | null} feed
   * @param {boolean} painted
   * @param {boolean} held
   */
  #order(feed, painted, held) {
    const order = { feed, painted, held };
    const text = JSON.stringify(order);
    if (this.#outlet === null || text === this.#ordered) return;
    this.#ordered = text;
    this.#forwarder.order(this.#outlet, order);
  }

  /**
   * @param {MediaStreamTrack | null} track
   * @param {Encoding | null} wanted
   */
  async #send(track, wanted) {
    if (this.#sender.track !== track) await this.#sender.replaceTrack(track);
    if (this.#media !== "video" || wanted === null) return;
    const parameters = this.#sender.getParameters();
    const [encoding] = parameters.encodings;
    if (encoding === undefined || isAlready(encoding, wanted)) return;
    // What is not named has no bound any more.
    delete encoding.maxFramerate;
    Object.assign(encoding, wanted);
    await this.#sender.setParameters(parameters);
  }
}

/**
 * @param {RTCRtpEncodingParameters} encoding
 * @param {Encoding} wanted
 */
function isAlready(encoding, { maxBitrate, maxFramerate, scaleResolutionDownBy }) {
  return (
    encoding.maxBitrate === maxBitrate &&
    encoding.maxFramerate === maxFramerate &&
    encoding.scaleResolutionDownBy === scaleResolutionDownBy
  );
}
