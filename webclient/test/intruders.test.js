import assert from "node:assert/strict";
import { test } from "node:test";

import { Intruders } from "../intruders.js";

/** A receiver on which so many octets have come in all. */
class Receiver {
  octets = 0;
  async getStats() {
    return new Map([
      ["a", { type: "inbound-rtp", bytesReceived: this.octets }],
      ["b", { type: "transport", bytesReceived: 99 * this.octets }],
    ]);
  }
}

/** @param {number} octets @returns {any} */
const receiver = (octets = 0) => Object.assign(new Receiver(), { octets });

/** @param {Intruders} intruders @param {any} one @param {number} more @param {boolean} expected */
async function look(intruders, one, more, expected = false) {
  one.octets += more;
  const found = await intruders.look(expected ? [] : [one], expected ? [one] : []);
  return found.length === 1;
}

test("who sends on in two looks in a row is found", async () => {
  const [intruders, rogue] = [new Intruders(), receiver(5000)];
  assert.equal(await look(intruders, rogue, 100), false);
  assert.equal(await look(intruders, rogue, 100), false);
  assert.equal(await look(intruders, rogue, 100), true);
});

test("what was on its way when the edge ended is no intruder", async () => {
  const [intruders, honest] = [new Intruders(), receiver(5000)];
  await look(intruders, honest, 100);
  await look(intruders, honest, 100);
  assert.equal(await look(intruders, honest, 0), false);
  assert.equal(await look(intruders, honest, 100), false);
  assert.equal(await look(intruders, honest, 0), false);
});

test("an edge that came back begins anew", async () => {
  const [intruders, honest] = [new Intruders(), receiver()];
  await look(intruders, honest, 100);
  await look(intruders, honest, 100);
  await look(intruders, honest, 100, true);
  assert.equal(await look(intruders, honest, 100), false);
  assert.equal(await look(intruders, honest, 100), false);
});
