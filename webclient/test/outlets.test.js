import assert from "node:assert/strict";
import { test } from "node:test";

import { PicturePass, PictureSwap, SoundPass, SoundSwap } from "../outlets.js";
import { stampOf } from "../stamp.js";

const PACKET = 960;

/** A payload whose data tells its number; 20 ms of sound, or a picture. */
const payload = (number, { key = false, encoder = 1, time = number * PACKET } = {}) => ({
  data: number,
  time: time >>> 0,
  key,
  stamp: { encoder, number },
  sequence: number,
});
const dummy = (number, { key = false, time = number * PACKET } = {}) => ({
  frame: number,
  data: () => new ArrayBuffer(number),
  time: time >>> 0,
  key,
});
/** Which payload went on which dummy: "payload@dummy". */
const pairs = (written) => written.map(({ frame, data }) => `${data}@${frame}`).join(" ");

/** Three dummies ahead, as is usual: 10, 11 and 12. */
function runningSound() {
  const outlet = new SoundSwap();
  for (const number of [10, 11, 12]) assert.equal(pairs(outlet.dummy(dummy(number))), "");
  return outlet;
}

test("sound goes at once, on dummies that wait", () => {
  const outlet = runningSound();
  assert.equal(pairs(outlet.payload(payload(1))), "1@10");
  assert.equal(pairs(outlet.dummy(dummy(13))), "");
  assert.equal(pairs(outlet.payload(payload(2))), "2@11");
});

test("before the first dummy is there only the newest sound is kept, and goes with it", () => {
  const outlet = new SoundSwap();
  outlet.payload(payload(1));
  outlet.payload(payload(2));
  assert.equal(pairs(outlet.dummy(dummy(10))), "2@10");
});

test("a pause is shorter where dummies have been late: two are ahead from then on", () => {
  const outlet = new SoundSwap();
  outlet.payload(payload(1));
  assert.equal(pairs(outlet.dummy(dummy(10))), "1@10");
  outlet.payload(payload(2));
  assert.equal(pairs(outlet.dummy(dummy(11))), "2@11");
  for (let number = 12; number <= 28; number += 1) outlet.dummy(dummy(number));
  // Its own would be 29, which is not there yet.
  assert.equal(pairs(outlet.payload(payload(20))), "20@26");
  assert.equal(outlet.waiting, 2);
  outlet.dummy(dummy(29));
  assert.equal(pairs(outlet.payload(payload(21))), "21@27");
});

test("a pause of a few packets that were lost stays as it is", () => {
  const outlet = new SoundSwap();
  outlet.payload(payload(1));
  outlet.dummy(dummy(10));
  for (const number of [11, 12]) outlet.dummy(dummy(number));
  assert.equal(pairs(outlet.payload(payload(4))), "");
  assert.equal(pairs(outlet.dummy(dummy(13))), "4@13");
});

test("a lost packet is a gap for the child too, in the same place", () => {
  const outlet = runningSound();
  outlet.payload(payload(1));
  assert.equal(pairs(outlet.payload(payload(3))), "3@12");
  assert.equal(pairs(outlet.dummy(dummy(13))), "");
  assert.equal(pairs(outlet.payload(payload(4))), "4@13");
});

test("a pause stays as long as it was, across the end of the RTP timestamps", () => {
  const outlet = new SoundSwap();
  const start = 2 ** 32 - 10 * PACKET;
  const at = (number) => dummy(number, { time: start + number * PACKET });
  for (const number of [0, 1, 2]) outlet.dummy(at(number));
  assert.equal(pairs(outlet.payload(payload(1))), "1@0");
  for (let number = 3; number <= 22; number += 1) outlet.dummy(at(number));
  assert.equal(pairs(outlet.payload(payload(21))), "21@20");
});

test("long packets take as many dummies as they last", () => {
  const outlet = runningSound();
  outlet.dummy(dummy(13));
  outlet.payload(payload(1, { time: 0 }));
  assert.equal(pairs(outlet.payload(payload(2, { time: 3 * PACKET }))), "2@13");
});

test("where dummies stop, sound does not pile up", () => {
  const outlet = runningSound();
  for (let number = 1; number <= 40; number += 1) outlet.payload(payload(number));
  const written = [100, 101, 102].flatMap((number) => outlet.dummy(dummy(number)));
  assert.equal(pairs(written), "40@100");
  assert.equal(pairs(outlet.payload(payload(41))), "41@101");
});

test("dummies that run ahead are let go, and the rest goes on", () => {
  const outlet = runningSound();
  outlet.payload(payload(1));
  for (let number = 13; number <= 60; number += 1) outlet.dummy(dummy(number));
  assert.equal(pairs(outlet.payload(payload(2))), "2@36");
  assert.equal(pairs(outlet.payload(payload(3))), "3@37");
});

