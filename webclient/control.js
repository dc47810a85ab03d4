/**
 * The data channel between two neighbours, for what belongs to their edges and not to the server:
 * how loud each source is, and who is to send what when a parent fails. Both ends make it with the
 * same number, so nobody has to announce it.
 */

import { isStreamKind } from "./protocol.js";

/** @import {Track} from "./protocol.js" */

/** The number of the channel, and its name. */
const CHANNEL = { id: 0, label: "control" };
/** Where so much waits, levels and signs of life are left out: they get old. */
const MAX_BUFFERED = 16_384;
const MAX_MESSAGE = 65_536;
const MAX_LEVEL = 127;
/** What is left out where much waits, or nothing can be said yet. */
const PASSING = new Set(["levels", "alive"]);

/**
 * How loud sources are: 1 is as loud as can be, 0 silence.
 *
 * @typedef {Record<string, number>} Levels
 */

/**
 * @typedef {{type: "levels", levels: Levels} | {type: "adopt" | "release", track: Track}
 *   | {type: "alive"} | {type: "bye"}} Word "bye": the speaker leaves, nothing comes from it any more
 */

/** @param {Word} word */
export function encode(word) {
  switch (word.type) {
    case "levels":
      return JSON.stringify({ type: "levels", levels: encodeLevels(word.levels) });
    case "adopt":
    case "release":
      return JSON.stringify({ type: word.type, ...word.track });
    case "alive":
    case "bye":
      return JSON.stringify(word);
  }
}

/**
 * What a neighbour said; null for what is not known, which is passed over.
 *
 * @param {unknown} text
 * @returns {Word | null}
 */
export function decode(text) {
  if (typeof text !== "string" || text.length > MAX_MESSAGE) return null;
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  switch (message?.type) {
    case "levels":
      return typeof message.levels === "object"
        ? { type: "levels", levels: decodeLevels(message.levels ?? {}) }
        : null;
    case "adopt":
    case "release": {
      const { source, kind } = message;
      if (typeof source !== "string" || !isStreamKind(kind)) return null;
      return { type: message.type, track: { source, kind } };
    }
    case "alive":
    case "bye":
      return { type: message.type };
    default:
      return null;
  }
}

/**
 * As in RTP headers (RFC 6464): -dBov as whole numbers, 127 for silence.
 *
 * @param {Levels} levels
 * @returns {Record<string, number>}
 */
function encodeLevels(levels) {
  const entries = Object.entries(levels).map(([source, level]) => {
    const below = level > 0 ? Math.round(-20 * Math.log10(level)) : MAX_LEVEL;
    return [source, Math.max(0, Math.min(MAX_LEVEL, below))];
  });
  return Object.fromEntries(entries);
}

/**
 * @param {Record<string, any>} levels a stranger's
 * @returns {Levels}
 */
function decodeLevels(levels) {
  const entries = Object.entries(levels).filter(
    ([, below]) => Number.isInteger(below) && below >= 0 && below <= MAX_LEVEL,
  );
  return Object.fromEntries(
    entries.map(([source, below]) => [source, below === MAX_LEVEL ? 0 : 10 ** (-below / 20)]),
  );
}

/**
 * @typedef {object} Handlers
 * @property {(word: Word) => void} heard
 * @property {() => void} closed by the other end, or with the connection
 */

export class Control {
  #channel;
  /** What was to be said before the channel was open, and has to be said.
   * @type {string[]} */
  #waiting = [];

  /**
   * @param {RTCPeerConnection} pc
   * @param {Handlers} handlers
   */
  constructor(pc, { heard, closed }) {
    const { id, label } = CHANNEL;
    this.#channel = pc.createDataChannel(label, { negotiated: true, id });
    this.#channel.onmessage = ({ data }) => {
      const word = decode(data);
      if (word !== null) heard(word);
    };
    this.#channel.onopen = () => {
      for (const text of this.#waiting.splice(0)) this.#channel.send(text);
    };
    this.#channel.onclose = closed;
  }

  /** @param {Word} word */
  say(word) {
    const { readyState, bufferedAmount } = this.#channel;
    const matters = !PASSING.has(word.type);
    if (readyState === "open" && (matters || bufferedAmount < MAX_BUFFERED)) {
      this.#channel.send(encode(word));
    } else if (readyState === "connecting" && matters) {
      this.#waiting.push(encode(word));
    }
  }
}
