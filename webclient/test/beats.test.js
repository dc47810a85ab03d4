import assert from "node:assert/strict";
import { test } from "node:test";

import { Beats } from "../beats.js";

test("who is sent nothing gets a sign of life about every 50 ms", () => {
  const beats = new Beats();
  beats.serve([["ben", []]]);
  const due = [];
  for (let now = 0; now < 500; now += 25) if (beats.due(now).length > 0) due.push(now);
  assert.deepEqual(due, [0, 50, 100, 150, 200, 250, 300, 350, 400, 450]);
});

test("frames are signs enough, and when they cease the signs begin", () => {
  const beats = new Beats();
  beats.serve([["ben", [7]], ["cleo", [8]]]);
  beats.due(0);
  const due = [];
  for (let now = 0; now < 200; now += 25) {
    if (now <= 100) beats.sent(7, now);
    beats.sent(8, now);
    beats.sent(99, now);
    for (const one of beats.due(now)) due.push([one, now]);
  }
  assert.deepEqual(due, [["ben", 150]]);
});

test("nobody is told once nobody depends on it", () => {
  const beats = new Beats();
  beats.serve([["ben", []]]);
  beats.serve([]);
  assert.equal(beats.serving, false);
  assert.deepEqual(beats.due(1_000), []);
});