test("payloads that were late come out with the times that they had", () => {
  const outlet = runningSound();
  outlet.payload(payload(1));
  for (let number = 13; number <= 25; number += 1) outlet.dummy(dummy(number));
  const written = [2, 3, 4, 5, 6].flatMap((number) => outlet.payload(payload(number)));
  assert.equal(pairs(written), "2@11 3@12 4@13 5@14 6@15");
});

test("after a stall of our own dummies nothing is left out", () => {
  const outlet = runningSound();
  for (let number = 1; number <= 8; number += 1) outlet.payload(payload(number));
  const written = [13, 14, 15, 16, 17, 18].flatMap((number) => outlet.dummy(dummy(number)));
  assert.equal(pairs(written), "4@13 5@14 6@15 7@16 8@17");
});

test("another feed's sound goes on with the next dummy, whatever its times are", () => {
  const outlet = runningSound();
  outlet.payload(payload(1));
  outlet.moved();
  assert.equal(pairs(outlet.payload(payload(7, { time: 123_456 }))), "7@11");
  outlet.dummy(dummy(13));
  assert.equal(pairs(outlet.payload(payload(8, { time: 2 ** 31 + 5 }))), "8@12");
});

/** A frame of Opus with so many octets, of which the first is the same. */
const opus = (number, ...octets) => ({ ...payload(number), data: new Uint8Array(octets).buffer });
/** The same as our own encoder makes it. */
const own = (frame, ...octets) => ({ ...dummy(frame), data: () => new Uint8Array(octets).buffer });
/** Which octets went on which dummy. */
const octets = (written) => written.map(({ frame, data }) => [frame, ...new Uint8Array(data)]);

test("what begins a pause is said twice, some time after it", () => {
  const outlet = runningSound();
  assert.deepEqual(octets(outlet.payload(opus(1, 9, 8, 7), 0)), [[10, 9, 8, 7]]);
  assert.deepEqual(octets(outlet.payload(opus(2, 9), 20)), [[11, 9]]);
  assert.deepEqual(octets(outlet.dummy(dummy(13), 40)), []);
  assert.deepEqual(octets(outlet.dummy(dummy(14), 60)), [[12, 9]]);
  assert.deepEqual(octets(outlet.dummy(dummy(15), 80)), []);
  for (let number = 16; number <= 31; number += 1) outlet.dummy(dummy(number), 20 * number - 220);
  assert.deepEqual(octets(outlet.payload(opus(21, 9, 8, 7), 400)), [[29, 9, 8, 7]]);
});

test("what was said twice already is not said again, and neither is sound", () => {
  const outlet = runningSound();
  outlet.payload(opus(1, 9), 0);
  outlet.payload(opus(2, 9), 20);
  assert.deepEqual(octets(outlet.dummy(dummy(13), 90)), []);
  outlet.payload(opus(6, 9, 8, 7, 6), 100);
  assert.deepEqual(octets(outlet.dummy(dummy(14), 190)), []);
});

/** Runs, with one dummy ahead. */
function runningPictures() {
  const outlet = new PictureSwap();
  outlet.dummy(dummy(10, { key: true }), 0);
  outlet.dummy(dummy(11), 0);
  assert.equal(pairs(outlet.payload(payload(1, { key: true }), 0)), "1@10");
  assert.equal(outlet.wantsKey, false);
  return outlet;
}

test("pictures begin with a key frame, and go at once on dummies that wait", () => {
  const outlet = new PictureSwap();
  outlet.dummy(dummy(10, { key: true }), 0);
  assert.equal(pairs(outlet.payload(payload(1), 0)), "");
  assert.equal(outlet.wantsKey, true);
  assert.equal(pairs(outlet.payload(payload(2, { key: true }), 0)), "2@10");
  assert.equal(pairs(outlet.payload(payload(3), 0)), "");
  assert.equal(pairs(outlet.dummy(dummy(11), 0)), "3@11");
});

test("after a gap nothing goes until a key frame: a child would decode it wrongly", () => {
  const outlet = runningPictures();
  assert.equal(pairs(outlet.payload(payload(3), 0)), "");
  assert.equal(outlet.wantsKey, true);
  assert.equal(pairs(outlet.payload(payload(4), 0)), "");
  assert.equal(pairs(outlet.payload(payload(5, { key: true }), 0)), "5@11");
});

test("a child that asks for a key frame gets what there is until one comes", () => {
  const outlet = runningPictures();
  outlet.dummy(dummy(12, { key: true }), 0);
  assert.equal(outlet.wantsKey, true);
  assert.equal(pairs(outlet.payload(payload(2), 0)), "2@11");
  assert.equal(outlet.wantsKey, true);
  outlet.payload(payload(3, { key: true }), 0);
  assert.equal(outlet.wantsKey, false);
});

