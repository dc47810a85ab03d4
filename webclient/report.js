/**
 * From what the browser counts (W3C WebRTC Statistics) to `report`; docs/protocol.md, "Reports".
 *
 * Pure. Counters go on for as long as their transceiver lives, whatever it carries, so all that is
 * told are differences between one look and the next. Whatever a browser leaves out or makes
 * negative, no member is ever something that the server does not take.
 */

/** @import {EdgeStats} from "./senders.js" */
/** @import {Method} from "./method.js" */
/** @import {StreamKind} from "./protocol.js" */

/** A connection is at its limit from this part of its estimate on. An estimate that nobody uses up
 * stays at one and a half times of what is sent, and that is no limit. */
const USED_UP = 0.8;
/** Sound that was made up for so long at a stretch stood still. */
const STALL_MS = 200;
const SAMPLE_RATE = 48_000;
const MAX_EDGES = 2_048;
const MAX_NEIGHBOURS = 512;

/** @typedef {{cpu: "nominal" | "fair" | "serious" | "critical" | null, battery: number | null}} Machine */
/**
 * @typedef {{source: string, kind: StreamKind, parent: string, bitrate: number, loss: number,
 *   stalls: number, stalled_ms: number}} Receiving
 * @typedef {{source: string, kind: StreamKind, child: string, method: Method, bitrate: number}}
 *   Sending
 */
/**
 * How we do; `receives` and `sends` now and then.
 *
 * @typedef {object} ReportMembers
 * @property {number | null} uplink bit/s, estimated
 * @property {boolean} limited whether that is a limit, or only what was tried so far
 * @property {Record<string, {round_trip_ms: number | null}>} neighbours
 * @property {Receiving[]} [receives]
 * @property {Sending[]} [sends]
 * @typedef {ReportMembers & Machine} Report
 */

/** @typedef {Record<string, any>} Counters one of the browser's reports */

/**
 * One connection, as it is now.
 *
 * @typedef {object} Link
 * @property {string} neighbour
 * @property {Iterable<Counters>} stats of its RTCPeerConnection
 * @property {{source: string, kind: StreamKind, track: string}[]} receives by id of the track
 */

/** @typedef {{octets: number, received: number, lost: number, stalls: number, stalledMs: number,
 *   concealed: number, events: number, rate: number}} Arrived */

export class Reporter {
  /** Milliseconds.
   * @type {number | null} */
  #at = null;
  /** By id of the track.
   * @type {Map<string, Arrived>} */
  #arrived = new Map();
  /** What has stood still on each edge since it began.
   * @type {Map<string, {stalls: number, stalledMs: number, still: boolean}>} */
  #stalls = new Map();
  /** Octets sent on each edge.
   * @type {Map<string, number>} */
  #sent = new Map();
  /** Octets sent on each connection.
   * @type {Map<string, number>} */
  #onPath = new Map();
  /** @type {Omit<Report, "cpu" | "battery">} */
  #seen = { uplink: null, limited: false, neighbours: {} };

