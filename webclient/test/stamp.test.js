import assert from "node:assert/strict";
import { test } from "node:test";

import { framesBetween, nextStamp, stampOf, stamped } from "../stamp.js";

const bytes = (...octets) => new Uint8Array(octets).buffer;

test("a stamp stands behind the frame, which stays as it is", () => {
  const frame = bytes(1, 2, 3);
  const data = stamped(frame, { encoder: 0xfffe, number: 7 });
  assert.deepEqual(stampOf(data), { encoder: 0xfffe, number: 7 });
  assert.deepEqual(new Uint8Array(data).slice(0, 3), new Uint8Array(frame));
  assert.equal(frame.byteLength, 3);
});

test("a frame without a stamp has none, however short", () => {
  assert.equal(stampOf(bytes()), null);
  assert.equal(stampOf(bytes(1, 2, 3, 4, 5, 6, 7, 8)), null);
});

test("numbers wrap, and encoders are not compared", () => {
  const last = { encoder: 1, number: 0xffff };
  assert.deepEqual(nextStamp(last), { encoder: 1, number: 0 });
  assert.equal(framesBetween(last, { encoder: 1, number: 1 }), 2);
  assert.equal(framesBetween({ encoder: 1, number: 1 }, last), -2);
  assert.equal(framesBetween(last, { encoder: 2, number: 0 }), null);
  assert.equal(framesBetween(null, last), null);
});
