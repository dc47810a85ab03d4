/** The drawing: one tree, or all of them over one circle of peers. */

import { shownName } from "../names.js";
import { circle } from "./circle.js";
import { count, edgeText, healthOf, rootOf, tripText } from "./health.js";
import { tidyTree } from "./tidytree.js";
import { edgesOf, pairOf } from "./timeline.js";

/** @import {Edge, Picture} from "./timeline.js" */
/** @import {Line, Spot} from "./circle.js" */
/** @import {Layout, Placed} from "./tidytree.js" */

/** `source` null: all trees; `kind` null: of every kind. `chosen`: the node that is looked at. */
/** @typedef {{source: string | null, kind: string | null, chosen: string | null}} Look */

const SPACE = "http://www.w3.org/2000/svg";
const BOX = { width: 132, height: 26 };
/** Between columns and rows; with many nodes there is no room for texts beside the lines. */
const WIDE = { column: BOX.width + 215, row: 46 };
const TIGHT = { column: BOX.width + 70, row: 29 };
const MOST_WIDE = 30;
const MARGIN = 16;
/** With more nodes than that names point outwards, so that they do not meet. */
const MOST_LEVEL = 24;
/** With more lines than that, their texts would only cover each other. */
const MOST_TEXTS = 40;
const LONGEST_NAME = 17;

export class Drawing {
  #svg;
  #onChoose;
  /** The tree that is drawn. */
  #shown = "";

  /**
   * @param {SVGSVGElement} svg
   * @param {(node: string) => void} onChoose
   */
  constructor(svg, onChoose) {
    this.#svg = svg;
    this.#onChoose = onChoose;
    svg.addEventListener("click", (event) => this.#choose(event));
    svg.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.#choose(event);
    });
  }

  /**
   * @param {Picture} picture
   * @param {Look} look
   * @param {number} now
   */
  render(picture, look, now) {
    const edges = edgesOf(picture.edges, look);
    const focused = document.activeElement?.getAttribute("data-node") ?? null;
    if (look.source === null) this.#drawCircle(picture, edges, look, now);
    else this.#drawTree(picture, edges, look.source, look, now);
    if (focused !== null) this.#nodeOf(focused)?.focus({ preventScroll: true });
  }

  /**
   * @param {Picture} picture
   * @param {Edge[]} edges
   * @param {string} source
   * @param {Look} look
   * @param {number} now
   */
  #drawTree(picture, edges, source, look, now) {
    const root = rootOf(picture, source);
    if (root === null) {
      this.#show([], 0, 0, 1, 1);
      return;
    }
    const layout = tidyTree(root, edges);
    const texts = layout.nodes.length <= MOST_WIDE;
    const { column, row } = texts ? WIDE : TIGHT;
    const places = new Map(
      layout.nodes.map((node) => {
        return [node.id, { x: MARGIN + node.column * column, y: MARGIN + (node.row + 0.5) * row }];
      }),
    );
    const lines = [...layout.others, ...layout.feeds].map((edge) =>
      treeLine(edge, places, picture, now, look.chosen, texts),
    );
    const boxes = layout.nodes.map((node) => box(node, places, picture, look.chosen, root));
    const width = (layout.columns - 1) * column + BOX.width + 2 * MARGIN;
    const height = Math.max(layout.rows, 1) * row + 2 * MARGIN;
    this.#show([...lines.flat(), ...boxes], 0, 0, width, height);
    this.#svg.setAttribute("width", String(width));
    this.#svg.setAttribute("height", String(height));
    this.#svg.classList.remove("fits");
    const shown = `${look.source} ${look.kind}`;
    // Another tree: its root comes into sight.
    if (this.#shown !== shown) this.#nodeOf(root)?.scrollIntoView({ block: "center" });
    this.#shown = shown;
  }

  /**
   * @param {Picture} picture
   * @param {Edge[]} edges
   * @param {Look} look
   * @param {number} now
   */
  #drawCircle(picture, edges, look, now) {
    const radius = Math.max(190, 4.2 * picture.participants.size);
    const { spots, lines } = circle(picture, edges, radius, now);
    const texts = lines.length <= MOST_TEXTS;
    const drawn = lines.flatMap((line) => circleLine(line, spots, picture, texts, look.chosen));
    const nodes = [...spots.values()].map((one) => disc(one, picture, look.chosen));
    const reach = radius + 150;
    this.#show([...drawn, ...nodes], -reach, -reach, 2 * reach, 2 * reach);
    this.#svg.removeAttribute("width");
    this.#svg.removeAttribute("height");
    this.#svg.classList.add("fits");
    this.#shown = "";
  }

  /**
   * @param {SVGElement[]} elements
   * @param {number[]} viewBox
   */
  #show(elements, ...viewBox) {
    this.#svg.setAttribute("viewBox", viewBox.join(" "));
    this.#svg.querySelector("g")?.replaceChildren(...elements);
  }

  /** @param {Event} event */
  #choose({ target }) {
    const node = target instanceof Element ? target.closest("[data-node]") : null;
    const id = node?.getAttribute("data-node");
    if (id) this.#onChoose(id);
  }

  /**
   * @param {string} id
   * @returns {SVGGElement | null}
   */
  #nodeOf(id) {
    return this.#svg.querySelector(`[data-node="${CSS.escape(id)}"]`);
  }
}

