/** The same as the drawing in rows, for screen readers and for figures. */

import { shownName } from "../names.js";
import { bitrateText, healthOf, KINDS, lossText, tripText } from "./health.js";
import { edgesOf, pairOf } from "./timeline.js";

/** @import {Edge, Picture} from "./timeline.js" */

/** A room of 100 has ten thousand edges: nobody reads those. */
const MOST_ROWS = 400;

/** @type {Record<import("./health.js").Health, number>} */
const URGENCY = { bad: 0, fair: 1, unknown: 2, good: 3 };

/**
 * @param {HTMLTableSectionElement} body
 * @param {HTMLElement} note says what is left out
 * @param {Picture} picture
 * @param {{source: string | null, kind: string | null}} look what is asked for
 * @param {number} now
 */
export function showTable(body, note, picture, look, now) {
  const edges = edgesOf(picture.edges, look)
    .map((edge) => ({ edge, health: healthOf(edge, now) }))
    .sort((one, other) => URGENCY[one.health] - URGENCY[other.health]);
  const shown = edges.slice(0, MOST_ROWS);
  body.replaceChildren(...shown.map(({ edge, health }) => row(edge, health, picture)));
  const left = edges.length - shown.length;
  note.textContent =
    left > 0 ? `${left} more edges are not shown: choose whose stream you want to see.` : "";
  if (edges.length === 0) note.textContent = "No streams flow now.";
}

/**
 * @param {Edge} edge
 * @param {string} health
 * @param {Picture} picture
 */
function row(edge, health, picture) {
  const name = (/** @type {string} */ id) => shownName(picture.participants.get(id)?.name ?? id);
  const element = document.createElement("tr");
  element.className = `${edge.state} ${health}`;
  const cells = [
    name(edge.parent),
    name(edge.child),
    name(edge.source),
    KINDS[edge.kind] ?? edge.kind,
    edge.state,
    edge.method ?? "",
    bitrateText(edge.bitrate ?? edge.sent),
    tripText(picture.trips.get(pairOf(edge.parent, edge.child))),
    lossText(edge.loss),
    edge.stalls ? `${edge.stalls} (${(edge.stalled_ms ?? 0) / 1000} s)` : "",
  ];
  element.append(
    ...cells.map((words, index) => {
      const cell = document.createElement(index === 0 ? "th" : "td");
      if (cell.tagName === "TH") cell.setAttribute("scope", "row");
      cell.textContent = words;
      return cell;
    }),
  );
  return element;
}
