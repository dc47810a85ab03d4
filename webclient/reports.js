/** What goes over a connection, by the browser's own statistics (W3C WebRTC Statistics). */

/** @param {RTCRtpSender} sender */
export async function senderStats(sender) {
  const stats = { frames: 0, height: 0, octets: 0 };
  (await sender.getStats()).forEach((report) => {
    if (report.type !== "outbound-rtp") return;
    stats.frames += report.framesEncoded ?? 0;
    stats.height = Math.max(stats.height, report.frameHeight ?? 0);
    stats.octets += report.bytesSent;
  });
  return stats;
}

/**
 * What the path to the neighbour is estimated to carry, bit/s; null where that is not known.
 *
 * @param {RTCPeerConnection} pc
 * @returns {Promise<number | null>}
 */
export async function availableBitrate(pc) {
  /** @type {number | null} */
  let available = null;
  (await pc.getStats()).forEach((report) => {
    if (report.type === "candidate-pair") available = report.availableOutgoingBitrate ?? available;
  });
  return available;
}