/** @typedef {Map<string, {x: number, y: number}>} Places the left ends of boxes, in the middle */

/**
 * @param {Placed} node
 * @param {Places} places
 * @param {Picture} picture
 * @param {string | null} chosen
 * @param {string} root
 */
function box(node, places, picture, chosen, root) {
  const { x, y } = places.get(node.id) ?? { x: 0, y: 0 };
  const group = nodeGroup(node.id, picture, chosen);
  group.classList.toggle("root", node.id === root);
  group.classList.toggle("cut", node.cut);
  group.append(
    draw("rect", { x, y: y - BOX.height / 2, ...BOX, rx: 7 }),
    text(nameOf(node.id, picture), { x: x + BOX.width / 2, y: y + 4.5, "text-anchor": "middle" }),
  );
  return group;
}

/**
 * @param {Edge} edge
 * @param {Places} places
 * @param {Picture} picture
 * @param {number} now
 * @param {string | null} chosen
 * @param {boolean} texts
 */
function treeLine(edge, places, picture, now, chosen, texts) {
  const [from, to] = [places.get(edge.parent), places.get(edge.child)];
  if (from === undefined || to === undefined) return [];
  // In a large tree only those of the node that is looked at: all of them would cover it.
  const isAside = edge.state === "standby" && ![edge.parent, edge.child].includes(chosen ?? "");
  if (!texts && isAside) return [];
  const [x1, x2] = [from.x + BOX.width, to.x];
  const bend = Math.max(30, (x2 - x1) / 2);
  const d = `M${x1},${from.y} C${x1 + bend},${from.y} ${x2 - bend},${to.y} ${x2},${to.y}`;
  const line = draw("path", { d, class: `edge ${edge.state} ${healthOf(edge, now)}` });
  line.classList.toggle("aside", chosen !== null && ![edge.parent, edge.child].includes(chosen));
  line.setAttribute("data-edge", `${edge.parent} ${edge.child}`);
  const trip = picture.trips.get(pairOf(edge.parent, edge.child));
  const written = edgeText(edge, trip);
  line.append(title(`${nameOf(edge.parent, picture)} → ${nameOf(edge.child, picture)}: ${written}`));
  if (!texts || edge.state === "standby" || written === "") return [line];
  const label = text(written, { x: x2 - 8, y: to.y - 6, "text-anchor": "end", class: "label" });
  return [line, label];
}

/**
 * @param {Line} line
 * @param {Map<string, Spot>} spots
 * @param {Picture} picture
 * @param {boolean} texts
 * @param {string | null} chosen
 */
