/**
 * PURE: what a relay does with encoded frames: which feed goes out on which outlets, and how.
 *
 * A *feed* is one incoming stream, an *outlet* one sender; both are numbered by the page. Every
 * method takes one input; `drain` then says what has to be done.
 */

import { Feed } from "./feed.js";
import { outletOf } from "./outlets.js";

/** @import {MediaKind} from "./protocol.js" */
/** @import {Payload} from "./feed.js" */
/** @import {Dummy, Outlet, Written} from "./outlets.js" */

/** Our own encoder is asked again after this long, ms. */
const OWN_KEY_INTERVAL_MS = 300;
/** How many dummies a painter is kept ahead by. */
const PAINTED_AHEAD = 2;

/**
 * What an outlet carries. `feed` null: what its own encoder makes. `painted`: its dummies are made
 * on demand. `held`: all is as if it were sent, but nothing goes out.
 *
 * @typedef {{feed: number | null, painted: boolean, held: boolean}} Order
 */

/**
 * By number: frames that each outlet sent; key frames that each feed was asked for, octets that came.
 *
 * @typedef {object} Counts
 * @property {Record<number, number>} outlets
 * @property {Record<number, {asked: number, octets: number}>} feeds
 */

/**
 * @template F
 * @typedef {object} Todo
 * @property {(Written<F> & {outlet: number})[]} write
 * @property {number[]} askFeed feeds whose sender is to be asked for a key frame
 * @property {number[]} askOwn outlets whose own encoder is to make one
 * @property {number[]} paint outlets that need a painted dummy
 * @property {number[]} unfit outlets whose dummies are of another codec than their feed
 */

/**
 * @template F
 * @typedef {object} Line
 * @property {MediaKind} kind
 * @property {Order} order
 * @property {Outlet<F>} outlet
 * @property {string} codec of the sender's own frames
 * @property {number} askedAt
 * @property {number} forwarded frames
 */

/**
 * @template F
 */
export class Exchange {
  #random;
  /** @type {Map<number, {feed: Feed, codec: string, asked: number, octets: number}>} */
  #feeds = new Map();
  /** @type {Map<number, Line<F>>} */
  #lines = new Map();
  /** Orders for outlets that have not begun yet.
   * @type {Map<number, Order>} */
  #orders = new Map();
  /** @type {Todo<F>} */
  #todo = nothing();

  /** @param {() => number} random gives 16 bits */
  constructor(random) {
    this.#random = random;
  }

  /**
   * @param {number} id
   * @param {MediaKind} kind
   */
  addFeed(id, kind) {
    this.#feeds.set(id, { feed: new Feed(kind), codec: "", asked: 0, octets: 0 });
  }

  /**
   * @param {number} id
   * @param {MediaKind} kind
   */
  addOutlet(id, kind) {
    const order = this.#orders.get(id) ?? { feed: null, painted: false, held: false };
    this.#orders.delete(id);
    const outlet = this.#outlet(kind, order);
    const line = { kind, order, outlet, codec: "", askedAt: -Infinity, forwarded: 0 };
    this.#lines.set(id, line);
  }

  /** @param {number} id of a feed or an outlet: they are numbered together */
  remove(id) {
    this.#feeds.delete(id);
    this.#lines.delete(id);
    this.#orders.delete(id);
  }

  /**
   * What an outlet carries from now on.
   *
   * @param {number} id
   * @param {Order} order
   * @param {number} now ms
   */
  order(id, order, now) {
    const line = this.#lines.get(id);
    if (line === undefined) {
      this.#orders.set(id, order);
      return;
    }
    const before = line.order;
    line.order = order;
    if (before.feed === null || order.feed === null || before.painted !== order.painted) {
      line.outlet = this.#outlet(line.kind, order, before.painted);
    } else if (before.feed !== order.feed) line.outlet.moved();
    this.#look(id, line, now);
  }

  /**
   * A frame of a feed's.
   *
   * @param {number} id
   * @param {Payload} payload
   * @param {number} now ms
   */
  payload(id, payload, now) {
    const from = this.#feeds.get(id);
    if (from === undefined) return;
    from.octets += payload.data.byteLength;
    for (const one of from.feed.take(payload, now)) {
      let { data } = one;
      for (const [to, line] of this.#lines) {
        if (line.order.feed !== id) continue;
        this.#write(to, line, line.outlet.payload({ ...one, data }, now));
        // What is written is detached: each child gets its own.
        data = data.slice(0);
      }
    }
    for (const [to, line] of this.#lines) {
      if (line.order.feed === id) this.#look(to, line, now);
    }
  }

