import assert from "node:assert/strict";
import { test } from "node:test";

import { keyFrameSize } from "../vp8.js";

// 320x180, with bits of scaling above the height.
const KEY = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x40, 0xff];
const data = (octets) => new Uint8Array(octets).buffer;

test("a key frame tells its size", () => {
  assert.deepEqual(keyFrameSize(data(KEY)), { width: 320, height: 180 });
});

test("no other frame does", () => {
  assert.equal(keyFrameSize(data([0x11, ...KEY.slice(1)])), null);
  assert.equal(keyFrameSize(data([...KEY.slice(0, 3), 0, ...KEY.slice(4)])), null);
  assert.equal(keyFrameSize(data(KEY.slice(0, 9))), null);
  assert.equal(keyFrameSize(data([])), null);
});
