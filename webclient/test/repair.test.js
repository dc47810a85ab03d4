import assert from "node:assert/strict";
import { test } from "node:test";

import { Repair } from "../repair.js";
import { EMPTY_ROOM, begun, reduce } from "../room.js";

const SOUND = { source: "ana", kind: "audio" };
const edge = (parent, child, track = SOUND) => ({ ...track, parent, child });
const asks = (to, track = SOUND) => [{ to, type: "adopt", track }];

/** A room of one of these, after messages. */
class Play {
  room = EMPTY_ROOM;
  repair = new Repair();

  constructor(you) {
    this.tell({ type: "welcome", you, room: "demo", seat: "seat", ice_servers: [] });
    this.here("ana", "ben", "cleo", "dora");
  }

  tell(message) {
    this.room = reduce(this.room, message);
    return this.repair.update(this.room);
  }

  here(...ids) {
    const participants = ids.map((id) => ({ id, kind: "web", name: id, publishes: [] }));
    return this.tell({ type: "roster", version: this.room.version + 1, recorded: false, participants });
  }

  attach(one) {
    return this.tell({ type: "attach", ...one });
  }

  standby(one, on = true) {
    return this.tell({ type: "standby", ...one, on });
  }

  /** Who is sent what, or not yet. */
  get used() {
    return this.repair.edges.map(({ parent, child }) => `${parent} ${child}`);
  }
}

function child() {
  const play = new Play("dora");
  assert.deepEqual(play.attach(edge("ben", "dora")), []);
  assert.deepEqual(play.standby(edge("cleo", "dora")), []);
  return play;
}

test("a stream that is missed is asked for once, and then is as good as an edge", () => {
  const play = child();
  assert.deepEqual(play.used, ["ben dora"]);
  assert.equal(play.repair.idle.length, 1);
  assert.deepEqual(play.repair.missing(SOUND), asks("cleo"));
  assert.deepEqual(play.repair.missing(SOUND), []);
  assert.deepEqual(play.used, ["ben dora", "cleo dora"]);
  assert.deepEqual(play.repair.idle, []);
});

test("a stream without a standby parent can only be waited for", () => {
  const play = child();
  assert.deepEqual(play.repair.missing({ source: "ana", kind: "high" }), []);
});

test("a parent whose connection is gone, or who left the roster, is replaced at once", () => {
  assert.deepEqual(child().repair.lost("ben"), asks("cleo"));
  assert.deepEqual(child().repair.lost("ana"), []);
  const left = child();
  assert.deepEqual(left.here("ana", "cleo", "dora"), asks("cleo"));
  assert.deepEqual(left.used, ["cleo dora"]);
});

test("an edge that the server ends, with its parent still here, is not asked for elsewhere", () => {
  assert.deepEqual(child().tell({ type: "detach", ...edge("ben", "dora") }), []);
});

test("the old stream that is back first is kept; after the new one has come it is not", () => {
  const early = child();
  early.repair.missing(SOUND);
  assert.deepEqual(early.repair.back(SOUND, false), [
    { to: "cleo", type: "release", track: SOUND },
  ]);
  assert.deepEqual(early.used, ["ben dora"]);
  assert.deepEqual(early.repair.missing(SOUND), asks("cleo"));
  const late = child();
  late.repair.missing(SOUND);
  assert.deepEqual(late.repair.back(SOUND, true), []);
  assert.deepEqual(late.used, ["ben dora", "cleo dora"]);
  assert.deepEqual(child().repair.back(SOUND, false), []);
});

test("once it is the edge nothing changes, and another may stand by", () => {
  for (const begin of [
    (play) => play.attach(edge("cleo", "dora")),
    (play) => play.repair.update((play.room = begun(play.room, edge("cleo", "dora")))),
  ]) {
    const play = child();
    play.repair.missing(SOUND);
    begin(play);
    assert.deepEqual(play.used, ["ben dora", "cleo dora"]);
    play.tell({ type: "detach", ...edge("ben", "dora") });
    assert.deepEqual(play.used, ["cleo dora"]);
    // A former edge that stands by again is asked anew.
    play.standby(edge("ben", "dora"));
    assert.deepEqual(play.repair.missing(SOUND), asks("ben"));
  }
});

test("what the server refuses to make the edge ends with its standby edge", () => {
  const play = child();
  play.repair.missing(SOUND);
  play.repair.update((play.room = begun(play.room, edge("cleo", "dora"))));
  play.standby(edge("cleo", "dora"), false);
  assert.deepEqual(play.used, ["ben dora"]);
});

test("a standby parent whose child stays sends on until the edge ends", () => {
  const play = new Play("cleo");
  play.attach(edge("ana", "cleo"));
  play.standby(edge("cleo", "dora"));
  play.repair.give("dora", SOUND, true);
  play.tell({ type: "detach", ...edge("cleo", "dora") });
  assert.deepEqual(play.used, ["ana cleo"]);
  play.standby(edge("cleo", "dora"));
  assert.equal(play.repair.idle.length, 1);
});

test("a standby parent sends what its child asked for, until it is released", () => {
  const play = new Play("cleo");
  play.attach(edge("ana", "cleo"));
  play.standby(edge("cleo", "dora"));
  assert.deepEqual(play.used, ["ana cleo"]);
  play.repair.give("dora", SOUND, true);
  assert.deepEqual(play.used, ["ana cleo", "cleo dora"]);
  play.repair.give("dora", SOUND, false);
  assert.equal(play.repair.idle.length, 1);
});

test("nobody gets a stream for which no standby edge was told", () => {
  const play = new Play("cleo");
  play.attach(edge("ana", "cleo"));
  play.repair.give("ben", SOUND, true);
  play.standby(edge("cleo", "dora"));
  play.repair.give("ben", SOUND, true);
  assert.deepEqual(play.used, ["ana cleo"]);
});

test("what was asked for ends with its standby edge", () => {
  const play = child();
  play.repair.missing(SOUND);
  play.standby(edge("cleo", "dora"), false);
  assert.deepEqual(play.used, ["ben dora"]);
  const left = child();
  left.repair.missing(SOUND);
  left.here("ana", "ben", "dora");
  assert.deepEqual(left.used, ["ben dora"]);
});
