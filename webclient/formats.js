/** Which formats a connection uses, and how fast it begins. */

/** What a sender may send at first, kbit/s: dummies alone would not show what a link can carry. */
const START_KILOBITS = 1_500;

/**
 * The other side's answer, as one that lets us begin fast.
 *
 * @param {string} sdp
 */
export function raiseStart(sdp) {
  return sdp.replace(
    /a=rtpmap:(\d+) VP8\/90000\r\n/g,
    (line, format) => `${line}a=fmtp:${format} x-google-start-bitrate=${START_KILOBITS}\r\n`,
  );
}

/**
 * The other side's description, as one that wants lost sound sent again (RFC 4585, section 6.2.1),
 * and sends it again: on a short line it comes in time. Without that each hop of a chain would add
 * its losses. Chromium does it, though it never says so itself.
 *
 * @param {string} sdp
 */
export function repairSound(sdp) {
  return sdp.replace(
    /a=rtpmap:(\d+) opus\/48000\/2\r\n/g,
    (line, format) => `${line}a=rtcp-fb:${format} nack\r\n`,
  );
}

/**
 * The other side's description, as one that wants nothing sent while somebody is silent (`usedtx`,
 * RFC 7587, section 6.1).
 *
 * @param {string} sdp
 * @param {readonly string[]} mids the m-sections with sound that is our own
 */
export function withPauses(sdp, mids) {
  const sections = sdp.split(/^(?=m=)/m);
  return sections.map((one) => (mids.includes(midOf(one)) ? withPause(one) : one)).join("");
}

/** @param {string} section */
function withPause(section) {
  const format = /^a=rtpmap:(\d+) opus\//im.exec(section)?.[1];
  return section.replace(new RegExp(`^a=fmtp:${format} .*`, "m"), (line) => `${line};usedtx=1`);
}

/** @param {string} section */
function midOf(section) {
  return /^a=mid:(\S+)/m.exec(section)?.[1] ?? "";
}

/**
 * The other side's offer without levels of contributing sources (RFC 6465), which nobody sends.
 *
 * COMPAT: Firefox 153 gives them in an offer of its own a number that Chromium 156 had for something
 * else in the offer that this one crosses; Chromium then refuses ("RTP extension ID reassignment").
 *
 * @param {string} sdp
 */
export function withoutContributors(sdp) {
  return sdp.replace(/a=extmap:\S+ urn:ietf:params:rtp-hdrext:csrc-audio-level\r\n/g, "");
}

/**
 * VP8 first: relays may pass on what they cannot choose. The list is put in another order, never
 * cut: Firefox keeps `a=rtcp-fb` lines of removed formats, and Chromium then refuses the SDP.
 *
 * @param {RTCRtpTransceiver} transceiver
 */
export function preferVp8(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const isVp8 = (/** @type {{mimeType: string}} */ { mimeType }) => /^video\/vp8$/i.test(mimeType);
  transceiver.setCodecPreferences([
    ...codecs.filter(isVp8),
    ...codecs.filter((codec) => !isVp8(codec)),
  ]);
}

/**
 * What the seat takes. A hundred phones are a hundred m-sections: with every format in each, the
 * offer would outgrow a message. The seat does not mind Firefox's left-over `a=rtcp-fb` lines.
 *
 * @param {RTCRtpTransceiver} transceiver
 */
export function onlyOpus(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("audio")?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /^audio\/opus$/i.test(mimeType)));
}
