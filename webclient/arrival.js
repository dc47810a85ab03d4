/** When a track that a neighbour announced has begun to deliver media. */

const POLL_MS = 50;

/**
 * Resolves when media comes; never, if `signal` is aborted before.
 *
 * A new receiver's track is muted until its first packet (W3C WebRTC 1.0, section 5.3). On a
 * transceiver that is used again it is not muted a second time (seen in Chromium 156): there the
 * count of packets has to grow.
 *
 * @param {RTCRtpReceiver} receiver
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export async function mediaArrives(receiver, signal) {
  if (receiver.track.muted) {
    await new Promise((resolve) =>
      receiver.track.addEventListener("unmute", resolve, { once: true, signal }),
    );
    return;
  }
  const before = await packetsReceived(receiver);
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if ((await packetsReceived(receiver)) > before) return;
  }
  await new Promise(() => {});
}

/** @param {RTCRtpReceiver} receiver */
async function packetsReceived(receiver) {
  let packets = 0;
  (await receiver.getStats()).forEach((report) => {
    if (report.type === "inbound-rtp") packets += report.packetsReceived;
  });
  return packets;
}
