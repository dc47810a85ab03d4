/** Everything about one node: how it does, what it gets and what it sends. */

import { shownName } from "../names.js";
import { byId } from "../views/dom.js";
import { bitrateText, count, edgeText, isRelayed, KINDS, lossText } from "./health.js";
import { pairOf } from "./timeline.js";

/** @import {Edge, Participant, Picture} from "./timeline.js" */

/** @type {Record<string, string>} */
const HOW = {
  web: "Joined by browser",
  sip: "Joined by phone",
  xmpp: "Joined by XMPP",
  seat: "The gateway's own place, for phones and XMPP clients",
};

export class DetailsView {
  #panel = byId("details", HTMLElement);
  #name = byId("details-name", HTMLElement);
  #facts = byId("details-facts", HTMLElement);
  #lists = byId("details-lists", HTMLElement);

  /** @param {() => void} onClose */
  constructor(onClose) {
    byId("details-close-button", HTMLButtonElement).onclick = onClose;
  }

  /**
   * @param {string | null} id
   * @param {Picture} picture
   */
  render(id, picture) {
    this.#panel.hidden = id === null;
    if (id === null) return;
    const participant = picture.participants.get(id);
    this.#name.textContent = shownName(participant?.name ?? id);
    this.#facts.replaceChildren(...facts(id, participant, picture).map(item));
    const gets = picture.edges.filter(({ child }) => child === id);
    const sends = picture.edges.filter(({ parent }) => parent === id);
    this.#lists.replaceChildren(
      ...list("Gets", gets, (edge) => edge.parent, picture),
      ...list("Sends", sends, (edge) => edge.child, picture),
    );
  }
}

/**
 * @param {string} id
 * @param {Participant | undefined} participant
 * @param {Picture} picture
 */
function facts(id, participant, picture) {
  if (participant === undefined) return [`${id} has left.`];
  const { kind, online, uplink, cpu, battery, quality, loss, codec } = participant;
  const standing = picture.edges.filter(({ state }) => state !== "standby");
  const sent = standing.filter(({ parent }) => parent === id);
  const ends = standing.filter(({ parent, child }) => [parent, child].includes(id));
  const neighbours = new Set(ends.flatMap(({ parent, child }) => [parent, child])).size;
  return [
    HOW[kind] ?? kind,
    id === kind ? "" : id,
    online === false ? "Offline: nothing has come from it for some seconds" : "",
    `${count(Math.max(neighbours - 1, 0), "neighbour")}, sends ${count(sent.length, "stream")}, ` +
      `${sent.filter(isRelayed).length} of them relayed`,
    uplink ? `Uplink ${bitrateText(uplink)}` : "",
    cpu ? `Processor ${cpu}` : "",
    typeof battery === "number" ? `Battery ${Math.round(battery * 100)} %` : "",
    quality ? `Quality ${quality}, ${lossText(loss)} missing, ${codec}` : "",
  ].filter(Boolean);
}

/**
 * @param {string} heading
 * @param {Edge[]} edges
 * @param {(edge: Edge) => string} other the other end
 * @param {Picture} picture
 */
function list(heading, edges, other, picture) {
  if (edges.length === 0) return [];
  const name = (/** @type {string} */ id) => shownName(picture.participants.get(id)?.name ?? id);
  const title = document.createElement("h3");
  title.textContent = heading;
  const items = document.createElement("ul");
  items.append(
    ...edges.map((edge) => {
      const trip = picture.trips.get(pairOf(edge.parent, edge.child));
      const what = `${name(edge.source)}, ${(KINDS[edge.kind] ?? edge.kind).toLowerCase()}`;
      const way = `${heading === "Gets" ? "from" : "to"} ${name(other(edge))}`;
      return item(`${what}, ${way}: ${edgeText(edge, trip)}`);
    }),
  );
  return [title, items];
}

/** @param {string} words */
function item(words) {
  const element = document.createElement("li");
  element.textContent = words;
  return element;
}
