import assert from "node:assert/strict";
import { test } from "node:test";

import { spareSlots, spareTracks, withSpares } from "../spares.js";

test("there is a place for our sound and for one picture, whatever its size", () => {
  const own = { audio: "mic", low: "cam", high: "cam", screen: "desk" };
  assert.deepEqual(spareSlots("me", own), [
    { source: "me", kind: "audio", track: "mic", held: true, spare: true },
    { source: "me", kind: "high", track: "cam", held: true, spare: true },
  ]);
  assert.deepEqual(spareSlots("me", {}), []);
});

test("there is a place for what a neighbour publishes", () => {
  const people = [
    { id: "her", publishes: ["audio", "screen"] },
    { id: "him", publishes: ["audio", "video"] },
  ];
  assert.deepEqual(spareTracks("her", people), [{ source: "her", kind: "audio" }]);
  assert.deepEqual(
    spareTracks("him", people).map(({ kind }) => kind),
    ["audio", "high"],
  );
  assert.deepEqual(spareTracks("who has left", people), []);
});

test("what has a place of its own needs no spare one, whatever its size", () => {
  const needed = [
    { source: "me", kind: "low" },
    { source: "her", kind: "audio" },
  ];
  const spares = [
    { source: "me", kind: "audio" },
    { source: "me", kind: "high" },
  ];
  assert.deepEqual(withSpares(needed, spares), [...needed, { source: "me", kind: "audio" }]);
});