  /**
   * A frame of an outlet's own encoder.
   *
   * @param {number} id
   * @param {Dummy<F>} dummy
   * @param {number} now ms
   */
  dummy(id, dummy, now) {
    const line = this.#lines.get(id);
    if (line === undefined) return;
    this.#write(id, line, line.outlet.dummy(dummy, now));
    this.#look(id, line, now);
  }

  /**
   * The formats that frames are of: a payload goes only on a dummy of its own.
   *
   * @param {"feed" | "outlet"} what
   * @param {number} id
   * @param {string} codec
   */
  codec(what, id, codec) {
    const known = what === "feed" ? this.#feeds.get(id) : this.#lines.get(id);
    if (known === undefined || known.codec === codec) return;
    known.codec = codec;
    for (const [to, { order, codec: ours }] of this.#lines) {
      const theirs = order.feed === null ? "" : (this.#feeds.get(order.feed)?.codec ?? "");
      if (ours !== "" && theirs !== "" && !fits(ours, theirs)) this.#todo.unfit.push(to);
    }
  }

  /**
   * Whether a feed goes out anywhere: its frames have to be copied then.
   *
   * @param {number} id
   */
  listened(id) {
    return [...this.#lines.values()].some(({ order }) => order.feed === id);
  }

  /**
   * Whether what an outlet sends is made here.
   *
   * @param {number} id
   */
  isOwn(id) {
    return this.#lines.get(id)?.order.feed === null;
  }

  /** @returns {Todo<F>} */
  drain() {
    const todo = this.#todo;
    this.#todo = nothing();
    return todo;
  }

  /**
   * How they got on.
   *
   * @returns {Counts}
   */
  counts() {
    return {
      outlets: Object.fromEntries([...this.#lines].map(([id, { forwarded }]) => [id, forwarded])),
      feeds: Object.fromEntries(
        [...this.#feeds].map(([id, { asked, octets }]) => [id, { asked, octets }]),
      ),
    };
  }

  /**
   * @param {MediaKind} kind
   * @param {Order} order
   * @param {boolean} [painted] whether its dummies were painted up to now
   * @returns {Outlet<F>}
   */
  #outlet(kind, { feed }, painted = false) {
    return outletOf(kind, feed === null, { encoder: this.#random(), number: 0 }, painted);
  }

  /**
   * @param {number} outlet
   * @param {Line<F>} line
   * @param {Written<F>[]} written
   */
  #write(outlet, line, written) {
    if (line.order.held) return;
    line.forwarded += written.length;
    for (const one of written) this.#todo.write.push({ ...one, outlet });
  }

  /**
   * What an outlet lacks now.
   *
   * @param {number} id
   * @param {Line<F>} line
   * @param {number} now
   */
  #look(id, line, now) {
    const { order, outlet } = line;
    const from = order.feed === null ? undefined : this.#feeds.get(order.feed);
    if (from !== undefined) {
      if (outlet.wantsKey && from.feed.wantsKeyFrame(now)) {
        from.asked += 1;
        this.#todo.askFeed.push(/** @type {number} */ (order.feed));
      }
      if (order.painted && outlet.waiting < PAINTED_AHEAD) this.#todo.paint.push(id);
    } else if (order.feed === null && outlet.wantsKey && now - line.askedAt > OWN_KEY_INTERVAL_MS) {
      line.askedAt = now;
      this.#todo.askOwn.push(id);
    }
  }
}

/** Formats whose frames can be exchanged: what one says of another stays in the payload. */
const SELF_CONTAINED = new Set(["audio/opus", "video/vp8"]);

/**
 * @param {string} ours
 * @param {string} theirs
 */
function fits(ours, theirs) {
  return ours.toLowerCase() === theirs.toLowerCase() && SELF_CONTAINED.has(ours.toLowerCase());
}

/** @returns {Todo<any>} */
function nothing() {
  return { write: [], askFeed: [], askOwn: [], paint: [], unfit: [] };
}
