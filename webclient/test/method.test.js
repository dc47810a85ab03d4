import assert from "node:assert/strict";
import { test } from "node:test";

import { LinkWatch, method } from "../method.js";

test("payloads are exchanged where all allows it", () => {
  const all = { canSwap: true, dummies: true, slow: false };
  assert.equal(method(all), "swap");
  assert.equal(method({ ...all, canSwap: false }), "reforward");
  assert.equal(method({ ...all, dummies: false }), "reforward");
  assert.equal(method({ ...all, slow: true }), "reforward");
});

/** Estimates every two seconds; gives when `slow` changed. */
function changes(watch, available, needed, from, to) {
  const seen = [];
  for (let now = from; now <= to; now += 2000) {
    const before = watch.slow;
    watch.estimate(available, needed, now);
    if (watch.slow !== before) seen.push(now);
  }
  return seen;
}

test("a link is slow after some seconds of it, and fast again after more", () => {
  const watch = new LinkWatch();
  assert.deepEqual(changes(watch, 500_000, 800_000, 0, 10_000), [4000]);
  assert.deepEqual(changes(watch, 1_000_000, 800_000, 12_000, 60_000), []);
  assert.deepEqual(changes(watch, 2_000_000, 800_000, 62_000, 90_000), [78_000]);
});

test("an estimate that dips changes nothing", () => {
  const watch = new LinkWatch();
  for (const [now, available] of [500, 500, 900, 500, 500].entries()) {
    watch.estimate(available, 800, now * 2000);
  }
  assert.equal(watch.slow, false);
});