  /**
   * Takes in how all connections are at `now` (ms), and what is sent on them.
   *
   * @param {readonly Link[]} links
   * @param {readonly EdgeStats[]} sends
   * @param {number} now
   */
  look(links, sends, now) {
    const seconds = this.#at === null ? 0 : (now - this.#at) / 1000;
    this.#at = now;
    this.#seen = {
      ...this.#paths(links, seconds),
      receives: this.#receives(links, seconds).slice(0, MAX_EDGES),
      sends: this.#sends(sends, seconds).slice(0, MAX_EDGES),
    };
  }

  /**
   * The message; what flows on each edge is in the first one after each look only.
   *
   * @param {Machine} machine
   * @returns {Report}
   */
  report(machine) {
    const { receives: _receives, sends: _sends, ...rest } = this.#seen;
    const report = { ...this.#seen, ...machine };
    this.#seen = rest;
    return report;
  }

  /**
   * @param {readonly Link[]} links
   * @param {number} seconds since the last look
   */
  #paths(links, seconds) {
    /** @type {Record<string, {round_trip_ms: number | null}>} */
    const neighbours = {};
    /** @type {number | null} */
    let uplink = null;
    let limited = false;
    const before = this.#onPath;
    this.#onPath = new Map();
    for (const { neighbour, stats } of links.slice(0, MAX_NEIGHBOURS)) {
      const path = selectedPath([...stats]);
      const roundTrip = path?.currentRoundTripTime;
      neighbours[neighbour] = { round_trip_ms: roundTrip === undefined ? null : ms(roundTrip) };
      const octets = amount(path?.bytesSent);
      this.#onPath.set(neighbour, octets);
      const estimate = amount(path?.availableOutgoingBitrate);
      if (estimate === 0) continue;
      uplink = (uplink ?? 0) + estimate;
      const sent = bitrate(octets - (before.get(neighbour) ?? octets), seconds);
      if (sent >= USED_UP * estimate) limited = true;
    }
    return { uplink, limited, neighbours };
  }

  /**
   * @param {readonly Link[]} links
   * @param {number} seconds
   * @returns {Receiving[]}
   */
  #receives(links, seconds) {
    const before = this.#arrived;
    const stalls = this.#stalls;
    this.#arrived = new Map();
    this.#stalls = new Map();
    return links.flatMap(({ neighbour, stats, receives }) => {
      const inbound = new Map([...stats].filter(isInbound).map((one) => [one.trackIdentifier, one]));
      return receives.flatMap(({ source, kind, track }) => {
        const counters = inbound.get(track);
        if (counters === undefined) return [];
        const now = arrived(counters);
        const last = before.get(track) ?? now;
        const key = JSON.stringify([source, kind, neighbour]);
        const old = stalls.get(key) ?? { stalls: 0, stalledMs: 0, still: false };
        const stood = kind === "audio" ? soundStood(last, now, old.still) : pictureStood(last, now);
        const sum = {
          stalls: old.stalls + stood.stalls,
          stalledMs: old.stalledMs + stood.stalledMs,
          still: stood.still,
        };
        this.#arrived.set(track, now);
        this.#stalls.set(key, sum);
        const lost = amount(now.lost - last.lost);
        const all = lost + amount(now.received - last.received);
        return {
          source,
          kind,
          parent: neighbour,
          bitrate: bitrate(now.octets - last.octets, seconds),
          loss: all === 0 ? 0 : lost / all,
          stalls: sum.stalls,
          stalled_ms: sum.stalledMs,
        };
      });
    });
  }

  /**
   * @param {readonly EdgeStats[]} edges
   * @param {number} seconds
   * @returns {Sending[]}
   */
  #sends(edges, seconds) {
    const before = this.#sent;
    this.#sent = new Map();
    return edges.map(({ source, kind, child, method, octets }) => {
      const key = JSON.stringify([source, kind, child]);
      this.#sent.set(key, octets);
      const since = octets - (before.get(key) ?? octets);
      return { source, kind, child, method, bitrate: bitrate(since, seconds) };
    });
  }
}

/** @param {Counters} one */
const isInbound = (one) => one.type === "inbound-rtp" && typeof one.trackIdentifier === "string";

/**
 * The pair of candidates in use. Firefox marks it itself; its transport names none.
 *
 * @param {Counters[]} all
 */
function selectedPath(all) {
  const pairs = all.filter(({ type }) => type === "candidate-pair");
  const named = all.find(({ type }) => type === "transport")?.selectedCandidatePairId;
  return (
    pairs.find(({ id, selected }) => selected === true || (named !== undefined && id === named)) ??
    pairs.find(({ nominated, state }) => nominated === true && state === "succeeded")
  );
}

/**
 * @param {Counters} counters
 * @returns {Arrived}
 */
function arrived(counters) {
  const seconds = amount(counters.totalSamplesDuration);
  return {
    octets: amount(counters.bytesReceived),
    received: amount(counters.packetsReceived),
    lost: amount(counters.packetsLost),
    stalls: amount(counters.freezeCount),
    stalledMs: ms(counters.totalFreezesDuration),
    concealed: amount(counters.concealedSamples),
    events: amount(counters.concealmentEvents),
    rate: seconds > 0 ? amount(counters.totalSamplesReceived) / seconds : SAMPLE_RATE,
  };
}

/**
 * @param {Arrived} last
 * @param {Arrived} now
 */
function pictureStood(last, now) {
  const stalls = Math.round(amount(now.stalls - last.stalls));
  return { stalls, stalledMs: amount(now.stalledMs - last.stalledMs), still: false };
}

/**
 * Sound has no freezes, it has samples that were made up: many at once are a stall. One that began
 * before the last look is the same one for as long as no other event begins.
 *
 * @param {Arrived} last
 * @param {Arrived} now
 * @param {boolean} still whether it stood still at the last look
 */
function soundStood(last, now, still) {
  const made = (1000 * amount(now.concealed - last.concealed)) / (now.rate || SAMPLE_RATE);
  const events = Math.round(amount(now.events - last.events));
  if (made === 0 || made / Math.max(events, 1) < STALL_MS) {
    return { stalls: 0, stalledMs: 0, still: false };
  }
  return { stalls: events === 0 && still ? 0 : Math.max(events, 1), stalledMs: made, still: true };
}

/**
 * @param {unknown} value
 */
function amount(value) {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}

/** @param {unknown} seconds */
function ms(seconds) {
  return 1000 * amount(seconds);
}

/**
 * @param {number} octets
 * @param {number} seconds
 */
function bitrate(octets, seconds) {
  return seconds > 0 ? Math.round((8 * amount(octets)) / seconds) : 0;
}
