import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ProtocolError,
  mayRejoin,
  nameProblem,
  parse,
  roomProblem,
  serialize,
} from "../protocol.js";

const parsed = (message) => parse(JSON.stringify(message));

test("the messages of docs/protocol.md's example are read", () => {
  const participant = {
    id: "sip-01b2c3",
    kind: "sip",
    name: "+4930123",
    publishes: ["audio"],
    muted: { audio: false, video: false },
    may: ["audio"],
    moderator: false,
    hand: 0,
    online: false,
  };
  const roster = { type: "roster", version: 4, recorded: true, participants: [participant] };
  assert.deepEqual(parsed({ ...roster, unknown: 1 }), roster);
  const answer = {
    type: "signal",
    from: "seat",
    connection: "k1",
    description: { type: "answer", sdp: "v=0" },
  };
  assert.deepEqual(parsed(answer), answer);
});

test("a measured quality is read, also where the peer says nothing", () => {
  const told = { quality: "bad", missing: 0.1, missing_there: 0.2, jitter_ms: 3, round_trip_ms: 31 };
  const silent = { ...told, quality: "good", missing_there: null, round_trip_ms: null };
  const { participants } = parsed({ type: "quality", participants: { a: told, b: silent } });
  assert.deepEqual(participants.a, {
    quality: "bad",
    missing: 0.1,
    missingThere: 0.2,
    jitterMs: 3,
    roundTripMs: 31,
  });
  assert.equal(participants.b.missingThere, null);
  assert.equal(participants.b.roundTripMs, null);
});

test("an edge is read with its kind", () => {
  const edge = { source: "a", kind: "low", parent: "b", child: "c" };
  assert.deepEqual(parsed({ type: "attach", ...edge, more: 1 }), { type: "attach", ...edge });
});

test("an unknown type is no error, also one that every object has", () => {
  assert.equal(parsed({ type: "chat", text: "hello" }), null);
  assert.equal(parsed({ type: "constructor" }), null);
});

test("a server that says nothing of recording neither does it nor allows it", () => {
  const welcome = { you: "a", token: "t", room: "r", ice_servers: [], seat: "seat" };
  assert.equal(parsed({ type: "welcome", ...welcome }).may_record, false);
  assert.equal(parsed({ type: "roster", version: 1, participants: [] }).recorded, false);
});

test("other servers for ICE are taken whole", () => {
  const ice_servers = [{ urls: ["turn:t"], username: "1:a", credential: "b" }];
  assert.deepEqual(parsed({ type: "ice_servers", ice_servers }).ice_servers, ice_servers);
  assert.throws(() => parsed({ type: "ice_servers", ice_servers: "turn:t" }), ProtocolError);
});

test("a publishes entry of the future is left out", () => {
  const publishes = ["audio", "screen", "smell"];
  const participants = [{ id: "a", kind: "web", name: "A", publishes, may: publishes, hand: 0 }];
  assert.deepEqual(parsed({ type: "roster", version: 1, participants }).participants[0].publishes, [
    "audio",
    "screen",
  ]);
});

for (const [what, message] of Object.entries({
  "a list": [],
  "no type": {},
  "a roster without a version": { type: "roster", participants: [] },
  "an unknown kind": {
    type: "roster",
    version: 1,
    participants: [{ id: "a", kind: "fax", name: "A", publishes: [] }],
  },
  "a quality without figures": { type: "quality", participants: { a: { quality: "good" } } },
  "a pranswer": { type: "signal", from: "a", description: { type: "pranswer", sdp: "" } },
  "a track of no kind": { type: "signal", from: "a", tracks: { 0: { source: "a", kind: "text" } } },
  "an edge of no stream": { type: "attach", source: "a", parent: "a", child: "b" },
  "an edge of both layers": { type: "attach", source: "a", kind: "video", parent: "a", child: "b" },
  "a candidate that is text": { type: "signal", from: "a", candidate: "candidate:1" },
})) {
  test(`${what} is refused`, () => assert.throws(() => parsed(message), ProtocolError));
}

test("what is not JSON is refused", () => assert.throws(() => parse("{"), ProtocolError));

test("a longer map of tracks than any connection has is refused", () => {
  const tracks = Object.fromEntries(
    Array.from({ length: 513 }, (_, mid) => [mid, { source: "a", kind: "audio" }]),
  );
  assert.throws(() => parsed({ type: "signal", from: "a", tracks }), ProtocolError);
});

test("the end of candidates is null and stays null", () => {
  assert.equal(parsed({ type: "signal", from: "a", candidate: null }).candidate, null);
});

test("a message larger than the server takes is never sent, counted in bytes", () => {
  const signal = (sdp) => ({ type: "signal", to: "a", description: { type: "offer", sdp } });
  assert.throws(() => serialize(signal("ü".repeat(132_000))), ProtocolError);
  assert.doesNotThrow(() => serialize(signal("u".repeat(262_000))));
});

test("names of rooms and people are checked as the server does", () => {
  for (const room of ["demo", "Team.A-1_x", "a".repeat(64)]) assert.equal(roomProblem(room), null);
  for (const room of ["", "a b", ".well-known", "ü", "a".repeat(65)])
    assert.ok(roomProblem(room), room);
  for (const name of ["Ana", "李", "😀".repeat(64)]) assert.equal(nameProblem(name), null);
  for (const name of ["", "a\nb", "a".repeat(65)]) assert.ok(nameProblem(name), name);
});

test("after a lost connection, a restart or a server's fault one may come back", () => {
  assert.deepEqual([1001, 1005, 1006, 1011, 1012].map(mayRejoin), Array(5).fill(true));
  assert.deepEqual([1000, 1008, 1009].map(mayRejoin), Array(3).fill(false));
});
