/**
 * The page's end of the worker through which encoded frames pass (`relay-worker.js`).
 *
 * Every receiver becomes a feed and every sender an outlet before media flows: Chromium 156 lets a
 * transform that comes later see nothing. Where a browser has no transforms all this does nothing,
 * and relays encode anew.
 */

/** @import {MediaKind} from "./protocol.js" */
/** @import {Report} from "./relay-worker.js" */
/** @import {Counts, Order} from "./exchange.js" */
/** @import {Duty} from "./lookout.js" */

/** A worker that is not there after so long is gone without, ms. */
const READY_TIMEOUT_MS = 3_000;

/**
 * @typedef {object} OutletHandlers
 * @property {() => void} paint a dummy is wanted
 * @property {() => void} unfit the feed is of another codec than ours
 * @property {(level: number) => void} level of our own sound, 0 to 1
 */

/**
 * What the worker sees of the streams that come in; docs/protocol.md, "Repair".
 *
 * @typedef {object} LookoutHandlers
 * @property {(feed: number, missing: boolean) => void} missing it is missed, or back
 * @property {(neighbours: string[]) => void} beats to whom a sign of life is due
 */

/** Within so long one sign of a neighbour's life is enough, ms. */
const HEARD_MS = 40;

export class Forwarder {
  #on;
  /** Null until it works.
   * @type {Worker | null} */
  #worker = null;
  /** @type {Worker | null} */
  #started = null;
  #ids = 0;
  /** @type {Map<string, number>} */
  #heardAt = new Map();
  /** @type {WeakMap<MediaStreamTrack, number>} */
  #feeds = new WeakMap();
  /** @type {Map<number, OutletHandlers>} */
  #outlets = new Map();
  /** @type {Map<number, (counts: Counts) => void>} */
  #asked = new Map();

  /** @type {Map<number, () => void>} */
  #awaited = new Map();
  /** Resolves when the worker is there, or is known not to come. */
  ready;

  /** @param {LookoutHandlers} handlers */
  constructor(handlers) {
    this.#on = handlers;
    this.ready = canTransform() ? this.#start() : Promise.resolve();
  }

  /** Whether frames can be passed on as they are. */
  get works() {
    return this.#worker !== null;
  }

  /**
   * Makes what a receiver gets a feed. Call it before media flows.
   *
   * @param {RTCRtpReceiver} receiver
   */
  tap(receiver) {
    if (this.#feeds.has(receiver.track)) return;
    const id = (this.#ids += 1);
    this.#feeds.set(receiver.track, id);
    if (this.#worker === null) return;
    const kind = /** @type {MediaKind} */ (receiver.track.kind);
    receiver.transform = new RTCRtpScriptTransform(this.#worker, { role: "feed", id, kind });
  }

  /**
   * The feed of a received track; null for one of our own devices'.
   *
   * @param {MediaStreamTrack} track
   */
  feedOf(track) {
    return this.#feeds.get(track) ?? null;
  }

  /**
   * Makes a sender an outlet. Call it before media flows.
   *
   * @param {RTCRtpSender} sender
   * @param {MediaKind} kind
   * @param {OutletHandlers} handlers
   * @returns {number | null} its number
   */
  outlet(sender, kind, handlers) {
    if (this.#worker === null) return null;
    const id = (this.#ids += 1);
    sender.transform = new RTCRtpScriptTransform(this.#worker, { role: "outlet", id, kind });
    this.#outlets.set(id, handlers);
    return id;
  }

  /**
   * @param {number} outlet
   * @param {Order} order
   */
  order(outlet, order) {
    this.#worker?.postMessage({ type: "order", outlet, order });
  }

  /** @param {Duty} duty what the worker looks after from now on */
  serve(duty) {
    this.#worker?.postMessage({ type: "duty", duty });
  }

  /** @param {string} neighbour who said something on its data channel */
  heard(neighbour) {
    const now = performance.now();
    if (now - (this.#heardAt.get(neighbour) ?? -Infinity) < HEARD_MS) return;
    this.#heardAt.set(neighbour, now);
    this.#worker?.postMessage({ type: "heard", neighbour });
  }

  /**
   * The next frame of a received track; null: only the track itself can tell.
   *
   * @param {MediaStreamTrack} track
   * @returns {Promise<void> | null}
   */
  nextFrame(track) {
    const feed = this.feedOf(track);
    if (this.#worker === null || feed === null) return null;
    this.#worker.postMessage({ type: "await", feed });
    return new Promise((resolve) => this.#awaited.set(feed, resolve));
  }

  /** @param {import("./protocol.js").FaultMessage} fault of what is sent, on purpose */
  suffer(fault) {
    this.#worker?.postMessage({ type: "fault", fault });
  }

  /** @param {number | null} id of a feed or an outlet whose connection is over */
  forget(id) {
    if (id === null) return;
    this.#outlets.delete(id);
    this.#awaited.delete(id);
    this.#worker?.postMessage({ type: "forget", id });
  }

  end() {
    this.#started?.terminate();
    this.#worker = null;
  }

  /** @returns {Promise<Counts>} */
  async counts() {
    if (this.#worker === null) return { outlets: {}, feeds: {} };
    const number = (this.#ids += 1);
    /** @type {Promise<Counts>} */
    const counts = new Promise((resolve) => this.#asked.set(number, resolve));
    this.#worker.postMessage({ type: "counts", number });
    return counts;
  }

  #start() {
    const worker = new Worker(new URL("./relay-worker.js", import.meta.url), { type: "module" });
    this.#started = worker;
    return new Promise((/** @type {(_: void) => void} */ resolve) => {
      const giveUp = (/** @type {unknown} */ why) => {
        console.warn("relays encode anew:", why);
        worker.terminate();
        resolve();
      };
      const timer = setTimeout(giveUp, READY_TIMEOUT_MS, "the worker does not start");
      worker.onerror = (error) => {
        clearTimeout(timer);
        giveUp(error.message);
      };
      worker.onmessage = () => {
        clearTimeout(timer);
        worker.onmessage = ({ data }) => this.#receive(data);
        worker.onerror = (error) => console.error("relay worker:", error.message);
        this.#worker = worker;
        resolve();
      };
    });
  }

  /** @param {Report} report */
  #receive(report) {
    switch (report.type) {
      case "paint":
      case "unfit":
        this.#outlets.get(report.outlet)?.[report.type]();
        break;
      case "levels":
        for (const [outlet, level] of report.own) this.#outlets.get(outlet)?.level(level);
        break;
      case "counts":
        this.#asked.get(report.number)?.(report.counts);
        this.#asked.delete(report.number);
        break;
      case "missing":
      case "back":
        this.#on.missing(report.feed, report.type === "missing");
        break;
      case "began":
        this.#awaited.get(report.feed)?.();
        this.#awaited.delete(report.feed);
        break;
      case "beats":
        this.#on.beats(report.neighbours);
        break;
      case "error":
        console.error("relay worker:", report.text);
        break;
    }
  }
}

function canTransform() {
  return "RTCRtpScriptTransform" in window && "transform" in RTCRtpSender.prototype;
}
