import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "../control.js";

test("levels go as whole dB below the loudest", () => {
  const text = encode({ type: "levels", levels: { ana: 1, ben: 0.1, cid: 0, dora: 2 } });
  assert.deepEqual(JSON.parse(text).levels, { ana: 0, ben: 20, cid: 127, dora: 0 });
  const { ana, ben, cid } = decode(text).levels;
  assert.equal(ana, 1);
  assert.ok(Math.abs(ben - 0.1) < 1e-9);
  assert.equal(cid, 0);
});

test("what is no level is passed over", () => {
  const levels = { ana: 20, ben: -1, cid: "loud", dora: 128, eve: 1.5 };
  const told = decode(JSON.stringify({ type: "levels", levels })).levels;
  assert.deepEqual(Object.keys(told), ["ana"]);
  for (const bad of ["", "{", "null", "[]", '{"type":"x"}', '{"type":"levels"}', new ArrayBuffer(2)]) {
    assert.equal(decode(bad), null);
  }
  assert.deepEqual(decode('{"type":"levels","levels":null}').levels, {});
});

test("a parent is asked, and asked no more, for one stream", () => {
  const track = { source: "ana", kind: "high" };
  for (const type of ["adopt", "release"]) {
    const text = encode({ type, track });
    assert.deepEqual(JSON.parse(text), { type, ...track });
    assert.deepEqual(decode(text), { type, track });
  }
  for (const bad of ['{"type":"adopt"}', '{"type":"adopt","source":1,"kind":"audio"}']) {
    assert.equal(decode(bad), null);
  }
  assert.equal(decode('{"type":"release","source":"ana","kind":"smell"}'), null);
});

test("a sign of life is one, and a farewell", () => {
  for (const type of ["alive", "bye"]) assert.deepEqual(decode(encode({ type })), { type });
});
