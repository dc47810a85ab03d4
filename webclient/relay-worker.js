/**
 * The worker through which encoded frames pass: `exchange.js` on real transforms
 * (W3C WebRTC Encoded Transform). Frames need no timer, so a hidden page relays as a shown one does.
 */

import { Exchange } from "./exchange.js";
import { Faults, LOST } from "./faults.js";
import { Lookout } from "./lookout.js";
import { stampOf } from "./stamp.js";

/** @import {MediaKind} from "./protocol.js" */
/** @import {Counts, Order} from "./exchange.js" */
/** @import {Duty, Finding} from "./lookout.js" */

/** @typedef {RTCEncodedVideoFrame | RTCEncodedAudioFrame} Frame */
/** @typedef {{role: "feed" | "outlet", id: number, kind: MediaKind}} Options */
/**
 * TypeScript's library of pages lacks what only workers have.
 *
 * @typedef {object} Transformer
 * @property {ReadableStream<Frame>} readable
 * @property {WritableStream<Frame>} writable
 * @property {Options} options
 * @property {() => Promise<unknown>} sendKeyFrameRequest
 * @property {() => Promise<unknown>} [generateKeyFrame]
 */
/**
 * @typedef {{type: "order", outlet: number, order: Order} | {type: "counts", number: number}
 *   | {type: "forget", id: number} | {type: "duty", duty: Duty} | {type: "await", feed: number}
 *   | {type: "heard", neighbour: string}
 *   | {type: "fault", fault: import("./protocol.js").FaultMessage}} Request
 */
/**
 * @typedef {{type: "ready"} | {type: "paint" | "unfit", outlet: number}
 *   | {type: "levels", own: [number, number][]}
 *   | {type: "counts", number: number, counts: Counts}
 *   | {type: "error", text: string} | Finding} Report
 */

const LEVELS_INTERVAL_MS = 100;
/** The first frame tells the format, and a format does not change often. */
const CODEC_INTERVAL_FRAMES = 100;

/** @type {Exchange<Frame>} */
const exchange = new Exchange(() => crypto.getRandomValues(new Uint16Array(1))[0] ?? 0);
/** @type {Map<number, Transformer>} */
const feeds = new Map();
/** @type {Map<number, {transformer: Transformer, writer: WritableStreamDefaultWriter<Frame>}>} */
const outlets = new Map();
/** The loudest of each outlet's own sound since the last report, 0 to 1.
 * @type {Map<number, number>} */
const loudest = new Map();
let levelsAt = 0;
const faults = new Faults(Math.random);
/** In the order in which they go.
 * @type {{outlet: number, frame: Frame}[]} */
const held = [];

/** @param {Report} report */
const tell = (report) => globalThis.postMessage(report);

const lookout = new Lookout((finding) => {
  // Who is frozen gives no sign of life either.
  if (finding.type !== "beats" || !faults.frozen(performance.now())) tell(finding);
});

// @ts-ignore: the event is a worker's
globalThis.onrtctransform = ({ transformer }) => {
  const run = transformer.options.role === "feed" ? runFeed : runOutlet;
  run(transformer).catch((/** @type {unknown} */ error) => tell({ type: "error", text: `${error}` }));
};

globalThis.onmessage = (/** @type {MessageEvent<Request>} */ { data }) => {
  switch (data.type) {
    case "order":
      exchange.order(data.outlet, data.order, performance.now());
      return carryOut();
    case "forget":
      return forget(data.id);
    case "fault":
      return faults.begin(data.fault, performance.now());
    case "counts":
      return tell({ type: "counts", number: data.number, counts: exchange.counts() });
    case "duty":
      return lookout.serve(data.duty);
    case "await":
      return lookout.await(data.feed);
    case "heard":
      return lookout.heard(data.neighbour);
  }
};

/** @param {Transformer} transformer */
async function runFeed(transformer) {
  const { id, kind } = transformer.options;
  feeds.set(id, transformer);
  exchange.addFeed(id, kind);
  // Our own playback; and it is our decoder that asks upstream for what was lost.
  const local = transformer.writable.getWriter();
  let frames = 0;
  await each(transformer.readable, (frame) => {
    const isKey = isKeyFrame(frame);
    if (isKey || frames % CODEC_INTERVAL_FRAMES === 0) exchange.codec("feed", id, codecOf(frame));
    frames += 1;
    const { data } = frame;
    lookout.frame(id, data.byteLength);
    const payload = {
      data: exchange.listened(id) ? data.slice(0) : data,
      time: frame.timestamp,
      key: isKey,
      stamp: kind === "video" ? stampOf(data) : null,
      sequence: kind === "audio" ? sequenceOf(frame) : null,
    };
    exchange.payload(id, payload, performance.now());
    local.write(frame).catch(ignore);
    carryOut();
  });
  forget(id);
}

