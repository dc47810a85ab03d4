import assert from "node:assert/strict";
import { test } from "node:test";

import { lay, placesIn } from "../places.js";

const lines = (...all) => all.map((line) => `${line}\r\n`).join("");
const SESSION = lines("v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0");
const section = (media, mid, ...more) =>
  lines(`m=${media} 9 UDP/TLS/RTP/SAVPF 96`, "c=IN IP4 0.0.0.0", `a=mid:${mid}`, ...more);

test("a place is what the other side only receives on", () => {
  const sdp =
    SESSION +
    section("audio", "0", "a=sendonly") +
    section("audio", "1", "a=recvonly") +
    section("video", "2", "a=recvonly") +
    section("audio", "3", "a=sendrecv") +
    section("video", "4", "a=inactive") +
    section("audio", "5") +
    lines("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:6", "a=recvonly");
  assert.deepEqual(placesIn(sdp), [
    { mid: "1", media: "audio" },
    { mid: "2", media: "video" },
  ]);
});

test("what the session says holds where an m-section says nothing", () => {
  const sdp = `${SESSION}a=recvonly\r\n${section("audio", "0")}${section("audio", "1", "a=sendonly")}`;
  assert.deepEqual(placesIn(sdp), [{ mid: "0", media: "audio" }]);
});

test("a rejected m-section is no place, one that shares another's port is", () => {
  const rejected = section("audio", "0", "a=recvonly").replace(" 9 ", " 0 ");
  const shares = section("video", "1", "a=bundle-only", "a=recvonly").replace(" 9 ", " 0 ");
  assert.deepEqual(placesIn(SESSION + rejected + shares), [{ mid: "1", media: "video" }]);
});

test("what is no SDP has no places", () => {
  for (const text of ["", "m=", "m=audio", "a=recvonly", "m=audio 9\r\na=recvonly"]) {
    assert.deepEqual(placesIn(text), []);
  }
});

const place = (mid, media) => ({ mid, media });
const slot = (source, kind) => ({ source, kind });

test("each stream gets the next place of its medium, and none is given twice", () => {
  const places = [place("a", "video"), place("b", "audio"), place("c", "audio"), place("d", "video")];
  const slots = [slot("me", "audio"), slot("me", "high"), slot("you", "low"), slot("you", "audio")];
  assert.deepEqual(
    lay(places, slots),
    new Map([
      ["b", slots[0]],
      ["a", slots[1]],
      ["d", slots[2]],
      ["c", slots[3]],
    ]),
  );
});

test("where there are fewer places the last streams find none, and the other medium is not hit", () => {
  const slots = [slot("me", "audio"), slot("you", "audio"), slot("you", "screen")];
  const places = [place("0", "audio"), place("1", "video"), place("2", "video")];
  assert.deepEqual(lay(places, slots), new Map([["0", slots[0]], ["1", slots[2]]]));
  assert.deepEqual(lay([], slots), new Map());
});

test("thousands of places are no more than the streams that there are", () => {
  const sdp = SESSION + Array.from({ length: 5000 }, (_, i) => section("audio", i, "a=recvonly")).join("");
  const slots = [slot("me", "audio"), slot("you", "audio"), slot("me", "high")];
  assert.deepEqual([...lay(placesIn(sdp), slots).keys()], ["0", "1"]);
});
