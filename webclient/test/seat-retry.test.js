import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { SeatRetry } from "../seat-retry.js";

/** With what it said, in order. */
function retry(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const said = [];
  const seat = new SeatRetry({ again: () => said.push("again"), over: () => said.push("over") });
  return { seat, said };
}

test("a seat that failed is tried again later and later, four times", (t) => {
  const { seat, said } = retry(t);
  for (const wait of [1_000, 2_000, 3_000, 4_000]) {
    seat.failed();
    mock.timers.tick(wait - 1);
    said.push(wait);
    mock.timers.tick(1);
  }
  assert.deepEqual(said, [1_000, "again", 2_000, "again", 3_000, "again", 4_000, "again"]);
  seat.failed();
  mock.timers.tick(100_000);
  assert.equal(said.at(-1), "over");
  assert.equal(seat.isOver, true);
});

test("one mishap that is told twice counts once", (t) => {
  const { seat, said } = retry(t);
  seat.failed();
  seat.failed();
  mock.timers.tick(1_000);
  assert.deepEqual(said, ["again"]);
});

test("a seat that was reached may fail as often again", (t) => {
  const { seat, said } = retry(t);
  seat.failed();
  mock.timers.tick(1_000);
  seat.stands();
  seat.failed();
  mock.timers.tick(1_000);
  assert.deepEqual(said, ["again", "again"]);
});

test("after a reset nothing is tried that failed before", (t) => {
  const { seat, said } = retry(t);
  seat.failed();
  seat.reset();
  mock.timers.tick(100_000);
  assert.deepEqual(said, []);
});
