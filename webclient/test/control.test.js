import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeLevels, encodeLevels } from "../control.js";

test("levels go as whole dB below the loudest", () => {
  const text = encodeLevels({ ana: 1, ben: 0.1, cid: 0, dora: 2 });
  assert.deepEqual(JSON.parse(text).levels, { ana: 0, ben: 20, cid: 127, dora: 0 });
  const { ana, ben, cid } = decodeLevels(text);
  assert.equal(ana, 1);
  assert.ok(Math.abs(ben - 0.1) < 1e-9);
  assert.equal(cid, 0);
});

test("what is no level is passed over", () => {
  const levels = { ana: 20, ben: -1, cid: "loud", dora: 128, eve: 1.5 };
  const told = decodeLevels(JSON.stringify({ type: "levels", levels }));
  assert.deepEqual(Object.keys(told), ["ana"]);
  for (const bad of ["", "{", "null", "[]", '{"type":"x"}', '{"type":"levels"}', new ArrayBuffer(2)]) {
    assert.equal(decodeLevels(bad), null);
  }
  assert.deepEqual(decodeLevels('{"type":"levels","levels":null}'), {});
});
