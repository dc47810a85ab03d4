/**
 * What a neighbour goes on sending although its source may not publish it any more: it is not played
 * and not passed on anyway, and here it is found, to be stopped.
 */

/** Looks in a row; what is still on its way when an edge ends is long here by then. */
const LOOKS = 2;

/** Of one connection. */
export class Intruders {
  /** Octets received, and in how many looks in a row they became more.
   * @type {WeakMap<RTCRtpReceiver, {octets: number, grew: number}>} */
  #seen = new WeakMap();

  /**
   * Those receivers on which media has come in several looks in a row though none is expected.
   *
   * @param {readonly RTCRtpReceiver[]} unexpected
   * @param {readonly RTCRtpReceiver[]} expected what they did before does not count
   * @returns {Promise<RTCRtpReceiver[]>}
   */
  async look(unexpected, expected) {
    for (const receiver of expected) this.#seen.delete(receiver);
    const found = [];
    for (const receiver of unexpected) {
      const octets = await octetsReceived(receiver);
      const before = this.#seen.get(receiver) ?? { octets, grew: 0 };
      const grew = octets > before.octets ? before.grew + 1 : 0;
      this.#seen.set(receiver, { octets, grew });
      if (grew >= LOOKS) found.push(receiver);
    }
    return found;
  }
}

/**
 * Payload only: padding, by which an idle sender may measure its link, is nobody's stream.
 *
 * @param {RTCRtpReceiver} receiver
 */
async function octetsReceived(receiver) {
  let octets = 0;
  (await receiver.getStats()).forEach((report) => {
    if (report.type === "inbound-rtp") octets += report.bytesReceived;
  });
  return octets;
}
