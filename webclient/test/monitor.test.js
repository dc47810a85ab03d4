import assert from "node:assert/strict";
import { test } from "node:test";

import { circle } from "../monitor/circle.js";
import { EventReader } from "../monitor/events.js";
import { bitrateText, edgeText, healthOf, lossText, rootOf, summary } from "../monitor/health.js";
import { tidyTree } from "../monitor/tidytree.js";
import { KEEP, Timeline, edgesOf, pairOf } from "../monitor/timeline.js";

const person = (id, kind = "web") => ({ id, kind, name: id.toUpperCase() });
const edge = (source, parent, child, more = {}) => ({
  ...{ kind: "audio", source, parent, child, state: "live" },
  ...more,
});
const keyOf = (one) =>
  "source" in one
    ? ["edge", one.kind, one.source, one.parent, one.child]
    : ["participant", one.id];
const change = (at, entry) => ({ at, key: keyOf(entry), entry });
const gone = (at, entry) => ({ at, key: keyOf(entry), entry: null });

/** A binary tree of so many nodes: n0 is the root. */
const binary = (size, source = "n0") =>
  Array.from({ length: size - 1 }, (_, index) => edge(source, `n${index >> 1}`, `n${index + 1}`));

test("the timeline tells how it was at every time", () => {
  const timeline = new Timeline();
  timeline.restart([], 100);
  timeline.add([change(101, person("a")), change(102, person("b"))], 102);
  timeline.add([change(103, edge("a", "a", "b")), gone(105, person("b"))], 110);
  timeline.add([gone(105, edge("a", "a", "b"))], 111);
  assert.deepEqual([...timeline.latest().participants.keys()], ["a"]);
  assert.deepEqual(timeline.latest().edges, []);
  const then = timeline.at(104);
  assert.deepEqual([...then.participants.keys()], ["a", "b"]);
  assert.equal(then.edges.length, 1);
  assert.deepEqual([...timeline.at(101.5).participants.keys()], ["a"]);
  assert.equal(timeline.at(0).participants.size, 0);
  assert.deepEqual([timeline.since, timeline.now], [100, 111]);
});

test("the timeline forgets what is older than ten minutes, but not what it led to", () => {
  const timeline = new Timeline();
  timeline.restart([{ key: ["participant", "z"], entry: person("z") }], 0);
  timeline.add([change(1, person("a")), change(2, person("b"))], 2);
  timeline.add([gone(KEEP + 1.5, person("a"))], KEEP + 1.5);
  assert.equal(timeline.since, 1);
  assert.deepEqual([...timeline.at(1).participants.keys()], ["z", "a"]);
  assert.deepEqual([...timeline.latest().participants.keys()], ["z", "b"]);
});

test("of two neighbours' round trips the longer one counts, whoever tells it", () => {
  const timeline = new Timeline();
  timeline.restart([], 0);
  const link = (from, to, trip) => ({
    ...{ at: 1, key: ["link", from, to] },
    entry: { from, to, round_trip_ms: trip },
  });
  timeline.add([link("a", "b", 12), link("b", "a", 30)], 1);
  assert.equal(timeline.latest().trips.get(pairOf("b", "a")), 30);
});

test("edges are chosen by source and kind", () => {
  const edges = [edge("a", "a", "b"), edge("a", "a", "b", { kind: "high" }), edge("b", "b", "a")];
  assert.equal(edgesOf(edges, { source: null, kind: null }).length, 3);
  assert.equal(edgesOf(edges, { source: "a", kind: null }).length, 2);
  assert.equal(edgesOf(edges, { source: null, kind: "audio" }).length, 2);
});

test("a tree of a hundred has a row for each leaf, and nobody in another's place", () => {
  const layout = tidyTree("n0", binary(100));
  assert.equal(layout.nodes.length, 100);
  assert.equal(layout.rows, 50);
  assert.equal(layout.columns, 7);
  const places = new Set(layout.nodes.map(({ column, row }) => `${column} ${row}`));
  assert.equal(places.size, 100);
  const at = new Map(layout.nodes.map((node) => [node.id, node]));
  for (const { parent, child } of layout.feeds) {
    assert.equal(at.get(child).column, at.get(parent).column + 1);
  }
  for (const node of layout.nodes) assert.equal(node.cut, false);
});

test("no two subtrees of a tree share a row", () => {
  const layout = tidyTree("n0", binary(40));
  const at = new Map(layout.nodes.map((node) => [node.id, node]));
  const rows = (id) => [
    at.get(id).row,
    ...layout.feeds.filter(({ parent }) => parent === id).flatMap(({ child }) => rows(child)),
  ];
  const [left, right] = [rows("n1"), rows("n2")];
  assert.ok(Math.max(...left) < Math.min(...right));
});

