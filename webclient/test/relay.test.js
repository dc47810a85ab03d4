import assert from "node:assert/strict";
import { test } from "node:test";

import { arrived, assign, plan, select, wants } from "../relay.js";

const edge = (source, parent, child) => ({ source, parent, child });
const received = (from, source, kind, track, live = true) => ({ from, source, kind, track, live });

test("a source sends its own tracks to each of its children", () => {
  const edges = [edge("me", "me", "b"), edge("me", "me", "c")];
  const sends = plan("me", "seat", edges, { audio: "mic", video: "cam" }, new Map());
  const both = [
    { source: "me", kind: "audio", track: "mic" },
    { source: "me", kind: "video", track: "cam" },
  ];
  assert.deepEqual(
    sends,
    new Map([
      ["b", both],
      ["c", both],
    ]),
  );
});

test("a relay passes on what it receives, all kinds of it", () => {
  const edges = [edge("a", "a", "me"), edge("a", "me", "c")];
  const got = [received("a", "a", "audio", "a-sound"), received("a", "a", "video", "a-picture")];
  const sends = plan("me", "seat", edges, {}, select("me", edges, got));
  assert.deepEqual(
    sends.get("c").map(({ track }) => track),
    ["a-sound", "a-picture"],
  );
});

test("a relay without the stream still knows the child, and sends nothing", () => {
  const edges = [edge("a", "a", "me"), edge("a", "me", "c")];
  assert.deepEqual(plan("me", "seat", edges, {}, new Map()), new Map([["c", []]]));
});

test("the seat is sent sound only", () => {
  const own = { audio: "mic", video: "cam" };
  const sends = plan("me", "seat", [edge("me", "me", "seat")], own, new Map());
  assert.deepEqual(sends.get("seat"), [{ source: "me", kind: "audio", track: "mic" }]);
});

test("each edge from the seat is asked for", () => {
  const edges = [edge("sip", "seat", "me"), edge("sip", "me", "c"), edge("me", "me", "seat")];
  assert.deepEqual(wants("me", "seat", edges), [{ source: "sip", kind: "audio" }]);
});

test("what comes without an edge is neither played nor reported", () => {
  const got = [received("b", "a", "audio", "t")];
  assert.deepEqual(select("me", [edge("a", "b", "c")], got), new Map());
  assert.deepEqual(arrived("me", [edge("a", "c", "me")], got), []);
});

test("the old parent's stream goes on until the new one's has begun, kind by kind", () => {
  const edges = [edge("a", "old", "me"), edge("a", "new", "me")];
  const old = [
    received("old", "a", "audio", "old-sound"),
    received("old", "a", "video", "old-picture"),
  ];
  const now = (...more) => select("me", edges, [...old, ...more]).get("a");
  assert.deepEqual(now(received("new", "a", "audio", "x", false)), {
    audio: "old-sound",
    video: "old-picture",
  });
  assert.deepEqual(
    now(received("new", "a", "audio", "x"), received("new", "a", "video", "y", false)),
    {
      audio: "x",
      video: "old-picture",
    },
  );
});

test("without an old parent the new one's tracks are shown before they begin", () => {
  const got = [received("new", "a", "audio", "x", false)];
  assert.deepEqual(select("me", [edge("a", "new", "me")], got).get("a"), { audio: "x" });
});

test("an edge has arrived with the first of its tracks", () => {
  const edges = [edge("a", "b", "me")];
  const silent = received("b", "a", "audio", "x", false);
  assert.deepEqual(arrived("me", edges, [silent]), []);
  assert.deepEqual(arrived("me", edges, [silent, received("b", "a", "video", "y")]), edges);
});

const lane = (kind, source) => ({ kind, slot: source ? { kind, source } : null });

test("a transceiver keeps what is still wanted, with whatever track", () => {
  const wanted = [{ source: "a", kind: "audio", track: 2 }];
  assert.deepEqual(assign([lane("audio", "a")], wanted), { carry: wanted, add: [] });
});

test("what an ended edge left behind serves the next of its kind", () => {
  const wanted = [
    { source: "b", kind: "audio" },
    { source: "c", kind: "audio" },
  ];
  const lanes = [lane("video", null), lane("audio", "c"), lane("audio", "gone")];
  assert.deepEqual(assign(lanes, wanted), { carry: [null, wanted[1], wanted[0]], add: [] });
});

test("only what finds no transceiver is added", () => {
  const wanted = [
    { source: "a", kind: "audio" },
    { source: "a", kind: "video" },
  ];
  assert.deepEqual(assign([lane("audio", null)], wanted), { carry: [wanted[0]], add: [wanted[1]] });
});
