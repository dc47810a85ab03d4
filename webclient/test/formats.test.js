import assert from "node:assert/strict";
import test from "node:test";

import { withPauses } from "../formats.js";

const lines = (...all) => all.map((line) => `${line}\r\n`).join("");
const SESSION = lines("v=0", "s=-", "t=0 0");
const sound = (mid, fmtp) =>
  lines(
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
    `a=mid:${mid}`,
    "a=rtpmap:63 red/48000/2",
    "a=fmtp:63 111/111",
    "a=rtpmap:111 opus/48000/2",
    `a=fmtp:111 ${fmtp}`,
  );
const PICTURE = lines("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2", "a=rtpmap:96 VP8/90000");

test("our own sound pauses, and what we pass on does not", () => {
  const sdp = SESSION + sound("0", "useinbandfec=1") + sound("10", "useinbandfec=1") + PICTURE;
  assert.equal(
    withPauses(sdp, ["0", "2", ""]),
    SESSION + sound("0", "useinbandfec=1;usedtx=1") + sound("10", "useinbandfec=1") + PICTURE,
  );
  assert.equal(withPauses(sdp, []), sdp);
});
