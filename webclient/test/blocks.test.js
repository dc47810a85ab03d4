import assert from "node:assert/strict";
import { test } from "node:test";

import { Blocks } from "../blocks.js";
import { Hearing } from "../hearing.js";

const PEOPLE = /** @type {any[]} */ ([
  { id: "web-1", name: "Ana" },
  { id: "web-2", name: "Ben" },
]);

/** Blocks, and what they told the server. */
function begin() {
  const hearing = new Hearing({ getItem: () => null, setItem: () => {} });
  /** @type {[string, boolean][]} */
  const said = [];
  const blocks = new Blocks(hearing, (message) => said.push([message.participant, message.blocked]));
  return { hearing, said, blocks };
}

test("a block and its end are told once each", () => {
  const { hearing, said, blocks } = begin();
  blocks.update(PEOPLE);
  hearing.block("web-1", true);
  hearing.setVolume(PEOPLE[1], 0.5);
  blocks.update(PEOPLE);
  hearing.block("web-1", false);
  assert.deepEqual(said, [
    ["web-1", true],
    ["web-1", false],
  ]);
});

test("after a rejoin the server is told again, of those who are still here", () => {
  const { hearing, said, blocks } = begin();
  blocks.update(PEOPLE);
  hearing.block("web-1", true);
  hearing.block("web-2", true);
  said.length = 0;
  blocks.restart();
  hearing.setVolume(PEOPLE[0], 0.5);
  assert.deepEqual(said, []);
  blocks.update(PEOPLE.slice(1));
  assert.deepEqual(said, [["web-2", true]]);
});

test("of who left nothing is told: the block ended with them", () => {
  const { hearing, said, blocks } = begin();
  blocks.update(PEOPLE);
  hearing.block("web-1", true);
  blocks.update(PEOPLE.slice(1));
  assert.deepEqual(said.slice(1), []);
});

test("nothing is told after the end", () => {
  const { hearing, said, blocks } = begin();
  blocks.update(PEOPLE);
  blocks.end();
  hearing.block("web-1", true);
  assert.deepEqual(said, []);
});
