/** Frames for outlets, and what became of them. */

export const PACKET = 960;

/** A payload whose data tells its number; 20 ms of sound, or a picture. */
export const payload = (number, { key = false, encoder = 1, time = number * PACKET } = {}) => ({
  data: number,
  time: time >>> 0,
  key,
  stamp: { encoder, number },
  sequence: number,
});

export const dummy = (number, { key = false, time = number * PACKET } = {}) => ({
  frame: number,
  data: () => new ArrayBuffer(number),
  time: time >>> 0,
  key,
});

/** Which payload went on which dummy: "payload@dummy". */
export const pairs = (written) => written.map(({ frame, data }) => `${data}@${frame}`).join(" ");
