/** PURE: all trees at once: everybody on a circle, a line from each to each that it sends to. */

import { healthOf, isRelayed, worst } from "./health.js";

/** @import {Health} from "./health.js" */
/** @import {Edge, Picture} from "./timeline.js" */

/**
 * `turn`: the angle, radians; `relays`: how many streams it passes on for others.
 *
 * @typedef {{id: string, x: number, y: number, turn: number, relays: number}} Spot
 */
/**
 * From a parent to a child, of all trees. `relayed`: those of the `streams` that the parent only
 * passes on; `standby`: those that it would take over.
 *
 * @typedef {object} Line
 * @property {string} from
 * @property {string} to
 * @property {number} streams
 * @property {number} relayed
 * @property {number} standby
 * @property {Health} health
 */

/**
 * @param {Picture} picture
 * @param {readonly Edge[]} edges those to be drawn
 * @param {number} radius
 * @param {number} now
 * @returns {{spots: Map<string, Spot>, lines: Line[]}}
 */
export function circle(picture, edges, radius, now) {
  /** @type {Map<string, Spot>} */
  const spots = new Map();
  const ids = [...picture.participants.keys()];
  ids.forEach((id, index) => {
    const turn = (index / ids.length) * 2 * Math.PI - Math.PI / 2;
    const [x, y] = [radius * Math.cos(turn), radius * Math.sin(turn)];
    spots.set(id, { id, x, y, turn, relays: 0 });
  });
  /** @type {Map<string, Line>} */
  const lines = new Map();
  for (const edge of edges) {
    const { parent: from, child: to } = edge;
    const sender = spots.get(from);
    if (sender === undefined || !spots.has(to)) continue;
    const key = `${from} ${to}`;
    /** @type {Line} */
    const line = lines.get(key) ?? { from, to, streams: 0, relayed: 0, standby: 0, health: "unknown" };
    lines.set(key, line);
    if (edge.state === "standby") {
      line.standby += 1;
      continue;
    }
    line.streams += 1;
    line.health = worst([line.health, healthOf(edge, now)]);
    if (isRelayed(edge)) {
      line.relayed += 1;
      sender.relays += 1;
    }
  }
  return { spots, lines: [...lines.values()] };
}
