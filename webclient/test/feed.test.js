import assert from "node:assert/strict";
import { test } from "node:test";

import { Feed } from "../feed.js";

const picture = (number, key = false, encoder = 1) => ({
  data: new ArrayBuffer(0),
  time: number * 3000,
  key,
  stamp: { encoder, number: number & 0xffff },
  sequence: null,
});
const sound = (sequence) => ({ ...picture(sequence), stamp: null, sequence: sequence & 0xffff });
const numbers = (payloads) => payloads.map(({ stamp, sequence }) => sequence ?? stamp.number);

test("frames in order pass at once, past the end of their numbers", () => {
  const feed = new Feed("video");
  const passed = [0xfffe, 0xffff, 0x10000].flatMap((n) => feed.take(picture(n, n === 0xfffe), n));
  assert.deepEqual(numbers(passed), [0xfffe, 0xffff, 0]);
});

test("a frame that was sent again is waited for", () => {
  const feed = new Feed("video");
  feed.take(picture(1, true), 0);
  assert.deepEqual(feed.take(picture(4), 40), []);
  assert.deepEqual(feed.take(picture(3), 50), []);
  assert.deepEqual(numbers(feed.take(picture(2), 60)), [2, 3, 4]);
  assert.deepEqual(numbers(feed.take(picture(5), 80)), [5]);
});

test("what does not come in time is left out, in order", () => {
  const feed = new Feed("video");
  feed.take(picture(1, true), 0);
  feed.take(picture(3), 40);
  feed.take(picture(4), 80);
  assert.deepEqual(numbers(feed.take(picture(5), 240)), [3, 4, 5]);
  assert.deepEqual(feed.take(picture(2), 250), []);
});

test("a key frame begins anew, whatever was waited for", () => {
  const feed = new Feed("video");
  feed.take(picture(1, true), 0);
  feed.take(picture(3), 40);
  assert.deepEqual(numbers(feed.take(picture(5, true), 50)), [5]);
  assert.deepEqual(feed.take(picture(3), 60), []);
  assert.deepEqual(numbers(feed.take(picture(6), 80)), [6]);
});

test("frames of another encoder, and such without stamps, pass as they come", () => {
  const feed = new Feed("video");
  feed.take(picture(1, true), 0);
  assert.deepEqual(numbers(feed.take(picture(9, false, 2), 40)), [9]);
  assert.equal(feed.take({ ...picture(0), stamp: null }, 80).length, 1);
});

test("sound waits only for what may be sent again", () => {
  const feed = new Feed("audio");
  const passed = [0xffff, 0x10001, 0x10000, 0x10001, 0x10002].flatMap((n) => feed.take(sound(n), 0));
  assert.deepEqual(numbers(passed), [0xffff, 0, 1, 2]);
});

test("a key frame is asked for at most so often, and for sound never", () => {
  const feed = new Feed("video");
  assert.deepEqual(
    [0, 100, 299, 300, 599, 600].filter((now) => feed.wantsKeyFrame(now)),
    [0, 300, 600],
  );
  assert.equal(new Feed("audio").wantsKeyFrame(0), false);
});