test("while a node moves its live edge makes the tree, the other stands beside it", () => {
  const moving = [
    edge("a", "a", "b"),
    edge("a", "b", "c"),
    edge("a", "a", "c", { state: "starting" }),
    edge("a", "a", "c", { state: "standby", kind: "audio" }),
  ];
  const layout = tidyTree("a", moving);
  assert.deepEqual(
    layout.feeds.map(({ parent, child }) => [parent, child]),
    [
      ["a", "b"],
      ["b", "c"],
    ],
  );
  assert.equal(layout.others.length, 2);
});

test("who lost the way to the root is shown as cut off, with all below", () => {
  const layout = tidyTree("a", [edge("a", "a", "b"), edge("a", "x", "c"), edge("a", "c", "d")]);
  const cut = layout.nodes.filter((node) => node.cut).map(({ id }) => id);
  assert.deepEqual(cut.sort(), ["c", "d", "x"]);
});

test("a ring, which should not be, hangs nobody up", () => {
  const layout = tidyTree("a", [edge("a", "b", "c"), edge("a", "c", "b")]);
  assert.deepEqual(layout.nodes.map(({ id }) => id).sort(), ["a", "b", "c"]);
});

test("a root alone is a tree", () => {
  assert.deepEqual(tidyTree("a", []).nodes, [{ id: "a", column: 0, row: 0, cut: false }]);
});

test("on the circle everybody has a place, and lines tell what is relayed", () => {
  const participants = new Map(["a", "b", "c"].map((id) => [id, person(id)]));
  const edges = [
    edge("a", "a", "b", { loss: 0 }),
    edge("a", "b", "c", { loss: 0.2 }),
    edge("b", "b", "c", { loss: 0 }),
    edge("a", "c", "b", { state: "standby" }),
    edge("x", "a", "gone"),
  ];
  const { spots, lines } = circle({ participants, edges }, edges, 100, 0);
  assert.equal(spots.size, 3);
  for (const { x, y } of spots.values()) assert.ok(Math.abs(Math.hypot(x, y) - 100) < 1e-9);
  assert.equal(spots.get("b").relays, 1);
  const line = lines.find(({ from, to }) => from === "b" && to === "c");
  assert.deepEqual(line, {
    ...{ from: "b", to: "c", streams: 2, relayed: 1, standby: 0, health: "bad" },
  });
  assert.equal(lines.find(({ from }) => from === "c").standby, 1);
  assert.equal(lines.length, 3);
});

test("streams come from their source or the seat, and from nowhere while the source is away", () => {
  const participants = new Map([person("a"), person("p", "sip")].map((one) => [one.id, one]));
  const roots = ["a", "p", "gone"].map((source) => rootOf({ participants }, source));
  assert.deepEqual(roots, ["a", "seat", null]);
});

test("what the seat sends is no relaying", () => {
  const participants = new Map([person("seat", "seat"), person("a")].map((one) => [one.id, one]));
  const edges = [edge("sip-1", "seat", "a")];
  const { spots } = circle({ participants, edges }, edges, 100, 0);
  assert.equal(spots.get("seat").relays, 0);
});

test("an edge does well, badly, or has not said", () => {
  const now = 50;
  const health = (more) => healthOf(edge("a", "a", "b", more), now);
  assert.equal(health({}), "unknown");
  assert.equal(health({ loss: 0 }), "good");
  assert.equal(health({ loss: 0.02 }), "fair");
  assert.equal(health({ loss: 0.06 }), "bad");
  assert.equal(health({ loss: 0, stalled_at: 45 }), "bad");
  assert.equal(health({ loss: 0, stalled_at: 30 }), "good");
});

test("figures are written for people", () => {
  assert.equal(bitrateText(38_400), "38 kbit/s");
  assert.equal(bitrateText(1_240_000), "1.2 Mbit/s");
  assert.equal(bitrateText(undefined), "");
  assert.equal(lossText(0.004), "0.4 %");
  assert.equal(lossText(0.12), "12 %");
  const one = edge("a", "a", "b", { method: "swap", bitrate: 38_000, loss: 0.021 });
  assert.equal(edgeText(one, 12.4), "swap · 38 kbit/s · 12 ms · 2 % lost");
  assert.equal(edgeText({ ...one, state: "standby" }, 3.21), "standby · 3.2 ms");
  const participants = new Map(["a", "b", "c"].map((id) => [id, person(id)]));
  const edges = [edge("a", "a", "b"), edge("a", "b", "c")];
  assert.equal(
    summary({ participants, edges, trips: new Map(), injection: null }),
    "3 participants, 1 tree, 2 edges, 1 relay",
  );
});

test("events are read however they are cut", () => {
  const text = 'event: picture\ndata: {"a": 1}\n\n: alive\n\nevent: changes\ndata: [2]\n\nevent: ch';
  for (const size of [1, 3, 1000]) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...reader.read(text.slice(at, at + size)));
    assert.deepEqual(events, [
      { type: "picture", data: '{"a": 1}' },
      { type: "changes", data: "[2]" },
    ]);
  }
});
