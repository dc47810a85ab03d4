import assert from "node:assert/strict";
import { test } from "node:test";

import { PathWatch, noPathText } from "../path-watch.js";

const IMPOLITE = false;
const POLITE = true;

/** Lets time pass; gives what was to be done, and when. */
function until(watch, end) {
  const done = [];
  for (let at = watch.nextTimeout(); at !== null && at <= end; at = watch.nextTimeout()) {
    watch.handleTimeout(at);
    for (const what of watch.drain()) done.push([what, at]);
  }
  return done;
}

function connected(polite, now = 0) {
  const watch = new PathWatch(polite, 0);
  watch.stateChanged("connecting", 0);
  watch.stateChanged("connected", now);
  return watch;
}

test("a connection that stands needs nothing", () => {
  assert.equal(connected(IMPOLITE, 500).nextTimeout(), null);
});

test("who never gets a connection is told, once, and another way is tried at every failure", () => {
  const watch = new PathWatch(IMPOLITE, 0);
  watch.stateChanged("connecting", 100);
  assert.deepEqual(until(watch, 15_000), [["trouble", 10_000]]);
  assert.equal(watch.lost, false);
  watch.stateChanged("failed", 16_000);
  assert.deepEqual(until(watch, 16_000), [["restart", 16_000]]);
  watch.stateChanged("connecting", 16_100);
  assert.deepEqual(until(watch, 40_000), [["unreachable", 20_000]]);
  watch.stateChanged("failed", 41_000);
  assert.deepEqual(until(watch, 43_500), [["restart", 43_000]]);
});

test("checks that stay unanswered for some seconds ask for another way", () => {
  const watch = connected(IMPOLITE);
  watch.stateChanged("disconnected", 1000);
  assert.deepEqual(until(watch, 2999), []);
  assert.deepEqual(until(watch, 3000), [["restart", 3000]]);
  watch.stateChanged("connecting", 3100);
  watch.stateChanged("connected", 3200);
  assert.equal(watch.nextTimeout(), null);
});

test("a path that comes back by itself is left alone", () => {
  const watch = connected(IMPOLITE);
  watch.stateChanged("disconnected", 1000);
  watch.stateChanged("connected", 2500);
  assert.deepEqual(until(watch, 60_000), []);
});

test("of two that see the same, the polite one waits for the other's restart", () => {
  const [ana, ben] = [connected(IMPOLITE), connected(POLITE)];
  for (const watch of [ana, ben]) watch.stateChanged("failed", 1000);
  assert.deepEqual(until(ana, 1000), [["restart", 1000]]);
  ben.stateChanged("connecting", 1200);
  assert.deepEqual(until(ben, 9000), []);
});

test("a restart without an answer is tried again, at growing distances", () => {
  const watch = connected(IMPOLITE);
  watch.stateChanged("failed", 0);
  const restarts = until(watch, 300_000).filter(([what]) => what === "restart");
  const times = restarts.map(([, at]) => at / 1000);
  assert.deepEqual(times.slice(0, 8), [0, 2, 6, 14, 30, 62, 94, 126]);
});

test("another network asks for another way at once, and forgets earlier failures", () => {
  const watch = connected(IMPOLITE);
  watch.networkChanged(1000);
  assert.deepEqual(watch.drain(), ["restart"]);
  assert.equal(watch.nextTimeout(), null);
  watch.stateChanged("failed", 2000);
  until(watch, 40_000);
  watch.networkChanged(40_500);
  assert.deepEqual(watch.drain(), ["restart"]);
  assert.deepEqual(until(watch, 42_500), [["restart", 42_500]]);
});

test("a connection that has not begun has nothing to restart", () => {
  const watch = new PathWatch(IMPOLITE, 0);
  watch.networkChanged(10);
  assert.deepEqual(watch.drain(), []);
});

test("new servers are tried at once, but not by who is connected", () => {
  const watch = new PathWatch(IMPOLITE, 0);
  watch.serversChanged(10);
  assert.deepEqual(watch.drain(), ["restart"]);
  watch.stateChanged("connected", 20);
  watch.serversChanged(30);
  assert.deepEqual(watch.drain(), []);
});

test("who had no address to offer tries again after being told", () => {
  const watch = new PathWatch(IMPOLITE, 0);
  assert.deepEqual(until(watch, 16_000), [
    ["trouble", 10_000],
    ["restart", 10_000],
    ["restart", 12_000],
    ["restart", 16_000],
  ]);
});

test("whoever loses the connection again is told again", () => {
  const watch = connected(IMPOLITE);
  watch.stateChanged("disconnected", 0);
  watch.stateChanged("connecting", 2000);
  assert.ok(until(watch, 10_000).some(([what, at]) => what === "trouble" && at === 10_000));
  assert.equal(watch.lost, true);
  watch.stateChanged("connected", 12_000);
  watch.stateChanged("disconnected", 20_000);
  watch.stateChanged("connecting", 22_000);
  assert.deepEqual(until(watch, 60_000), [
    ["trouble", 30_000],
    ["unreachable", 40_000],
  ]);
});

test("the text says who cannot be reached, and what would help", () => {
  const turn = [{ urls: "stun:s" }, { urls: ["turns:t"], username: "a", credential: "b" }];
  assert.match(noPathText("Ben", false, [{ urls: "stun:s" }]), /path to Ben .*set up a TURN server/);
  assert.match(noPathText("Ben", false, turn), /path to Ben .*TURN server did not help/);
  assert.match(noPathText("Ben", true, turn), /connection with Ben was lost/);
  assert.match(noPathText(null, false, []), /phones and XMPP are not heard/);
});