function circleLine(line, spots, picture, texts, chosen) {
  const [from, to] = [spots.get(line.from), spots.get(line.to)];
  if (from === undefined || to === undefined) return [];
  // Bent to its right, so that both directions can be seen.
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const [middleX, middleY] = [(from.x + to.x) / 2 - dy * 0.12, (from.y + to.y) / 2 + dx * 0.12];
  const state = line.streams > 0 ? "live" : "standby";
  const path = draw("path", {
    d: `M${from.x},${from.y} Q${middleX},${middleY} ${to.x},${to.y}`,
    class: `edge ${state} ${line.health}`,
    "stroke-width": line.streams > 0 ? 1.2 + Math.min(line.relayed, 8) * 0.7 : 1,
    "marker-end": line.streams > 0 ? "url(#arrow)" : "",
  });
  path.classList.toggle("aside", chosen !== null && ![line.from, line.to].includes(chosen));
  path.setAttribute("data-edge", `${line.from} ${line.to}`);
  const trip = tripText(picture.trips.get(pairOf(line.from, line.to)));
  const relayed = line.relayed > 0 ? `, ${line.relayed} relayed` : "";
  const what = line.streams > 0 ? `${count(line.streams, "stream")}${relayed}` : "standby";
  const written = [what, trip].filter(Boolean).join(" · ");
  path.append(title(`${nameOf(line.from, picture)} → ${nameOf(line.to, picture)}: ${written}`));
  if (!texts || line.streams === 0) return [path];
  // Nearer to the sender: there no two of them meet.
  const along = (/** @type {number[]} */ [start = 0, middle = 0, end = 0]) =>
    0.42 * start + 0.46 * middle + 0.12 * end;
  const [x, y] = [along([from.x, middleX, to.x]), along([from.y, middleY, to.y])];
  return [path, text(written, { x, y, "text-anchor": "middle", class: "label" })];
}

/**
 * @param {Spot} at
 * @param {Picture} picture
 * @param {string | null} chosen
 */
function disc({ id, x, y, turn, relays }, picture, chosen) {
  const radius = 7 + Math.min(Math.sqrt(relays) * 2.2, 14);
  const group = nodeGroup(id, picture, chosen);
  const away = radius + 6;
  const isLeft = Math.cos(turn) < -0.01;
  const level = picture.participants.size <= MOST_LEVEL;
  const degrees = level ? 0 : (turn * 180) / Math.PI + (isLeft ? 180 : 0);
  const isAside = !level || Math.abs(Math.cos(turn)) > 0.01;
  const label = text(nameOf(id, picture), {
    transform: `translate(${x + away * Math.cos(turn)} ${y + away * Math.sin(turn)}) rotate(${degrees})`,
    "text-anchor": isAside ? (isLeft ? "end" : "start") : "middle",
    dy: level ? 4.5 + 6 * Math.sin(turn) : 4.5,
  });
  group.append(draw("circle", { cx: x, cy: y, r: radius }), label);
  return group;
}

/**
 * @param {string} id
 * @param {Picture} picture
 * @param {string | null} chosen
 */
function nodeGroup(id, picture, chosen) {
  const participant = picture.participants.get(id);
  const group = draw("g", { class: `node ${participant?.kind ?? "gone"}`, role: "button", tabindex: 0 });
  group.setAttribute("data-node", id);
  group.setAttribute("aria-label", shownName(participant?.name ?? id));
  group.setAttribute("aria-pressed", String(id === chosen));
  group.classList.toggle("offline", participant?.online === false);
  group.append(title(`${shownName(participant?.name ?? "somebody who has left")} (${id})`));
  return group;
}

/**
 * @param {string} id
 * @param {Picture} picture
 */
function nameOf(id, picture) {
  const name = shownName(picture.participants.get(id)?.name ?? id);
  const signs = [...name];
  return signs.length > LONGEST_NAME ? `${signs.slice(0, LONGEST_NAME - 1).join("")}…` : name;
}

/** @param {string} words */
function title(words) {
  const element = draw("title", {});
  element.textContent = words;
  return element;
}

/**
 * @param {string} words
 * @param {Record<string, string | number>} attributes
 */
function text(words, attributes) {
  const element = draw("text", attributes);
  element.textContent = words;
  return element;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function draw(name, attributes) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SPACE, name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
