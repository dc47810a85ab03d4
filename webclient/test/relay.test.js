import assert from "node:assert/strict";
import { test } from "node:test";

import { arrived, assign, isPolite, plan, playable, select, shown, wants } from "../relay.js";

const edge = (source, parent, child, kind = "audio") => ({ source, kind, parent, child });
const received = (from, source, kind, track, live = true) => ({ from, source, kind, track, live });

test("a source sends each child the streams of its edges", () => {
  const edges = [
    edge("me", "me", "b"),
    edge("me", "me", "b", "high"),
    edge("me", "me", "c", "low"),
    edge("me", "me", "c", "screen"),
  ];
  const own = { audio: "mic", low: "cam", high: "cam" };
  assert.deepEqual(
    plan("me", edges, own, new Map()),
    new Map([
      [
        "b",
        [
          { source: "me", kind: "audio", track: "mic" },
          { source: "me", kind: "high", track: "cam" },
        ],
      ],
      ["c", [{ source: "me", kind: "low", track: "cam" }]],
    ]),
  );
});

test("a relay passes on the streams that it has edges for, each as it came", () => {
  const edges = [
    edge("a", "a", "me"),
    edge("a", "a", "me", "high"),
    edge("a", "b", "me", "low"),
    edge("a", "me", "c"),
    edge("a", "me", "c", "low"),
  ];
  const got = [
    received("a", "a", "audio", "sound"),
    received("a", "a", "high", "large"),
    received("b", "a", "low", "small"),
  ];
  const sends = plan("me", edges, {}, select("me", edges, got));
  assert.deepEqual(
    sends.get("c").map(({ track }) => track),
    ["sound", "small"],
  );
});

test("a relay without the stream still knows the child, and sends nothing", () => {
  const edges = [edge("a", "a", "me"), edge("a", "me", "c")];
  assert.deepEqual(plan("me", edges, {}, new Map()), new Map([["c", []]]));
});

test("each edge from the seat is asked for, whoever of the two is polite", () => {
  const edges = [edge("sip", "seat", "me"), edge("sip", "me", "c"), edge("me", "me", "seat")];
  const asked = new Map([["seat", [{ source: "sip", kind: "audio" }]]]);
  assert.deepEqual(wants("me", "seat", edges), asked);
  assert.ok(isPolite("me", "seat"));
});

test("of neighbours those are asked to whom we make the first offer", () => {
  const edges = [
    edge("x", "a", "me"),
    edge("a", "a", "me", "high"),
    edge("z", "z", "me"),
    edge("me", "me", "a"),
    edge("a", "b", "c"),
  ];
  const asked = [
    { source: "x", kind: "audio" },
    { source: "a", kind: "high" },
  ];
  assert.deepEqual(wants("me", "seat", edges), new Map([["a", asked]]));
  assert.ok(isPolite("me", "z") && !isPolite("me", "a"));
});

test("what comes without an edge is neither played nor reported", () => {
  const got = [received("b", "a", "audio", "t"), received("c", "a", "low", "u")];
  assert.deepEqual(select("me", [edge("a", "b", "c")], got), new Map());
  assert.deepEqual(arrived("me", [edge("a", "c", "me")], got), []);
});

test("the old parent's stream goes on until the new one's has begun", () => {
  const edges = [edge("a", "old", "me"), edge("a", "new", "me")];
  const now = (live) =>
    select("me", edges, [
      received("old", "a", "audio", "old-sound"),
      received("new", "a", "audio", "new-sound", live),
    ]).get("a");
  assert.deepEqual(now(false), { audio: "old-sound" });
  assert.deepEqual(now(true), { audio: "new-sound" });
});

test("without an old parent the new one's tracks are shown before they begin", () => {
  const got = [received("new", "a", "audio", "x", false)];
  assert.deepEqual(select("me", [edge("a", "new", "me")], got).get("a"), { audio: "x" });
});

