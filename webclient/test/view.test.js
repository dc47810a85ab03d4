import assert from "node:assert/strict";
import { test } from "node:test";

import { View } from "../view.js";

const camera = (source, width = 640, inView = true) => ({
  source,
  picture: "camera",
  inView,
  width,
});
const screen = (source) => ({ source, picture: "screen", inView: true, width: 900 });

test("what is in view is told, each in the layer that fits its size", () => {
  const places = [camera("a"), camera("b", 320), camera("c", 640, false), screen("a")];
  const shows = { a: ["high", "screen"], b: ["low"] };
  assert.deepEqual(new View().look(places, true, 0), { tell: shows, again: null });
});

test("a page that is not visible shows nobody", () => {
  const view = new View();
  view.look([camera("a")], true, 0);
  assert.deepEqual(view.look([camera("a")], false, 1000).tell, {});
});

test("who is alone says so, or would be sent all; whom all have left says so, too", () => {
  const view = new View();
  assert.deepEqual(view.look([], true, 0).tell, {});
  assert.deepEqual(view.look([camera("a")], true, 1000).tell, { a: ["high"] });
  assert.deepEqual(view.look([], true, 2000).tell, {});
});

test("the same pictures are not told again, in whatever order", () => {
  const view = new View();
  view.look([camera("a"), camera("b")], true, 0);
  const again = view.look([camera("b"), camera("a")], true, 9000);
  assert.deepEqual(again, { tell: null, again: null });
});

test("what goes out of view is told after a while, and not if it is back by then", () => {
  const view = new View();
  view.look([camera("a"), camera("b")], true, 0);
  const gone = [camera("a"), camera("b", 640, false)];
  assert.deepEqual(view.look(gone, true, 100), { tell: null, again: 200 });
  assert.deepEqual(view.look([camera("a"), camera("b")], true, 200), { tell: null, again: null });
  assert.deepEqual(view.look(gone, true, 300).tell, { a: ["high"] });
});

test("what comes into view is told soon, with all that has waited", () => {
  const view = new View();
  view.look([camera("a"), camera("b")], true, 0);
  const places = [camera("a", 640, false), camera("b"), camera("c")];
  assert.deepEqual(view.look(places, true, 100), { tell: null, again: 150 });
  assert.deepEqual(view.look(places, true, 250).tell, { b: ["high"], c: ["high"] });
});

test("a screen beside a camera is told sooner than another layer", () => {
  const view = new View();
  view.look([camera("a", 200)], true, 0);
  assert.deepEqual(view.look([camera("a", 900)], true, 60), { tell: null, again: 240 });
  const both = [camera("a", 900), screen("a")];
  assert.deepEqual(view.look(both, true, 250).tell, { a: ["high", "screen"] });
});

test("much that comes into view one after the other is told in few messages", () => {
  const view = new View();
  let told = 0;
  for (let now = 0; now < 1000; now += 10) {
    const places = Array.from({ length: 1 + now / 10 }, (_, i) => camera(`p${i}`));
    if (view.look(places, true, now).tell !== null) told += 1;
  }
  assert.equal(told, 4);
});

test("a tile near the limit keeps its layer", () => {
  const view = new View();
  const layer = (width, now) => view.look([camera("a", width)], true, now).tell?.a[0] ?? "as before";
  const seen = [300, 330, 340, 325, 300, 280].map((width, i) => layer(width, 1000 * i));
  assert.deepEqual(seen, ["low", "as before", "high", "as before", "as before", "low"]);
});
