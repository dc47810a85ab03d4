import assert from "node:assert/strict";
import { test } from "node:test";

import { Faults, LOST } from "../faults.js";

/** Holds of one frame every 20 ms. */
const holds = (faults, from, to) =>
  Array.from({ length: (to - from) / 20 }, (_, index) => faults.hold(from + index * 20));

test("without a fault every frame goes at once", () => {
  assert.deepEqual(holds(new Faults(Math.random), 0, 100), [0, 0, 0, 0, 0]);
});

test("who is frozen sends nothing, and goes on when it is over", () => {
  const faults = new Faults(Math.random);
  faults.begin({ type: "fault", fault: "freeze", seconds: 0.1 }, 1000);
  assert.deepEqual([faults.frozen(1099), faults.frozen(1100)], [true, false]);
  assert.deepEqual(holds(faults, 1000, 1140), [LOST, LOST, LOST, LOST, LOST, 0, 0]);
});

test("a loss takes its part", () => {
  const numbers = [0.05, 0.1, 0.5, 0.09, 0.99];
  const faults = new Faults(() => numbers.shift());
  faults.begin({ type: "fault", fault: "loss", seconds: 1, ratio: 0.1 }, 0);
  assert.deepEqual(holds(faults, 0, 100), [LOST, 0, 0, LOST, 0]);
});

test("what is delayed keeps its order, also when the delay ends", () => {
  const faults = new Faults(Math.random);
  faults.begin({ type: "fault", fault: "delay", seconds: 0.1, ms: 60 }, 0);
  assert.deepEqual(holds(faults, 0, 200), [60, 60, 60, 60, 60, 40, 20, 0, 0, 0]);
});

test("a fault ends the one before", () => {
  const faults = new Faults(Math.random);
  faults.begin({ type: "fault", fault: "freeze", seconds: 100 }, 0);
  faults.begin({ type: "fault", fault: "delay", seconds: 1, ms: 5 }, 10);
  assert.equal(faults.hold(20), 5);
});
