import assert from "node:assert/strict";
import { test } from "node:test";

import { changeOfRights, handsFirst, moderatorKey, whyNot } from "../rights.js";

/** @param {string} id @param {number} hand */
const person = (id, hand) => /** @type {any} */ ({ id, hand });

test("hands come first in the order in which they were raised", () => {
  const people = [person("a", 0), person("b", 2), person("c", 0), person("d", 1)];
  assert.deepEqual(
    handsFirst(people).map(({ id }) => id),
    ["d", "b", "a", "c"],
  );
});

test("the key is taken from behind the #, and only from there", () => {
  assert.equal(moderatorKey("#key=a%20long%2Bsecret"), "a long+secret");
  assert.equal(moderatorKey("#tab=1&key=k"), "k");
  assert.equal(moderatorKey("#key="), undefined);
  assert.equal(moderatorKey("#elsewhere"), undefined);
  assert.equal(moderatorKey(""), undefined);
});

test("who may not speak is told so, and how to ask", () => {
  assert.match(whyNot([], "audio") ?? "", /^Listening only: raise your hand/);
  assert.equal(whyNot(["audio"], "audio"), null);
  assert.match(whyNot(["audio"], "screen") ?? "", /screen/);
});

test("a change of rights is told by what matters most", () => {
  assert.match(changeOfRights([], ["audio", "video"]) ?? "", /have the word/);
  assert.match(changeOfRights(["audio", "video"], ["video"]) ?? "", /listening only/);
  assert.match(changeOfRights(["audio"], ["audio", "screen"]) ?? "", /more/);
  assert.match(changeOfRights(["audio", "screen"], ["audio"]) ?? "", /less/);
  assert.equal(changeOfRights(["audio"], ["audio"]), null);
});
