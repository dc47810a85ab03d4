import assert from "node:assert/strict";
import { test } from "node:test";

import { SoundOrder } from "../sound-order.js";

const sound = (sequence) => ({
  data: new ArrayBuffer(0),
  time: sequence * 960,
  key: false,
  stamp: null,
  sequence: sequence & 0xffff,
});

/** Takes packets that come every 20 ms, and says what went on with each: "1,2". */
function run(order, sequences, start = 0) {
  return sequences.map((sequence, i) =>
    order
      .take(sound(sequence), start + 20 * i)
      .map((payload) => payload.sequence)
      .join(),
  );
}

test("sound in order passes at once, past the end of its numbers", () => {
  assert.deepEqual(run(new SoundOrder(), [0xfffe, 0xffff, 0x10000]), ["65534", "65535", "0"]);
});

test("a packet that was sent again is waited for", () => {
  assert.deepEqual(run(new SoundOrder(), [1, 3, 4, 2, 5]), ["1", "", "", "2,3,4", "5"]);
});

test("what does not come in time is left out, and if it comes then, too", () => {
  const passed = run(new SoundOrder(), [1, 3, 4, 5, 6, 2, 7]);
  assert.deepEqual(passed, ["1", "", "", "", "3,4,5,6", "", "7"]);
});

test("of two that are missing each is waited for its own time", () => {
  const order = new SoundOrder();
  assert.deepEqual(run(order, [1, 3, 5, 6, 7]), ["1", "", "", "", "3"]);
  assert.deepEqual(run(order, [4], 85), ["4,5,6,7"]);
});

test("where nothing is sent again, nothing is held after some losses", () => {
  const order = new SoundOrder();
  for (const [i, first] of [1, 11, 21, 31].entries()) {
    run(order, [0, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => first + n), 1000 * i);
  }
  assert.deepEqual(run(order, [41, 43, 44], 4000), ["41", "43", "44"]);
});

test("after a while it is tried again, and one that comes restores the patience", () => {
  const order = new SoundOrder();
  for (const [i, first] of [1, 11, 21, 31].entries()) {
    run(order, [0, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => first + n), 1000 * i);
  }
  assert.deepEqual(run(order, [41, 43, 42, 44], 20_000), ["41", "", "42,43", "44"]);
  assert.deepEqual(run(order, [46, 47, 48, 49, 50], 21_000), ["", "", "", "46,47,48,49", "50"]);
  assert.deepEqual(run(order, [52, 51], 22_000), ["", "51,52"]);
});

test("a new stream begins at once, also with a number far behind", () => {
  const order = new SoundOrder();
  run(order, [5000, 5002]);
  assert.deepEqual(run(order, [300, 301], 40), ["300", "301"]);
});

test("where the browser tells no number all passes as it comes", () => {
  const order = new SoundOrder();
  const plain = { ...sound(1), sequence: null };
  assert.deepEqual(order.take(plain, 0), [plain]);
  assert.deepEqual(order.take(plain, 0), [plain]);
});
