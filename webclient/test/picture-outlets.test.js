import assert from "node:assert/strict";
import { test } from "node:test";

import { PicturePass, PictureSwap } from "../picture-outlets.js";
import { stampOf } from "../stamp.js";
import { dummy, pairs, payload } from "./frames.js";

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
