/** Which formats a connection uses, and how fast it begins. */

import { IS_FIREFOX } from "./firefox.js";
import { midOf } from "./places.js";

/** What a sender may send at first, kbit/s: dummies alone would not show what a link can carry. */
const START_KILOBITS = 1_500;

/**
 * The other side's description, as one that lets us begin fast.
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
 * What a relay can pass on as it is. A pair has many m-sections: with every format in each,
 * descriptions would be several times as long, and take as much longer to negotiate.
 *
 * COMPAT: Firefox 153 keeps the `a=rtcp-fb` lines of formats that were taken out, and Chromium then
 * refuses the SDP: there they are only put behind.
 *
 * @param {RTCRtpTransceiver} transceiver
 */
export function preferRelayed(transceiver) {
  const { kind } = transceiver.receiver.track;
  const codecs = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  const others = IS_FIREFOX ? codecs.filter((codec) => !isRelayed(codec)) : [];
  transceiver.setCodecPreferences([...codecs.filter(isRelayed), ...others]);
}

/**
 * What the seat takes. It does not mind Firefox's left-over `a=rtcp-fb` lines.
 *
 * @param {RTCRtpTransceiver} transceiver
 */
export function onlyOpus(transceiver) {
  const codecs = RTCRtpReceiver.getCapabilities("audio")?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(isRelayed));
}

/** @param {{mimeType: string}} codec lost pictures are sent again as `rtx` (RFC 4588) */
function isRelayed({ mimeType }) {
  return /^(audio\/opus|video\/(vp8|rtx))$/i.test(mimeType);
}
