/** PURE: what figures mean, and how they are written for people. */

/** @import {Edge, Picture} from "./timeline.js" */

/** @typedef {"good" | "fair" | "bad" | "unknown"} Health */

/** Parts of the packets; as the gateway judges phones. */
const FAIR_LOSS = 0.01;
const BAD_LOSS = 0.05;
/** A stall is seen for so long after it was told, seconds. */
const STALL_SEEN = 10;

/** The gateway's own node. */
export const SEAT = "seat";

/**
 * From where the streams of a source come; null while it is not in the room.
 *
 * @param {Picture} picture
 * @param {string} source
 */
export function rootOf({ participants }, source) {
  const who = participants.get(source);
  if (who === undefined) return null;
  return who.kind === "web" ? source : SEAT;
}

/** @type {Health[]} */
const FROM_BEST = ["unknown", "good", "fair", "bad"];

/**
 * @param {Edge} edge
 * @param {number} now
 * @returns {Health}
 */
export function healthOf(edge, now) {
  if (edge.stalled_at !== undefined && now - edge.stalled_at < STALL_SEEN) return "bad";
  if (edge.loss === undefined) return "unknown";
  if (edge.loss > BAD_LOSS) return "bad";
  return edge.loss > FAIR_LOSS ? "fair" : "good";
}

/**
 * @param {readonly Health[]} healths
 * @returns {Health}
 */
export function worst(healths) {
  return healths.reduce(
    (one, other) => (FROM_BEST.indexOf(other) > FROM_BEST.indexOf(one) ? other : one),
    /** @type {Health} */ ("unknown"),
  );
}

/** @type {Record<string, string>} */
export const KINDS = { audio: "Sound", low: "Picture, small", high: "Picture", screen: "Screen" };

/** @type {Record<string, string>} */
export const METHODS = {
  own: "own: encoded at the source",
  swap: "swap: passed on as it came",
  reforward: "reforward: encoded anew",
};

/** @param {number | null | undefined} bitrate in bit/s */
export function bitrateText(bitrate) {
  if (bitrate === undefined || bitrate === null) return "";
  if (bitrate >= 999_500) return `${(bitrate / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bitrate / 1000)} kbit/s`;
}

/** @param {number | undefined} loss 0 to 1 */
export function lossText(loss) {
  if (loss === undefined) return "";
  const percent = loss * 100;
  return percent === 0 ? "0 %" : `${percent < 1 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** @param {number | undefined} trip in ms */
export function tripText(trip) {
  return trip === undefined ? "" : `${trip < 10 ? trip.toFixed(1) : Math.round(trip)} ms`;
}

/**
 * What stands beside an edge.
 *
 * @param {Edge} edge
 * @param {number | undefined} trip
 */
export function edgeText(edge, trip) {
  if (edge.state === "standby") return ["standby", tripText(trip)].filter(Boolean).join(" · ");
  const loss = edge.loss ? `${lossText(edge.loss)} lost` : "";
  const bitrate = bitrateText(edge.bitrate ?? edge.sent);
  const state = edge.state === "starting" ? "starting" : (edge.method ?? "");
  return [state, bitrate, tripText(trip), loss].filter(Boolean).join(" · ");
}

/**
 * Whether the parent only passes on what it got; the seat sends what phones made.
 *
 * @param {Edge} edge
 */
export function isRelayed({ source, parent }) {
  return parent !== source && parent !== SEAT;
}

/**
 * In one sentence, for those who do not see the drawing.
 *
 * @param {Picture} picture
 */
export function summary({ participants, edges }) {
  const standing = edges.filter(({ state }) => state !== "standby");
  const trees = new Set(standing.map(({ kind, source }) => `${kind} ${source}`)).size;
  const relays = new Set(standing.filter(isRelayed).map(({ parent }) => parent));
  const people = [...participants.values()].filter(({ kind }) => kind !== "seat").length;
  return `${count(people, "participant")}, ${count(trees, "tree")}, ${count(standing.length, "edge")}, ${count(relays.size, "relay")}`;
}

/**
 * @param {number} number
 * @param {string} what
 */
export function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
