/**
 * The relay worker's watch over what comes in and its own signs of life: `missing.js` and
 * `beats.js` with a timer. A worker's timers run on in hidden pages.
 */

import { Beats } from "./beats.js";
import { LOOK_MS, Missing } from "./missing.js";

/** @import {Brought, Watched} from "./missing.js" */

/**
 * What to look after: `served` are the neighbours that miss us by our silence, with their outlets.
 *
 * @typedef {object} Duty
 * @property {readonly Watched[]} watched
 * @property {readonly Brought[]} brought
 * @property {readonly (readonly [string, readonly number[]])[]} served
 */

/**
 * @typedef {{type: "missing" | "back" | "began", feed: number}
 *   | {type: "beats", neighbours: string[]}} Finding
 */

export class Lookout {
  #tell;
  #missing = new Missing();
  #beats = new Beats();
  /** Feeds whose next frame is to be told.
   * @type {Set<number>} */
  #awaited = new Set();
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;

  /** @param {(finding: Finding) => void} tell */
  constructor(tell) {
    this.#tell = tell;
  }

  /** @param {Duty} duty */
  serve({ watched, brought, served }) {
    this.#missing.watch(watched, brought);
    this.#beats.serve(served);
    if (this.#timer === null) this.#look();
  }

  /** @param {number} feed */
  await(feed) {
    this.#awaited.add(feed);
  }

  /**
   * A frame came.
   *
   * @param {number} feed
   * @param {number} octets
   */
  frame(feed, octets) {
    if (this.#awaited.delete(feed)) this.#tell({ type: "began", feed });
    if (this.#missing.frame(feed, octets, performance.now())) this.#tell({ type: "back", feed });
  }

  /** @param {number} outlet which a frame went out on */
  sent(outlet) {
    this.#beats.sent(outlet, performance.now());
  }

  /** @param {string} neighbour who said something */
  heard(neighbour) {
    this.#missing.heard(neighbour, performance.now());
  }

  #look() {
    this.#timer = null;
    const { watching } = this.#missing;
    if (!watching && !this.#beats.serving) return;
    const now = performance.now();
    const { missing, again } = this.#missing.look(now);
    for (const feed of missing) this.#tell({ type: "missing", feed });
    const neighbours = this.#beats.due(now);
    if (neighbours.length > 0) this.#tell({ type: "beats", neighbours });
    const next = watching ? again - now : LOOK_MS;
    this.#timer = setTimeout(() => this.#look(), Math.ceil(next));
  }
}