/** @param {Transformer} transformer */
async function runOutlet(transformer) {
  const { id, kind } = transformer.options;
  outlets.set(id, { transformer, writer: transformer.writable.getWriter() });
  exchange.addOutlet(id, kind);
  let frames = 0;
  await each(transformer.readable, (frame) => {
    const key = isKeyFrame(frame);
    if (key || frames % CODEC_INTERVAL_FRAMES === 0) exchange.codec("outlet", id, codecOf(frame));
    frames += 1;
    if (kind === "audio" && exchange.isOwn(id)) hear(id, frame);
    // Only what is passed on as it is has its data read.
    const dummy = { frame, time: frame.timestamp, key, data: () => frame.data };
    exchange.dummy(id, dummy, performance.now());
    carryOut();
  });
  forget(id);
}

/** @param {number} id of a feed or outlet whose connection is over */
function forget(id) {
  feeds.delete(id);
  outlets.delete(id);
  loudest.delete(id);
  exchange.remove(id);
}

/**
 * @param {ReadableStream<Frame>} readable
 * @param {(frame: Frame) => void} take
 */
async function each(readable, take) {
  const reader = readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    take(value);
  }
}

function carryOut() {
  const { write, askFeed, askOwn, paint, unfit } = exchange.drain();
  for (const { outlet, frame, data } of write) {
    if (frame.data !== data) frame.data = data;
    const hold = faults.hold(performance.now());
    if (hold === LOST) continue;
    lookout.sent(outlet);
    if (hold > 0) holdBack(outlet, frame, hold);
    else send(outlet, frame);
  }
  for (const feed of askFeed) feeds.get(feed)?.sendKeyFrameRequest().catch(ignore);
  // COMPAT: Chromium 156 has it not: there a change of size, or the page, brings the key frame.
  for (const outlet of askOwn) outlets.get(outlet)?.transformer.generateKeyFrame?.().catch(ignore);
  for (const outlet of new Set(paint)) tell({ type: "paint", outlet });
  for (const outlet of new Set(unfit)) tell({ type: "unfit", outlet });
}

/**
 * @param {number} outlet
 * @param {Frame} frame
 */
function send(outlet, frame) {
  outlets.get(outlet)?.writer.write(frame).catch(ignore);
}

/**
 * @param {number} outlet
 * @param {Frame} frame
 * @param {number} ms not less than before, but for what has passed since: none overtakes another
 */
function holdBack(outlet, frame, ms) {
  held.push({ outlet, frame });
  setTimeout(() => {
    const first = held.shift();
    if (first !== undefined) send(first.outlet, first.frame);
  }, ms);
}

/** A stream that ended while a frame was on its way: the reader's end tells. */
function ignore() {}

/**
 * The sender's own measure (RFC 6464): right also where the page is hidden or has no sound card.
 *
 * @param {number} id
 * @param {Frame} frame
 */
function hear(id, frame) {
  const level = /** @type {{audioLevel?: number}} */ (frame.getMetadata()).audioLevel ?? 0;
  loudest.set(id, Math.max(level, loudest.get(id) ?? 0));
  const now = performance.now();
  if (now - levelsAt < LEVELS_INTERVAL_MS) return;
  levelsAt = now;
  tell({ type: "levels", own: [...loudest] });
  loudest.clear();
}

/** @param {Frame} frame */
function isKeyFrame(frame) {
  return "type" in frame && frame.type === "key";
}

/** @param {Frame} frame */
function codecOf(frame) {
  return /** @type {{mimeType?: string}} */ (frame.getMetadata()).mimeType ?? "";
}

/** @param {Frame} frame */
function sequenceOf(frame) {
  return /** @type {{sequenceNumber?: number}} */ (frame.getMetadata()).sequenceNumber ?? null;
}

tell({ type: "ready" });
