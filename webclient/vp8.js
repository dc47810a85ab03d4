/** PURE: what an encoded VP8 frame tells of itself. */

const START_CODE = 0x9d012a;
/** The frame's tag, the start code, the width and the height. */
const LENGTH = 10;
/** Above them are two bits of scaling. */
const SIZE_BITS = 0x3fff;

/**
 * The size of a key frame (RFC 6386, section 9.1), pixels; null: it is none.
 *
 * @param {ArrayBuffer} data
 */
export function keyFrameSize(data) {
  if (data.byteLength < LENGTH) return null;
  const view = new DataView(data);
  // The lowest bit of the first octet is set in all other frames.
  if ((view.getUint8(0) & 1) === 1 || view.getUint32(2) % 2 ** 24 !== START_CODE) return null;
  const [width, height] = [6, 8].map((at) => view.getUint16(at, true) & SIZE_BITS);
  return { width, height };
}
