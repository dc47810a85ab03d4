import assert from "node:assert/strict";
import { test } from "node:test";

import { isVisible, shownName, tails } from "../names.js";

const person = (id, name) => ({ id, name });

test("a name with nothing to see is shown as somebody", () => {
  for (const name of ["", " ", "\u200b", "\u202e\u2066", "\u3164", "\u0301"]) {
    assert.equal(shownName(name), "Somebody", JSON.stringify(name));
  }
  for (const name of ["Ana", "李", "😀", "+4930", "क्ष"]) assert.equal(shownName(name), name);
  assert.ok(!isVisible("\u200b"));
});

test("who bears a name alone needs nothing more", () => {
  assert.deepEqual(tails([person("web-1", "Ana"), person("web-2", "Ben")]), new Map());
});

test("those who look the same are told apart by their ids' ends", () => {
  const room = [
    person("sip-01b2", "phone"),
    person("web-77", "Ana"),
    person("sip-9f3c", "Phone"),
    person("web-5d", "ph\u200bone"),
  ];
  assert.deepEqual(
    tails(room),
    new Map([
      ["sip-01b2", "01b2"],
      ["sip-9f3c", "9f3c"],
      ["web-5d", "5d"],
    ]),
  );
});
