import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Signaling } from "../signaling.js";
import { Clock } from "./clock.js";

/** What the tests see of a socket: it opens and closes when told to. */
class Socket {
  readyState = 0;
  sent = [];
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  receive(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  /** The network's or the server's doing. */
  end(code) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
  close() {
    this.readyState = 2;
  }
}

let clock, sockets, states, endings, messages, signaling;
const last = () => sockets.at(-1);

const wait = (ms) => clock.pass(ms);

const WELCOME = {
  type: "welcome",
  you: "me",
  token: "secret",
  room: "demo",
  ice_servers: [],
  seat: "seat",
};

function joined() {
  last().open();
  last().receive(WELCOME);
}

beforeEach(() => {
  clock = new Clock();
  clock.install();
  mock.method(console, "debug", () => {});
  mock.method(console, "warn", () => {});
  [sockets, states, endings, messages] = [[], [], [], []];
  signaling = new Signaling(
    () => (sockets.push(new Socket()), last()),
    () => ({ type: "join", room: "demo", name: "Ana", publishes: ["audio"] }),
    {
      message: (message) => messages.push(message.type),
      state: (state) => states.push(state),
      ended: (ending) => endings.push(ending),
    },
  );
  signaling.start();
});

test("it joins when the socket opens, and has joined with welcome", () => {
  last().open();
  assert.deepEqual(last().sent, [
    { type: "join", room: "demo", name: "Ana", publishes: ["audio"] },
  ]);
  assert.deepEqual(states, []);
  last().receive(WELCOME);
  assert.deepEqual(states, ["joined"]);
  assert.deepEqual(messages, ["welcome"]);
});

test("a lost connection is rejoined after half a second, with the token", () => {
  joined();
  last().end(1006);
  assert.deepEqual(states, ["joined", "reconnecting"]);
  wait(499);
  assert.equal(sockets.length, 1);
  wait(1);
  last().open();
  assert.equal(last().sent[0].token, "secret");
  last().receive({ ...WELCOME, token: "next" });
  assert.deepEqual(states, ["joined", "reconnecting", "joined"]);
});

test("each failed attempt doubles the delay, up to eight seconds", () => {
  joined();
  for (const delay of [500, 1000, 2000, 4000, 8000, 8000]) {
    const before = sockets.length;
    last().end(1006);
    wait(delay - 1);
    assert.equal(sockets.length, before);
    wait(1);
    assert.equal(sockets.length, before + 1);
  }
});

test("it gives up in the end and says so", () => {
  joined();
  for (let i = 0; i < 81; i++) {
    last().end(1006);
    wait(8000);
  }
  assert.equal(endings[0].code, "lost");
  assert.equal(sockets.length, 81);
});

test("the network's return shortens the wait", () => {
  joined();
  last().end(1006);
  signaling.retryNow();
  assert.equal(sockets.length, 2);
  wait(10_999);
  assert.equal(sockets.length, 2, "nothing runs beside it");
  wait(1);
  assert.equal(sockets.length, 3, "after it timed out and a second more");
});

test("a first attempt that fails is told, not repeated", () => {
  last().end(1006);
  wait(60_000);
  assert.equal(sockets.length, 1);
  assert.equal(endings[0].code, "unreachable");
});

test("a server that answers nothing is not waited for longer than ten seconds", () => {
  last().open();
  wait(10_000);
  assert.equal(endings[0].code, "unreachable");
});

test("a refused join ends with the server's own words", () => {
  last().open();
  last().receive({ type: "error", code: "busy", text: "The room is full." });
  last().end(1008);
  assert.deepEqual(endings, [{ type: "error", code: "busy", text: "The room is full." }]);
});

test("who was replaced stays away", () => {
  joined();
  last().receive({ type: "bye", reason: "replaced", text: "You joined anew." });
  last().end(1000);
  wait(60_000);
  assert.equal(sockets.length, 1);
  assert.deepEqual(endings, [{ code: "replaced", text: "You joined anew." }]);
});

test("a restarting server is come back to", () => {
  joined();
  last().receive({ type: "bye", reason: "shutdown", text: "The gateway is stopping." });
  last().end(1012);
  assert.deepEqual(states, ["joined", "restarting"]);
});

test("a silent server is given up after two pings", () => {
  joined();
  wait(10_000);
  assert.deepEqual(last().sent.at(-1), { type: "ping" });
  wait(20_000);
  assert.deepEqual(states, ["joined", "reconnecting"]);
});

test("a server that answers pings is kept for as long as it does", () => {
  joined();
  for (let i = 0; i < 20; i++) {
    wait(10_000);
    last().receive({ type: "pong" });
  }
  assert.deepEqual(states, ["joined"]);
  assert.deepEqual(messages, ["welcome"]);
});

test("only a connection that lasted sets the delay back", () => {
  joined();
  last().end(1011);
  wait(500);
  joined();
  last().end(1011);
  wait(500);
  assert.equal(sockets.length, 2);
  wait(500);
  joined();
  wait(10_000);
  last().end(1011);
  wait(500);
  assert.equal(sockets.length, 4);
});

test("leaving is said, and nothing follows once the server has let us go", () => {
  for (const end of [() => last().end(1000), () => wait(3_000)]) {
    signaling.start();
    joined();
    const socket = last();
    const gone = mock.fn();
    signaling.leave(gone);
    assert.deepEqual(socket.sent.at(-1), { type: "leave" });
    socket.receive({ type: "detach", source: "a", kind: "audio", parent: "me", child: "b" });
    assert.equal(messages.at(-1), "detach");
    assert.equal(gone.mock.callCount(), 0);
    end();
    wait(60_000);
    assert.deepEqual([gone.mock.callCount(), endings.length], [1, 0]);
  }
  assert.equal(sockets.length, 3);
});

test("where there is no connection, leaving takes no time", () => {
  joined();
  last().end(1006);
  const gone = mock.fn();
  signaling.leave(gone);
  assert.equal(gone.mock.callCount(), 1);
  wait(60_000);
  assert.equal(sockets.length, 1);
});

test("who hangs up says so, and is gone at once", () => {
  joined();
  const socket = last();
  signaling.hangUp();
  assert.deepEqual(socket.sent.at(-1), { type: "leave" });
  assert.equal(socket.readyState, 2);
  wait(60_000);
  assert.deepEqual([sockets.length, endings.length], [1, 0]);
});

test("a message that cannot be read is passed over", () => {
  joined();
  last().onmessage({ data: "{" });
  last().receive({ type: "roster" });
  last().receive({ type: "news" });
  last().receive({ type: "roster", version: 1, participants: [] });
  assert.deepEqual(messages, ["welcome", "roster"]);
});
