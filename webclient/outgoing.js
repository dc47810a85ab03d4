/**
 * What one sender sends: our own track, or another's stream, by whichever method fits the child.
 *
 * A change of method or of feed needs no negotiation, and the child cannot tell. The dummies that
 * payloads go on come from the received track itself, made small: so colours and sound levels
 * (RFC 6464) in the headers are those of the stream. Firefox's encoder would leave out dummies of
 * pictures that way, and paints them on demand.
 */

import { PAINTS, paintedDummy } from "./dummies.js";
import { method } from "./method.js";

/** @import {Forwarder} from "./forwarder.js" */
/** @import {Method} from "./method.js" */
/** @import {MediaKind} from "./protocol.js" */

/** For 640x360; a relay that encodes anew sends each child as much as the source sent it. */
export const MAX_VIDEO_BITRATE = 800_000;
/** The pacer goes by what the dummies are allowed, and payloads are larger than they. */
const MAX_SWAP_BITRATE = 4_000_000;
const DUMMY_SCALE = 12;

export class Outgoing {
  /** @type {Method} */
  method = "own";
  /** The child's link is slower than what it would be sent. */
  slow = false;
  #sender;
  #kind;
  #forwarder;
  #outlet;
  /** @type {MediaStreamTrack | null} */
  #track = null;
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
   * @param {MediaKind} kind
   * @param {Forwarder} forwarder
   * @param {(level: number) => void} onLevel how loud what we encode is, 0 to 1
   */
  constructor(sender, kind, forwarder, onLevel) {
    this.#sender = sender;
    this.#kind = kind;
    this.#forwarder = forwarder;
    this.#outlet = forwarder.outlet(sender, kind, {
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
    return this.#track && this.#forwarder.feedOf(this.#track);
  }

  /** The number of this sender in the worker's counts. */
  get outlet() {
    return this.#outlet;
  }

  /**
   * @param {MediaStreamTrack | null} track
   * @returns {Promise<void>} when the sender has it
   */
  carry(track) {
    if (track === this.#track) return this.#changes;
    this.#track = track;
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
    const track = this.#track;
    const feed = this.feed;
    const paints = PAINTS && this.#kind === "video";
    const canSwap = this.#outlet !== null && feed !== this.#unfit;
    const dummies = !paints || document.visibilityState === "visible";
    this.method = feed === null ? "own" : method({ canSwap, dummies, slow: this.slow });
    if (this.method === "swap") {
      if (paints) this.#painted ??= paintedDummy();
      const dummy = paints ? (this.#painted?.track ?? null) : track;
      this.#order(feed, paints);
      await this.#send(dummy, paints ? 1 : DUMMY_SCALE, MAX_SWAP_BITRATE);
    } else {
      // First, so that the key frame that the change of size brings is not taken for a dummy.
      this.#order(null, false);
      await this.#send(track, 1, MAX_VIDEO_BITRATE);
    }
  }

  /**
   * @param {number | null} feed
   * @param {boolean} painted
   */
  #order(feed, painted) {
    const order = { feed, painted };
    const text = JSON.stringify(order);
    if (this.#outlet === null || text === this.#ordered) return;
    this.#ordered = text;
    this.#forwarder.order(this.#outlet, order);
  }

  /**
   * @param {MediaStreamTrack | null} track
   * @param {number} scaleResolutionDownBy
   * @param {number} maxBitrate
   */
  async #send(track, scaleResolutionDownBy, maxBitrate) {
    if (this.#sender.track !== track) await this.#sender.replaceTrack(track);
    if (this.#kind !== "video") return;
    const parameters = this.#sender.getParameters();
    const [encoding] = parameters.encodings;
    if (encoding === undefined) return;
    const { maxBitrate: most, scaleResolutionDownBy: scale } = encoding;
    if (most === maxBitrate && scale === scaleResolutionDownBy) return;
    Object.assign(encoding, { scaleResolutionDownBy, maxBitrate });
    await this.#sender.setParameters(parameters);
  }
}
