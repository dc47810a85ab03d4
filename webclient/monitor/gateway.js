/**
 * The gateway as the monitor sees it: the token, requests, and the feed of one room.
 *
 * The feed is read with `fetch`, not EventSource: that could only send the token in the address,
 * where servers and proxies write it down.
 */

import { EventReader } from "./events.js";

/** @import {Change, Entry} from "./timeline.js" */

/** The token's place: gone with the tab. */
const STORED = "trestle-monitor-token";
/** Without a word for so long the feed is taken for lost; the gateway says something each 10 s. */
const SILENCE_MS = 25_000;
const RETRY_FROM_MS = 500;
const RETRY_TO_MS = 5_000;

/** The token is not right, or there is none. */
export class Locked extends Error {}

/** What the gateway answered in place of doing it, for people. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** @typedef {{room: string, lab: boolean, participants: number, trees: number, edges: number}} RoomLine */
/**
 * @typedef {object} FeedHandlers
 * @property {(entries: {key: string[], entry: Entry}[], at: number, lab: boolean) => void} start
 * @property {(changes: Change[], now: number) => void} changes
 * @property {(state: "live" | "lost" | "closed") => void} state `closed`: the room is empty
 * @property {() => void} locked
 */

export class Gateway {
  #token = sessionStorage.getItem(STORED) ?? "";

  get hasToken() {
    return this.#token !== "";
  }

  /** @param {string} token */
  unlock(token) {
    this.#token = token;
    sessionStorage.setItem(STORED, token);
  }

  /** @returns {Promise<RoomLine[]>} */
  async rooms() {
    const { rooms } = await (await this.#ask("/api/monitor")).json();
    return rooms;
  }

  /**
   * @param {string} room
   * @param {object} order
   */
  async inject(room, order) {
    await this.#ask(`/api/monitor/${room}/faults`, { method: "POST", body: JSON.stringify(order) });
  }

  /** @param {string} room */
  async stopInjecting(room) {
    await this.#ask(`/api/monitor/${room}/faults`, { method: "DELETE" });
  }

  /**
   * Follows a room until the returned function is called.
   *
   * @param {string} room
   * @param {FeedHandlers} on
   */
  follow(room, on) {
    const stopped = new AbortController();
    void this.#follow(room, on, stopped.signal);
    return () => stopped.abort();
  }

  /**
   * @param {string} room
   * @param {FeedHandlers} on
   * @param {AbortSignal} stopped
   */
  async #follow(room, on, stopped) {
    let retry = RETRY_FROM_MS;
    while (!stopped.aborted) {
      /** @type {"lost" | "closed"} */
      let why = "lost";
      try {
        await this.#readFeed(room, on, stopped, () => (retry = RETRY_FROM_MS));
      } catch (error) {
        if (stopped.aborted) return;
        if (error instanceof Locked) return on.locked();
        if (error instanceof Refused && error.status === 404) why = "closed";
      }
      if (stopped.aborted) return;
      on.state(why);
      await new Promise((resolve) => setTimeout(resolve, retry));
      retry = Math.min(2 * retry, RETRY_TO_MS);
    }
  }

  /**
   * To its end, or until the gateway is silent.
   *
   * @param {string} room
   * @param {FeedHandlers} on
   * @param {AbortSignal} stopped
   * @param {() => void} alive
   */
  async #readFeed(room, on, stopped, alive) {
    const silence = new AbortController();
    const signal = AbortSignal.any([stopped, silence.signal]);
    const response = await this.#ask(`/api/monitor/${room}/feed`, { signal });
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventReader();
    for (;;) {
      const timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const { value, done } = await reader.read().finally(() => clearTimeout(timer));
      if (done || stopped.aborted) return;
      for (const { type, data } of events.read(value)) {
        const told = JSON.parse(data);
        if (type === "picture") {
          alive();
          on.start(told.entries, told.at, told.lab);
          on.state("live");
        } else if (type === "changes") on.changes(told.changes, told.now);
      }
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async #ask(path, options = {}) {
    if (this.#token === "") throw new Locked();
    const headers = { Authorization: `Bearer ${this.#token}` };
    const response = await fetch(path, { ...options, headers, cache: "no-store" });
    if (response.status === 401) throw new Locked();
    if (!response.ok) throw new Refused(response.status, (await response.text()).trim());
    return response;
  }
}

/** Takes the token out of the page's address, where it would be seen and kept. */
export function takeToken() {
  const address = new URL(location.href);
  const token = address.searchParams.get("token");
  if (token === null) return null;
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
  return token;
}
