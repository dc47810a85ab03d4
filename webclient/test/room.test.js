import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY_ROOM, looksSame, qualityText, reachable, reduce, secrecyNotice } from "../room.js";

const WELCOME = {
  type: "welcome",
  you: "me",
  token: "t",
  room: "demo",
  ice_servers: [],
  seat: "seat",
};
const person = (id, kind = "web") => ({
  id,
  kind,
  name: id,
  publishes: ["audio"],
  muted: { audio: false, video: false },
  may: [],
  moderator: false,
  hand: 0,
});
const roster = (version, ...participants) => ({ type: "roster", version, participants });
const attach = (source, parent, child, kind = "audio") => ({
  type: "attach",
  source,
  kind,
  parent,
  child,
});
const after = (...messages) => [WELCOME, ...messages].reduce(reduce, EMPTY_ROOM);
const edges = (room) => room.edges.map(({ source, parent, child }) => [source, parent, child]);

test("an edge ends with its source, its parent or its child, without a detach", () => {
  const everyone = [person("me"), person("a"), person("b")];
  const room = after(
    roster(1, ...everyone),
    attach("a", "b", "me"),
    attach("b", "b", "me"),
    attach("me", "me", "a"),
    roster(2, person("me"), person("b")),
  );
  assert.deepEqual(edges(room), [["b", "b", "me"]]);
});

test("an edge that comes before its people waits for them", () => {
  const room = after(
    roster(1, person("me")),
    attach("a", "a", "me"),
    roster(2, person("me"), person("a")),
  );
  assert.deepEqual(edges(room), [["a", "a", "me"]]);
});

test("the seat's edges end with the last legacy participant", () => {
  const me = person("me");
  const room = after(
    roster(1, me, person("p", "sip")),
    attach("p", "seat", "me"),
    attach("me", "me", "seat"),
  );
  assert.deepEqual(edges(reduce(room, roster(2, me, person("p", "sip"), person("a")))).length, 2);
  assert.deepEqual(edges(reduce(room, roster(2, me))), []);
});

test("the seat takes part as long as the conference is recorded", () => {
  const everyone = { participants: [person("me"), person("a")] };
  const recorded = (version, on) => ({ type: "roster", version, recorded: on, ...everyone });
  const room = after(recorded(1, true), attach("me", "me", "seat"), attach("a", "a", "me"));
  assert.equal(room.recorded, true);
  assert.deepEqual([...reachable(room)].sort(), ["a", "seat"]);
  const stopped = reduce(room, recorded(2, false));
  assert.deepEqual(edges(stopped), [["a", "a", "me"]]);
  assert.deepEqual([...reachable(stopped)], ["a"]);
});

test("detach ends one edge and leaves the source's other parent", () => {
  const room = after(attach("a", "b", "me"), attach("a", "c", "me"), {
    ...attach("a", "b", "me"),
    type: "detach",
  });
  assert.deepEqual(edges(room), [["a", "c", "me"]]);
});

test("a source's streams have edges of their own", () => {
  const room = after(attach("a", "b", "me", "low"), attach("a", "b", "me", "high"), {
    ...attach("a", "b", "me", "low"),
    type: "detach",
  });
  assert.deepEqual(room.edges, [{ source: "a", kind: "high", parent: "b", child: "me" }]);
});

test("an edge that is attached twice is one edge, now the newest", () => {
  const room = after(attach("a", "b", "me"), attach("a", "c", "me"), attach("a", "b", "me"));
  assert.deepEqual(edges(room), [
    ["a", "c", "me"],
    ["a", "b", "me"],
  ]);
});

test("an older roster is passed over", () => {
  const room = after(roster(5, person("me")), roster(4, person("me"), person("a")));
  assert.equal(room.participants.length, 1);
});

test("a new welcome begins from nothing, also with versions", () => {
  const room = after(
    roster(9, person("me"), person("a")),
    attach("a", "a", "me"),
    WELCOME,
    roster(1, person("me")),
  );
  assert.deepEqual([room.version, room.participants.length, room.edges.length], [1, 1, 0]);
});

test("the seat can be reached while somebody joined by phone or XMPP", () => {
  assert.deepEqual(reachable(after(roster(1, person("me"), person("a")))), new Set(["a"]));
  const room = after(roster(1, person("me"), person("x", "xmpp")));
  assert.ok(reachable(room).has("seat"));
});

test("the page says so when a phone or an XMPP client takes part", () => {
  assert.equal(secrecyNotice(after(roster(1, person("me")))), null);
  assert.match(secrecyNotice(after(roster(1, person("x", "xmpp")))), /^An XMPP client/);
  assert.match(
    secrecyNotice(after(roster(1, person("x", "xmpp"), person("p", "sip")))),
    /^A phone/,
  );
});

const MEASURED = {
  quality: "fair",
  missing: 0.021,
  missingThere: null,
  jitterMs: 3.4,
  roundTripMs: 31.2,
};

test("what was measured of somebody stays until they leave", () => {
  const me = person("me");
  const room = after(
    roster(1, me, person("p", "sip"), person("q", "sip")),
    { type: "quality", participants: { p: MEASURED } },
    { type: "quality", participants: { q: { ...MEASURED, quality: "bad" } } },
    roster(2, me, person("q", "sip")),
  );
  assert.deepEqual(Object.keys(room.qualities), ["q"]);
  assert.equal(room.qualities.q.quality, "bad");
});

test("a quality is told with its figures, as far as they are known", () => {
  assert.equal(
    qualityText(MEASURED),
    "Fair connection: 2.1 % of the sound missing, jitter 3 ms, round trip 31 ms",
  );
  assert.equal(
    qualityText({ ...MEASURED, quality: "bad", missingThere: 0.2, roundTripMs: null }),
    "Bad connection: 2.1 % of the sound missing, 20.0 % of what they hear, jitter 3 ms",
  );
});

test("a person sees no edges, but sees who is here, and how well they are connected", () => {
  const room = after(roster(1, person("me"), person("a", "sip")));
  const quality = { quality: "good", missing: 0, jitterMs: 0, roundTripMs: null };
  assert.ok(looksSame(room, reduce(room, attach("a", "seat", "me"))));
  assert.ok(!looksSame(room, reduce(room, roster(2, person("me")))));
  assert.ok(!looksSame(room, reduce(room, { type: "quality", participants: { a: quality } })));
  assert.ok(!looksSame(EMPTY_ROOM, reduce(EMPTY_ROOM, WELCOME)));
});
