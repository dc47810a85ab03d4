/** Who is here, and how each one joined. */

import { tails } from "../names.js";
import { qualityText } from "../room.js";
import { byId, copyOf, paintAvatar, setIcon, within, writeName } from "./dom.js";

/** @import {Kind, Participant, Quality} from "../protocol.js" */
/** @import {Room} from "../room.js" */

/** @type {Record<Kind, string>} */
const HOW = { web: "by browser", sip: "by phone", xmpp: "by XMPP" };

/** From this width on the roster stands beside the tiles; below it covers them. */
const WIDE = "(min-width: 900px)";

export class RosterView {
  #panel = byId("roster-panel", HTMLElement);
  #list = byId("roster", HTMLUListElement);
  #button = byId("roster-button", HTMLButtonElement);
  #count = byId("people-count", HTMLElement);

  constructor() {
    this.#button.onclick = () => this.show(Boolean(this.#panel.hidden));
    byId("roster-close-button", HTMLButtonElement).onclick = () => {
      this.show(false);
      this.#button.focus();
    };
    this.show(window.matchMedia(WIDE).matches);
  }

  /** @param {boolean} open */
  show(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
  }

  /** @param {Room} room */
  render({ participants, you, qualities }) {
    this.#count.textContent = String(participants.length);
    const apart = tails(participants);
    const entries = participants.map((one) =>
      entry(one, { isYou: one.id === you, tail: apart.get(one.id) }, qualities[one.id]),
    );
    this.#list.replaceChildren(...entries);
  }
}

/**
 * @param {Participant} participant
 * @param {{isYou: boolean, tail: string | undefined}} aside
 * @param {Quality | undefined} quality
 */
function entry({ id, kind, name, publishes, muted }, aside, quality) {
  const element = copyOf("roster-template");
  element.dataset.participant = id;
  element.dataset.kind = kind;
  paintAvatar(within(element, ".avatar", HTMLElement), name);
  writeName(element, name, aside);
  const listens = publishes.includes("audio") ? "" : ", listens";
  within(element, ".how", HTMLElement).textContent = HOW[kind] + listens;
  element.classList.toggle("is-muted", muted.audio);
  setIcon(element, ".kind", kind);
  if (quality !== undefined) showQuality(within(element, ".quality", HTMLElement), quality);
  return element;
}

/**
 * Bars, as everybody knows them from their phone, and the figures for those who point at them.
 *
 * @param {HTMLElement} mark
 * @param {Quality} quality
 */
function showQuality(mark, quality) {
  mark.hidden = false;
  mark.dataset.quality = quality.quality;
  mark.title = qualityText(quality);
  mark.setAttribute("aria-label", mark.title);
}
