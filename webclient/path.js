/** The way to one neighbour: drives `PathWatch` with a connection's states, and a timer. */

import { PathWatch } from "./path-watch.js";

/**
 * @typedef {object} Handlers
 * @property {() => void} restart another way is to be looked for
 * @property {() => void} unreachable no connection for so long that streams have to go around
 * @property {(lost: boolean) => void} trouble no connection for a while; `lost`: there was one
 */

export class Path {
  #watch;
  #on;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {boolean} polite
   * @param {Handlers} handlers
   */
  constructor(polite, handlers) {
    this.#watch = new PathWatch(polite, performance.now());
    this.#on = handlers;
    this.#go();
  }

  /** @param {RTCPeerConnectionState} state */
  stateChanged(state) {
    this.#watch.stateChanged(state, performance.now());
    this.#go();
  }

  networkChanged() {
    this.#watch.networkChanged(performance.now());
    this.#go();
  }

  serversChanged() {
    this.#watch.serversChanged(performance.now());
    this.#go();
  }

  close() {
    clearTimeout(this.#timer);
  }

  #go() {
    clearTimeout(this.#timer);
    for (const what of this.#watch.drain()) {
      if (what === "restart") this.#on.restart();
      else if (what === "unreachable") this.#on.unreachable();
      else this.#on.trouble(this.#watch.lost);
    }
    const next = this.#watch.nextTimeout();
    if (next === null) return;
    this.#timer = setTimeout(() => {
      this.#watch.handleTimeout(performance.now());
      this.#go();
    }, next - performance.now());
  }
}

/**
 * Tells when this machine has come to another network. Gives what ends that.
 *
 * @param {() => void} changed
 */
export function watchNetwork(changed) {
  // Network Information API: Chromium on phones. Its event comes for each new estimate, too.
  const connection = /** @type {(EventTarget & {type?: string}) | undefined} */ (
    Reflect.get(navigator, "connection")
  );
  let type = connection?.type;
  const look = () => {
    if (connection?.type === type) return;
    type = connection?.type;
    if (type !== "none") changed();
  };
  window.addEventListener("online", changed);
  connection?.addEventListener("change", look);
  return () => {
    window.removeEventListener("online", changed);
    connection?.removeEventListener("change", look);
  };
}
