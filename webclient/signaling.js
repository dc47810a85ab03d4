/**
 * The web socket to the server: joins, notices when the server is gone, and comes back by itself.
 *
 * What comes back is a new participation: the server sends `welcome` and everything after it
 * again. The token of the last `welcome` makes it take the old one out first, so that nobody sees
 * two of us. How long and how often to try: docs/protocol.md, "Transport".
 */

import { ProtocolError, mayRejoin, parse, serialize } from "./protocol.js";

/** @import {ClientMessage, Join, ServerMessage} from "./protocol.js" */

/** The server closes what was silent for 30 s; a server silent for two of these is gone. */
const PING_INTERVAL_MS = 10_000;
/** Node 20, where the tests run, has no WebSocket that would tell. */
const OPEN = 1;
/** The server closes 2 s after `leave` at the latest. */
const LEAVE_TIMEOUT_MS = 3_000;
/** From opening the socket to `welcome`. */
const JOIN_TIMEOUT_MS = 10_000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8_000;
/** About ten minutes of trying. */
const MAX_ATTEMPTS = 80;

/**
 * Why it ended: `code` is one of the protocol's error codes, a `bye` reason, or our own
 * "unreachable" and "lost"; `text` is for people.
 *
 * @typedef {{code: string, text: string}} Ending
 */

/** @typedef {"joined" | "reconnecting" | "restarting"} Connection restarting: the server said so */

/**
 * @typedef {object} Handlers
 * @property {(message: ServerMessage) => void} message
 * @property {(state: Connection) => void} state
 * @property {(ending: Ending) => void} ended nothing is sent or tried any more
 */

export class Signaling {
  #openSocket;
  /** @type {() => Join} */
  #join;
  #on;
  /** @type {WebSocket | null} */
  #socket = null;
  #token = "";
  #joined = false;
  #ended = false;
  #attempts = 0;
  #heard = false;
  #restarting = false;
  /** @type {Ending | null} */
  #lastWord = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => WebSocket} openSocket
   * @param {() => Join} join made anew for each attempt: what is published may have changed
   * @param {Handlers} handlers
   */
  constructor(openSocket, join, handlers) {
    this.#openSocket = openSocket;
    this.#join = join;
    this.#on = handlers;
  }

  start() {
    const socket = this.#openSocket();
    this.#socket = socket;
    this.#lastWord = null;
    this.#timer = setTimeout(() => this.#lost(socket), JOIN_TIMEOUT_MS);
    socket.onopen = () => {
      this.send(this.#token ? { ...this.#join(), token: this.#token } : this.#join());
    };
    socket.onmessage = ({ data }) => this.#receive(socket, String(data));
    socket.onclose = ({ code }) => this.#closed(code);
  }

  /**
   * Sends a message; while there is no connection it is dropped, since a rejoin tells all anew.
   *
   * @param {ClientMessage} message
   */
  send(message) {
    if (this.#socket?.readyState !== OPEN) return;
    if (message.type !== "ping") console.debug(">", message);
    this.#socket.send(serialize(message));
  }

  /**
   * Says good-bye, and stays until the server has found other parents for those whom we relay to.
   * `ended` is not called.
   *
   * @param {() => void} gone
   */
  leave(gone) {
    this.send({ type: "leave" });
    this.#ended = true;
    const end = () => {
      this.#drop();
      gone();
    };
    clearTimeout(this.#timer);
    if (this.#socket?.readyState !== OPEN) return end();
    this.#socket.onclose = end;
    this.#timer = setTimeout(end, LEAVE_TIMEOUT_MS);
  }

  /** Says good-bye, and is gone; `ended` is not called. */
  hangUp() {
    this.send({ type: "leave" });
    this.#ended = true;
    this.#drop();
  }

  /** Says nothing at all; `ended` is not called. */
  vanish() {
    this.#ended = true;
    this.#drop();
  }

  /** The network is back: do not wait for the next attempt. */
  retryNow() {
    if (this.#ended || this.#socket !== null || !this.#joined) return;
    clearTimeout(this.#timer);
    this.start();
  }

  /**
   * @param {WebSocket} socket
   * @param {string} text
   */
  #receive(socket, text) {
    this.#heard = true;
    let message;
    try {
      message = parse(text);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      console.warn("a message that cannot be used:", error.message, text.slice(0, 200));
      return;
    }
    if (message === null || message.type === "pong") return;
    console.debug("<", message);
    if (message.type === "welcome") this.#welcomed(socket, message.token);
    if (message.type === "error") this.#lastWord = message;
    if (message.type === "bye") {
      this.#lastWord = { code: message.reason, text: message.text };
      this.#restarting = message.reason === "shutdown";
    }
    this.#on.message(message);
  }

  /**
   * @param {WebSocket} socket
   * @param {string} token
   */
  #welcomed(socket, token) {
    this.#token = token;
    this.#joined = true;
    this.#restarting = false;
    this.#lastWord = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#checkAlive(socket), PING_INTERVAL_MS);
    this.#on.state("joined");
  }

  /**
   * Any frame proves that the server lives. Only a connection that has lasted this long sets the
   * delay back: one that breaks right after each `welcome` shall not be tried twice a second.
   *
   * @param {WebSocket} socket
   */
  #checkAlive(socket, silent = 0) {
    const missed = this.#heard ? 0 : silent + 1;
    if (missed === 2) return this.#lost(socket);
    if (this.#heard) this.#attempts = 0;
    this.#heard = false;
    this.send({ type: "ping" });
    this.#timer = setTimeout(() => this.#checkAlive(socket, missed), PING_INTERVAL_MS);
  }

  /** @param {WebSocket} socket */
  #lost(socket) {
    // A dead network never finishes the closing handshake: go on without its `close` event.
    socket.onclose = null;
    this.#closed(1006);
  }

  /** @param {number} code */
  #closed(code) {
    if (this.#ended) return;
    this.#drop();
    if (!this.#joined) {
      return this.#end({ code: "unreachable", text: "The server cannot be reached." });
    }
    if (!mayRejoin(code))
      return this.#end({ code: "lost", text: "The server closed the connection." });
    if (this.#attempts >= MAX_ATTEMPTS) {
      return this.#end({ code: "lost", text: "The connection was lost and did not come back." });
    }
    const delay = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, MAX_DELAY_MS);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.start(), delay);
    this.#on.state(this.#restarting ? "restarting" : "reconnecting");
  }

  /** @param {Ending} otherwise what to say if the server gave no reason */
  #end(otherwise) {
    this.#ended = true;
    this.#on.ended(this.#lastWord ?? otherwise);
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
