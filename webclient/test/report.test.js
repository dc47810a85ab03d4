import assert from "node:assert/strict";
import { test } from "node:test";

import { Reporter } from "../report.js";

const MACHINE = { cpu: null, battery: null };

/** What a connection counts: its path, and one stream of sound or of pictures. */
function link(path, inbound, kind = "audio") {
  const stats = [
    { type: "transport", id: "T", selectedCandidatePairId: "P" },
    { type: "candidate-pair", id: "other", availableOutgoingBitrate: 5 },
    { type: "candidate-pair", id: "P", ...path },
  ];
  if (inbound !== undefined) stats.push({ type: "inbound-rtp", trackIdentifier: "t1", ...inbound });
  const receives = inbound === undefined ? [] : [{ source: "ana", kind, track: "t1" }];
  return { neighbour: "ben", stats, receives };
}

/** The reports after looks that are two seconds apart. */
function reports(...links) {
  const reporter = new Reporter();
  return links.map((one, number) => {
    reporter.look([one], [], 2_000 * number);
    return reporter.report(MACHINE);
  });
}

test("before the first look nothing is known, and the server hears so", () => {
  assert.deepEqual(new Reporter().report({ cpu: "fair", battery: 0.5 }), {
    uplink: null,
    limited: false,
    neighbours: {},
    cpu: "fair",
    battery: 0.5,
  });
});

test("what flows is in the first report after a look only", () => {
  const reporter = new Reporter();
  reporter.look([link({ currentRoundTripTime: 0.031 }, { bytesReceived: 1 })], [], 0);
  assert.equal(reporter.report(MACHINE).receives.length, 1);
  const next = reporter.report(MACHINE);
  assert.equal("receives" in next || "sends" in next, false);
  assert.deepEqual(next.neighbours, { ben: { round_trip_ms: 31 } });
});

test("uplinks add up, and are a limit where one is used up", () => {
  const path = { availableOutgoingBitrate: 400_000, bytesSent: 0 };
  const [, idle, full] = reports(
    link(path),
    link({ ...path, bytesSent: 50_000 }),
    link({ ...path, bytesSent: 130_000 }),
  );
  assert.deepEqual([idle.uplink, idle.limited], [400_000, false]);
  assert.deepEqual([full.uplink, full.limited], [400_000, true]);
  const reporter = new Reporter();
  const other = { ...link({ availableOutgoingBitrate: 300_000 }), neighbour: "cleo" };
  reporter.look([link(path), other, { ...link({}), neighbour: "seat" }], [], 0);
  assert.equal(reporter.report(MACHINE).uplink, 700_000);
  assert.deepEqual(Object.keys(reporter.report(MACHINE).neighbours), ["ben", "cleo", "seat"]);
});

test("Firefox marks the path itself", () => {
  const reporter = new Reporter();
  const stats = [{ type: "candidate-pair", id: "x", selected: true, currentRoundTripTime: 0.01 }];
  reporter.look([{ neighbour: "ben", stats, receives: [] }], [], 0);
  const { uplink, neighbours } = reporter.report(MACHINE);
  assert.deepEqual([uplink, neighbours], [null, { ben: { round_trip_ms: 10 } }]);
});

test("bit rate and losses are those since the last look", () => {
  const [first, second, third] = reports(
    link({}, { bytesReceived: 100_000, packetsReceived: 500, packetsLost: 100 }),
    link({}, { bytesReceived: 110_000, packetsReceived: 590, packetsLost: 110 }),
    // A packet that came late after all makes the browser's count go down.
    link({}, { bytesReceived: 110_000, packetsReceived: 590, packetsLost: 109 }),
  ).map(({ receives }) => receives[0]);
  assert.deepEqual([first.bitrate, first.loss], [0, 0]);
  assert.deepEqual([second.bitrate, second.loss], [40_000, 0.1]);
  assert.deepEqual([third.bitrate, third.loss], [0, 0]);
});

test("pictures stand still as the browser counts it, summed up since the edge began", () => {
  const frozen = (freezeCount, totalFreezesDuration) =>
    link({}, { freezeCount, totalFreezesDuration }, "high");
  const all = reports(frozen(3, 1.5), frozen(4, 2), frozen(4, 2), frozen(6, 2.75));
  assert.deepEqual(
    all.map(({ receives: [edge] }) => [edge.stalls, edge.stalled_ms]),
    [[0, 0], [1, 500], [1, 500], [3, 1250]],
  );
});

test("sound stands still where much is made up at a stretch", () => {
  const made = (milliseconds, concealmentEvents) =>
    link({}, { concealedSamples: 48 * milliseconds, concealmentEvents });
  const all = reports(
    made(1_000, 50),
    made(1_100, 60), // ten packets here and there
    made(1_400, 61), // a gap
    made(3_400, 61), // that goes on
    made(3_500, 61), // and ends
    made(3_900, 62),
  );
  assert.deepEqual(
    all.map(({ receives: [edge] }) => [edge.stalls, edge.stalled_ms]),
    [[0, 0], [0, 0], [1, 300], [1, 2_300], [1, 2_300], [2, 2_700]],
  );
});

test("a transceiver that carries another stream begins anew", () => {
  const reporter = new Reporter();
  const counted = { freezeCount: 2, totalFreezesDuration: 1, bytesReceived: 10 };
  reporter.look([link({}, { ...counted, freezeCount: 0 }, "high")], [], 0);
  reporter.look([link({}, counted, "high")], [], 2_000);
  assert.equal(reporter.report(MACHINE).receives[0].stalls, 2);
  const other = link({}, counted, "high");
  other.receives[0].source = "cleo";
  reporter.look([other], [], 4_000);
  assert.equal(reporter.report(MACHINE).receives[0].stalls, 0);
});

test("what is sent on an edge is told with its method", () => {
  const reporter = new Reporter();
  const edge = { source: "ana", kind: "low", child: "ben", method: "swap", frames: 1, height: 90 };
  reporter.look([], [{ ...edge, octets: 10_000, forwarded: 1 }], 0);
  reporter.look([], [{ ...edge, octets: 35_000, forwarded: 2 }], 2_000);
  assert.deepEqual(reporter.report(MACHINE).sends, [
    { source: "ana", kind: "low", child: "ben", method: "swap", bitrate: 100_000 },
  ]);
});

test("whatever a browser counts, all members are what the server takes", () => {
  const odd = [NaN, -1, Infinity, undefined, null, "1", {}];
  for (const value of odd) {
    const inbound = Object.fromEntries(
      ["bytesReceived", "packetsReceived", "packetsLost", "concealedSamples", "concealmentEvents"]
        .concat(["totalSamplesReceived", "totalSamplesDuration", "freezeCount"])
        .map((name) => [name, value]),
    );
    const path = { availableOutgoingBitrate: value, bytesSent: value };
    for (const { uplink, receives } of reports(link(path, inbound), link(path, inbound))) {
      assert.equal(uplink, null);
      assert.deepEqual(
        Object.values(receives[0]).filter((one) => typeof one === "number"),
        [0, 0, 0, 0],
      );
    }
  }
});
