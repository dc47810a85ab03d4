import assert from "node:assert/strict";
import { test } from "node:test";

import { SoundPass, SoundSwap } from "../sound-outlets.js";
import { PACKET, dummy, pairs, payload } from "./frames.js";

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
