/**
 * PURE: numbers at the end of encoded VP8 frames, by which a relay sees that one is missing.
 *
 * A browser tells a page of no number of a received VP8 frame, and a frame after a lost one looks
 * like any other; passed on under the numbers of the relay's own sender it would be decoded, wrongly.
 * So whoever encodes a frame appends six octets: a mark, the encoder's number, the frame's number.
 * Relays pass them on as they are. A VP8 decoder stops before them (RFC 6386, section 9.5: the last
 * partition takes what is left of the frame, whatever it needs of it).
 */

const MARK = 0x5472;
const LENGTH = 6;
const NUMBERS = 0x10000;

/** @typedef {{encoder: number, number: number}} Stamp both of 16 bits */

/**
 * The frame's data with a stamp at its end; `data` itself stays as it is.
 *
 * @param {ArrayBuffer} data
 * @param {Stamp} stamp
 * @returns {ArrayBuffer}
 */
export function stamped(data, { encoder, number }) {
  const bytes = new Uint8Array(data.byteLength + LENGTH);
  bytes.set(new Uint8Array(data));
  const view = new DataView(bytes.buffer, data.byteLength);
  view.setUint16(0, MARK);
  view.setUint16(2, encoder);
  view.setUint16(4, number);
  return bytes.buffer;
}

/**
 * @param {ArrayBuffer} data
 * @returns {Stamp | null} null: nobody put one there
 */
export function stampOf(data) {
  if (data.byteLength < LENGTH) return null;
  const view = new DataView(data, data.byteLength - LENGTH);
  if (view.getUint16(0) !== MARK) return null;
  return { encoder: view.getUint16(2), number: view.getUint16(4) };
}

/**
 * How many frames `later` is after `earlier`: negative where it is before it, and null where the
 * two cannot be compared, being of different encoders or without a stamp.
 *
 * @param {Stamp | null} earlier
 * @param {Stamp | null} later
 */
export function framesBetween(earlier, later) {
  if (earlier === null || later === null || earlier.encoder !== later.encoder) return null;
  const forward = (later.number - earlier.number + NUMBERS) % NUMBERS;
  return forward < NUMBERS / 2 ? forward : forward - NUMBERS;
}

/** @param {Stamp} stamp */
export function nextStamp({ encoder, number }) {
  return { encoder, number: (number + 1) % NUMBERS };
}
