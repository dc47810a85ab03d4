import assert from "node:assert/strict";
import { test } from "node:test";

import { Soon } from "../soon.js";

/** Until what was posted before has been taken. */
function posted() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}

test("what is asked for often is done once, later, and again when asked for again", async () => {
  let done = 0;
  const soon = new Soon(() => (done += 1));
  soon.ask();
  soon.ask();
  assert.equal(done, 0);
  await posted();
  assert.equal(done, 1);
  soon.ask();
  await posted();
  assert.equal(done, 2);
  soon.end();
});

test("it can be done at once, if it is due, and is not done twice then", async () => {
  let done = 0;
  const soon = new Soon(() => (done += 1));
  soon.flush();
  assert.equal(done, 0);
  soon.ask();
  soon.flush();
  assert.equal(done, 1);
  await posted();
  assert.equal(done, 1);
  soon.end();
});

test("what has been done otherwise is not due any more", async () => {
  let done = 0;
  const soon = new Soon(() => (done += 1));
  soon.ask();
  soon.cancel();
  await posted();
  assert.equal(done, 0);
  soon.ask();
  await posted();
  assert.equal(done, 1);
  soon.end();
});

test("after the end nothing is done", async () => {
  let done = 0;
  const soon = new Soon(() => (done += 1));
  soon.ask();
  soon.end();
  await posted();
  soon.flush();
  assert.equal(done, 0);
});
