import assert from "node:assert/strict";
import { test } from "node:test";

import { Hearing } from "../hearing.js";

const ANA = { id: "web-1", name: "Ana" };
const BEN = { id: "web-2", name: "Ben" };

/** A tab's storage. */
function memory() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value),
  };
}

test("a volume stays with the name, whoever bears it next", () => {
  const storage = memory();
  new Hearing(storage).setVolume(ANA, 0.3);
  const again = new Hearing(storage);
  assert.equal(again.volumeOf({ id: "web-9", name: "Ana" }), 0.3);
  assert.equal(again.volumeOf(BEN), 1);
});

test("no volume goes beyond what an element takes", () => {
  const hearing = new Hearing(memory());
  hearing.setVolume(ANA, 7);
  assert.equal(hearing.volumeOf(ANA), 1);
  hearing.setVolume(ANA, -1);
  assert.equal(hearing.volumeOf(ANA), 0);
});

test("a block is for one participant and ends when that one leaves", () => {
  const hearing = new Hearing(memory());
  hearing.block(ANA.id, true);
  hearing.block(BEN.id, true);
  hearing.keep([ANA]);
  assert.deepEqual([...hearing.blocked], [ANA.id]);
  hearing.block(ANA.id, false);
  assert.deepEqual([...hearing.blocked], []);
});

test("every change is told", () => {
  const hearing = new Hearing(memory());
  let changes = 0;
  hearing.addEventListener("change", () => (changes += 1));
  hearing.setVolume(ANA, 0.5);
  hearing.block(ANA.id, true);
  assert.equal(changes, 2);
});

test("a storage that is broken or closed costs only the memory", () => {
  for (const stored of ["{", "7", '[["Ana", "loud"], ["Ben"], 3, ["Cleo", 0.5]]']) {
    const hearing = new Hearing({ ...memory(), getItem: () => stored });
    assert.equal(hearing.volumeOf(ANA), 1);
  }
  const closed = {
    getItem: () => null,
    setItem: () => {
      throw new Error("no room");
    },
  };
  const hearing = new Hearing(closed);
  hearing.setVolume(ANA, 0.5);
  assert.equal(hearing.volumeOf(ANA), 0.5);
});
