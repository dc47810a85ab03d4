import assert from "node:assert/strict";
import { test } from "node:test";

import { encodingOf } from "../layers.js";

const slot = (kind, width, height) => ({ kind, track: { getSettings: () => ({ width, height }) } });

test("the low layer is at most 320x180, either way round, and never made larger", () => {
  const scale = (width, height) => encodingOf(slot("low", width, height)).scaleResolutionDownBy;
  assert.equal(scale(640, 360), 2);
  assert.equal(scale(1280, 720), 4);
  assert.equal(scale(640, 480), 480 / 180);
  assert.equal(scale(360, 640), 2);
  assert.equal(scale(160, 90), 1);
  assert.equal(scale(undefined, undefined), 1);
});

test("a relay that encodes the low layer anew does not make it smaller still", () => {
  const { scaleResolutionDownBy, maxBitrate } = encodingOf(slot("low", 1280, 720), false);
  assert.deepEqual([scaleResolutionDownBy, maxBitrate], [1, 150_000]);
});

test("what is shown large is sent in full, and sound as the browser likes", () => {
  for (const kind of ["high", "screen"]) {
    assert.equal(encodingOf(slot(kind, 1280, 720)).scaleResolutionDownBy, 1);
  }
  assert.equal(encodingOf(slot("audio")), null);
});
