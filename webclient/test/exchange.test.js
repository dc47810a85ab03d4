import assert from "node:assert/strict";
import { test } from "node:test";

import { Exchange } from "../exchange.js";

const payload = (number, key = false) => ({
  data: new ArrayBuffer(10),
  time: number,
  key,
  stamp: { encoder: 1, number },
  sequence: null,
});
const dummy = (frame, key = false) => ({ frame, data: () => new ArrayBuffer(1), time: 0, key });
const FEED = 1;
const CHILD = 2;
const OTHER = 3;
const carries = (feed, painted = false) => ({ feed, painted });

function relay() {
  const exchange = new Exchange(() => 7);
  exchange.addFeed(FEED, "video");
  exchange.addOutlet(CHILD, "video");
  return exchange;
}

test("a feed goes out on every outlet that was told to carry it", () => {
  const exchange = relay();
  exchange.addOutlet(OTHER, "video");
  for (const outlet of [CHILD, OTHER]) {
    exchange.order(outlet, carries(FEED), 0);
    exchange.dummy(outlet, dummy(`for ${outlet}`, true), 0);
  }
  exchange.payload(FEED, payload(1, true), 0);
  const { write } = exchange.drain();
  assert.deepEqual(
    write.map(({ outlet, frame }) => [outlet, frame]),
    [
      [CHILD, "for 2"],
      [OTHER, "for 3"],
    ],
  );
  assert.notEqual(write[0].data, write[1].data);
  assert.deepEqual(exchange.counts(), {
    outlets: { [CHILD]: 1, [OTHER]: 1 },
    feeds: { [FEED]: { asked: 1, octets: 10 } },
  });
});

test("an order may come before its outlet", () => {
  const exchange = new Exchange(() => 7);
  exchange.order(CHILD, carries(FEED), 0);
  exchange.addFeed(FEED, "video");
  exchange.addOutlet(CHILD, "video");
  exchange.dummy(CHILD, dummy("d", true), 0);
  exchange.payload(FEED, payload(1, true), 0);
  assert.deepEqual(
    exchange.drain().write.map(({ frame }) => frame),
    ["d"],
  );
});

test("a new child's key frame is asked for, and again until it comes", () => {
  const exchange = relay();
  exchange.order(CHILD, carries(FEED), 0);
  assert.deepEqual(exchange.drain().askFeed, [FEED]);
  exchange.payload(FEED, payload(1), 100);
  assert.deepEqual(exchange.drain().askFeed, []);
  exchange.payload(FEED, payload(2), 400);
  assert.deepEqual(exchange.drain().askFeed, [FEED]);
  exchange.payload(FEED, payload(3, true), 800);
  exchange.payload(FEED, payload(4), 1200);
  assert.deepEqual(exchange.drain().askFeed, []);
});

test("children that join together cost one key frame", () => {
  const exchange = relay();
  exchange.addOutlet(OTHER, "video");
  exchange.order(CHILD, carries(FEED), 0);
  exchange.order(OTHER, carries(FEED), 10);
  assert.deepEqual(exchange.drain().askFeed, [FEED]);
});

test("what we encode anew begins with a key frame of our own encoder", () => {
  const exchange = relay();
  exchange.order(CHILD, carries(FEED), 0);
  exchange.order(CHILD, carries(null), 0);
  const { askOwn } = exchange.drain();
  assert.deepEqual(askOwn, [CHILD]);
  exchange.dummy(CHILD, dummy("late dummy"), 10);
  exchange.dummy(CHILD, dummy("key", true), 20);
  exchange.payload(FEED, payload(1, true), 30);
  assert.deepEqual(
    exchange.drain().write.map(({ frame }) => frame),
    ["key"],
  );
});

test("dummies are painted as they are needed", () => {
  const exchange = relay();
  exchange.order(CHILD, carries(FEED, true), 0);
  assert.deepEqual(exchange.drain().paint, [CHILD]);
  exchange.dummy(CHILD, dummy("one", true), 1);
  assert.deepEqual(exchange.drain().paint, [CHILD]);
  exchange.dummy(CHILD, dummy("two"), 2);
  assert.deepEqual(exchange.drain().paint, []);
  exchange.payload(FEED, payload(1, true), 3);
  assert.deepEqual(exchange.drain().paint, [CHILD]);
});

test("a payload of another codec than the dummies', or of one that does not allow it, is unfit", () => {
  for (const [theirs, ours, unfit] of [
    ["video/VP8", "video/vp8", []],
    ["video/VP8", "video/H264", [CHILD]],
    ["video/VP9", "video/VP9", [CHILD]],
  ]) {
    const exchange = relay();
    exchange.order(CHILD, carries(FEED), 0);
    exchange.codec("feed", FEED, theirs);
    exchange.codec("outlet", CHILD, ours);
    assert.deepEqual(exchange.drain().unfit, unfit);
  }
});

test("only a feed that goes out is to be copied", () => {
  const exchange = relay();
  assert.equal(exchange.listened(FEED), false);
  assert.equal(exchange.isOwn(CHILD), true);
  exchange.order(CHILD, carries(FEED), 0);
  assert.equal(exchange.listened(FEED), true);
  assert.equal(exchange.isOwn(CHILD), false);
  exchange.remove(CHILD);
  assert.equal(exchange.listened(FEED), false);
});