test("a new feed of the same source goes on where the old one was", () => {
  const outlet = runningPictures();
  outlet.payload(payload(2), 0);
  outlet.dummy(dummy(12), 0);
  outlet.moved();
  assert.equal(pairs(outlet.payload(payload(1), 0)), "");
  assert.equal(pairs(outlet.payload(payload(2), 0)), "");
  assert.equal(pairs(outlet.payload(payload(3), 0)), "3@12");
  assert.equal(outlet.wantsKey, false);
});

test("a new feed that is ahead, or cannot be compared, needs a key frame", () => {
  for (const next of [payload(5), payload(2, { encoder: 2 }), { ...payload(2), stamp: null }]) {
    const outlet = runningPictures();
    outlet.moved();
    assert.equal(pairs(outlet.payload(next, 0)), "");
    assert.equal(outlet.wantsKey, true);
  }
});

test("streams that nobody stamps are passed on as they come", () => {
  const outlet = runningPictures();
  const plain = (number, key) => ({ ...payload(number, { key }), stamp: null });
  assert.equal(pairs(outlet.payload(plain(7, true), 0)), "7@11");
  outlet.dummy(dummy(12), 0);
  assert.equal(pairs(outlet.payload(plain(8), 0)), "8@12");
});

test("dummies that run ahead without end are let go, with a key frame after", () => {
  const outlet = runningPictures();
  for (let number = 12; number < 20; number += 1) outlet.dummy(dummy(number), 0);
  assert.equal(outlet.wantsKey, true);
  assert.equal(pairs(outlet.payload(payload(2), 0)), "");
  assert.equal(pairs(outlet.payload(payload(3, { key: true }), 0)), "3@18");
});

test("a queue that does not get empty is left behind by a key frame", () => {
  const outlet = runningPictures();
  const asked = [];
  outlet.payload(payload(2), 0);
  outlet.payload(payload(3), 0);
  for (let number = 4, now = 0; now < 8000; number += 1, now += 40) {
    outlet.payload(payload(number, { key: outlet.wantsKey }), now);
    if (outlet.wantsKey) asked.push(now);
    outlet.dummy(dummy(number), now);
  }
  assert.deepEqual(asked, [440]);
});

test("our own pictures pass from a key frame on, each with the next number", () => {
  const outlet = new PicturePass({ encoder: 5, number: 0xffff });
  assert.deepEqual(outlet.dummy(dummy(1)), []);
  const [first] = outlet.dummy(dummy(2, { key: true }));
  const [second] = outlet.dummy(dummy(3));
  assert.deepEqual(stampOf(first.data), { encoder: 5, number: 0xffff });
  assert.deepEqual(stampOf(second.data), { encoder: 5, number: 0 });
});

test("a dummy that was painted before is not taken for our own picture", () => {
  const key = (width, height) => {
    const data = new Uint8Array([0, 0, 0, 0x9d, 1, 0x2a, width, 0, height, 0]);
    return { frame: `${width}x${height}`, data: () => data.buffer, time: 0, key: true };
  };
  const outlet = new PicturePass({ encoder: 5, number: 0 }, true);
  assert.deepEqual(outlet.dummy(key(32, 32)), []);
  assert.equal(outlet.wantsKey, true);
  assert.deepEqual(outlet.dummy(dummy(1)), []);
  const [written] = outlet.dummy(key(160, 90));
  assert.equal(written.frame, "160x90");
  assert.deepEqual(stampOf(written.data), { encoder: 5, number: 0 });
  assert.equal(new PicturePass({ encoder: 5, number: 0 }).dummy(key(32, 32)).length, 1);
});

test("our own sound passes as it is", () => {
  const outlet = new SoundPass();
  assert.deepEqual(octets(outlet.dummy(own(1, 9, 8, 7, 6), 0)), [[1, 9, 8, 7, 6]]);
  assert.deepEqual(octets(outlet.dummy(own(2), 20)), []);
});

test("of our own sound, too, what begins a pause is said twice, on a frame without data", () => {
  const outlet = new SoundPass();
  outlet.dummy(own(1, 9, 8, 7), 0);
  assert.deepEqual(octets(outlet.dummy(own(2, 9), 20)), [[2, 9]]);
  assert.deepEqual(octets(outlet.dummy(own(3), 40)), [[3, 9]]);
  assert.deepEqual(octets(outlet.dummy(own(4), 60)), []);
  assert.deepEqual(octets(outlet.dummy(own(5, 9, 8, 7), 80)), [[5, 9, 8, 7]]);
});