test("of two layers the newer one is shown once it has begun; both are passed on", () => {
  const layers = { low: edge("a", "b", "me", "low"), high: edge("a", "c", "me", "high") };
  const look = (edges, lowLive, highLive) => {
    const got = [received("b", "a", "low", "S", lowLive), received("c", "a", "high", "L", highLive)];
    assert.deepEqual(select("me", edges, got).get("a"), { low: "S", high: "L" });
    return shown("me", edges, got).get("a");
  };
  assert.deepEqual(look([layers.low, layers.high], true, false), { video: "S" });
  assert.deepEqual(look([layers.low, layers.high], true, true), { video: "L" });
  assert.deepEqual(look([layers.high, layers.low], false, true), { video: "L" });
  assert.deepEqual(look([layers.high, layers.low], true, true), { video: "S" });
});

test("a screen is shown beside the camera", () => {
  const edges = [edge("a", "a", "me", "high"), edge("a", "a", "me", "screen")];
  const got = [received("a", "a", "high", "face"), received("a", "a", "screen", "slides")];
  assert.deepEqual(shown("me", edges, got).get("a"), { video: "face", screen: "slides" });
});

test("each edge has arrived with its own stream", () => {
  const edges = [edge("a", "b", "me"), edge("a", "b", "me", "high")];
  const silent = received("b", "a", "audio", "x", false);
  assert.deepEqual(arrived("me", edges, [silent]), []);
  assert.deepEqual(arrived("me", edges, [silent, received("b", "a", "high", "y")]), [edges[1]]);
});

const lane = (media, source, kind = media) => ({ media, slot: source ? { kind, source } : null });

test("a transceiver keeps what is still wanted, with whatever track", () => {
  const wanted = [{ source: "a", kind: "audio", track: 2 }];
  assert.deepEqual(assign([lane("audio", "a")], wanted), { carry: wanted, add: [] });
});

test("what an ended edge left behind serves the next of its medium", () => {
  const wanted = [
    { source: "b", kind: "audio" },
    { source: "c", kind: "low" },
    { source: "c", kind: "high" },
  ];
  const lanes = [lane("video", "gone", "screen"), lane("video", "c", "high"), lane("audio", "gone")];
  const carry = [wanted[1], wanted[2], wanted[0]];
  assert.deepEqual(assign(lanes, wanted), { carry, add: [] });
});

test("what an ended edge left behind serves only what it fits", () => {
  const wanted = [{ source: "b", kind: "audio" }];
  const lanes = [{ ...lane("audio", "gone"), pauses: true }, { ...lane("audio", "gone"), pauses: false }];
  const fits = ({ pauses }, { source }) => pauses === (source === "me");
  assert.deepEqual(assign(lanes, wanted, fits), { carry: [null, wanted[0]], add: [] });
  assert.deepEqual(assign(lanes.slice(0, 1), wanted, fits), { carry: [null], add: wanted });
});

test("only what finds no transceiver is added", () => {
  const wanted = [
    { source: "a", kind: "audio" },
    { source: "a", kind: "high" },
  ];
  assert.deepEqual(assign([lane("audio", null)], wanted), { carry: [wanted[0]], add: [wanted[1]] });
});

test("sound that has only begun waits while the old one is good, and not when that has stopped", () => {
  const sound = { source: "ana", kind: "audio" };
  const old = { ...sound, from: "ben", track: "old", live: true, plays: true };
  const fresh = { ...sound, from: "cleo", track: "new", live: true, plays: false };
  const live = (received, isMissed = () => false) =>
    playable(received, isMissed).filter((one) => one.live).map(({ track }) => track);
  assert.deepEqual(live([old, fresh]), ["old"]);
  assert.deepEqual(live([old, { ...fresh, plays: true }]), ["old", "new"]);
  assert.deepEqual(live([old, fresh], ({ from }) => from === "ben"), ["old", "new"]);
  assert.deepEqual(live([fresh]), ["new"]);
  assert.deepEqual(live([{ ...old, source: "dora" }, fresh]), ["old", "new"]);
});
