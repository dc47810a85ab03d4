import assert from "node:assert/strict";
import { test } from "node:test";

import { Waiting } from "../waiting.js";

/** One that waits, and what it has let go. */
function waiting(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gone = [];
  return { gone, one: new Waiting(true, (slots) => gone.push([...slots])) };
}

test("what waits is laid on the offer, and goes when that is taken", (t) => {
  const { gone, one } = waiting(t);
  assert.ok(one.hold(["a"]));
  assert.ok(one.hold(["a", "b"]));
  assert.deepEqual(one.comes(), ["a", "b"]);
  t.mock.timers.tick(60_000);
  assert.ok(one.hold(["b", "c"]), "while the offer is being taken");
  assert.deepEqual(gone, []);
  one.taken();
  assert.deepEqual(gone, [["b", "c"]]);
  assert.equal(one.hold(["d"]), false);
  assert.equal(one.comes(), null, "a later offer");
  one.taken();
  t.mock.timers.tick(60_000);
  assert.equal(gone.length, 1);
});

test("where no offer comes it goes without, the newest of it", (t) => {
  const { gone, one } = waiting(t);
  one.hold(["a"]);
  t.mock.timers.tick(1_900);
  one.hold(["a", "b"]);
  assert.deepEqual(gone, []);
  t.mock.timers.tick(200);
  assert.deepEqual(gone, [["a", "b"]]);
  assert.equal(one.hold(["a"]), false);
  assert.equal(one.comes(), null);
  one.taken();
  assert.equal(gone.length, 1);
});

test("who has nothing to send waits as long as it takes", (t) => {
  const { gone, one } = waiting(t);
  assert.ok(one.hold([]));
  t.mock.timers.tick(60_000);
  assert.deepEqual(gone, []);
  assert.ok(one.hold(["a"]));
});

test("a candidate that is dealt with is not the offer", (t) => {
  const { gone, one } = waiting(t);
  one.hold(["a"]);
  one.taken();
  assert.deepEqual(gone, []);
});

test("nothing goes after the end", (t) => {
  const { gone, one } = waiting(t);
  one.hold(["a"]);
  one.close();
  t.mock.timers.tick(60_000);
  assert.deepEqual(gone, []);
});

test("who makes the first offer waits for nothing", () => {
  const one = new Waiting(false, assert.fail);
  assert.equal(one.hold(["a"]), false);
});
