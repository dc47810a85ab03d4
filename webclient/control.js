/**
 * The data channel between two neighbours, for what belongs to their edges and not to the server:
 * how loud each source is. Both ends make it with the same number, so nobody has to announce it.
 */

/** The number of the channel, and its name. */
const CHANNEL = { id: 0, label: "control" };
/** What waits longer than this is not told: news of levels get old. */
const MAX_BUFFERED = 16_384;
const MAX_MESSAGE = 65_536;
const MAX_LEVEL = 127;

/**
 * How loud sources are: 1 is as loud as can be, 0 silence.
 *
 * @typedef {Record<string, number>} Levels
 */

/**
 * As in RTP headers (RFC 6464): -dBov as whole numbers, 127 for silence.
 *
 * @param {Levels} levels
 */
export function encodeLevels(levels) {
  const entries = Object.entries(levels).map(([source, level]) => {
    const below = level > 0 ? Math.round(-20 * Math.log10(level)) : MAX_LEVEL;
    return [source, Math.max(0, Math.min(MAX_LEVEL, below))];
  });
  return JSON.stringify({ type: "levels", levels: Object.fromEntries(entries) });
}

/**
 * What a neighbour said of levels; null for anything else, which is passed over.
 *
 * @param {unknown} text
 * @returns {Levels | null}
 */
export function decodeLevels(text) {
  if (typeof text !== "string" || text.length > MAX_MESSAGE) return null;
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (message?.type !== "levels" || typeof message.levels !== "object") return null;
  const entries = Object.entries(message.levels ?? {}).filter(
    ([, below]) => Number.isInteger(below) && below >= 0 && below <= MAX_LEVEL,
  );
  return Object.fromEntries(
    entries.map(([source, below]) => [source, below === MAX_LEVEL ? 0 : 10 ** (-below / 20)]),
  );
}

export class Control {
  #channel;

  /**
   * @param {RTCPeerConnection} pc
   * @param {(levels: Levels) => void} onLevels
   */
  constructor(pc, onLevels) {
    const { id, label } = CHANNEL;
    this.#channel = pc.createDataChannel(label, { negotiated: true, id });
    this.#channel.onmessage = ({ data }) => {
      const levels = decodeLevels(data);
      if (levels !== null) onLevels(levels);
    };
  }

  /** @param {Levels} levels */
  tell(levels) {
    const { readyState, bufferedAmount } = this.#channel;
    if (readyState === "open" && bufferedAmount < MAX_BUFFERED) {
      this.#channel.send(encodeLevels(levels));
    }
  }
}
