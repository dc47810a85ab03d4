/** Who is here, and how each one joined. */

import { shownName, tails } from "../names.js";
import { qualityText } from "../room.js";
import { handsFirst } from "../rights.js";
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
  #onMore;

  /** @param {(id: string) => void} onMore the person wants more about somebody */
  constructor(onMore) {
    this.#onMore = onMore;
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

  /**
   * @param {Room} room
   * @param {ReadonlySet<string>} blocked whom this person blocks
   */
  render({ participants, you, qualities }, blocked) {
    this.#count.textContent = String(participants.length);
    const apart = tails(participants);
    const entries = handsFirst(participants).map((one) => {
      const isYou = one.id === you;
      const element = entry(one, { isYou, tail: apart.get(one.id) }, qualities[one.id]);
      showStanding(element, one, blocked.has(one.id));
      const more = within(element, ".more", HTMLButtonElement);
      more.hidden = isYou;
      more.setAttribute("aria-label", `More about ${shownName(one.name)}`);
      more.onclick = () => this.#onMore(one.id);
      return element;
    });
    const focused = this.#list.querySelector("li:has(:focus)")?.getAttribute("data-participant");
    this.#list.replaceChildren(...entries);
    const again = entries.find((element) => element.dataset.participant === focused);
    if (again) within(again, ".more", HTMLButtonElement).focus();
  }
}

/**
 * Whose hand is up and when it was raised, who moderates, who is blocked.
 *
 * @param {HTMLElement} element
 * @param {Participant} participant
 * @param {boolean} isBlocked
 */
function showStanding(element, { hand, moderator }, isBlocked) {
  const sign = within(element, ".hand", HTMLElement);
  sign.hidden = hand === 0;
  sign.setAttribute("aria-label", `asks for the word, number ${hand}`);
  within(sign, "b", HTMLElement).textContent = String(hand);
  within(element, ".moderator-badge", HTMLElement).hidden = !moderator;
  within(element, ".blocked-badge", HTMLElement).hidden = !isBlocked;
}

/**
 * @param {Participant} participant
 * @param {{isYou: boolean, tail: string | undefined}} aside
 * @param {Quality | undefined} quality
 */
function entry({ id, kind, name, publishes, muted, may, online }, aside, quality) {
  const element = copyOf("roster-template");
  element.dataset.participant = id;
  element.dataset.kind = kind;
  paintAvatar(within(element, ".avatar", HTMLElement), name);
  writeName(element, name, aside);
  const silent = may.includes("audio") ? ", listens" : ", may not speak";
  const listens = publishes.includes("audio") ? "" : silent;
  within(element, ".how", HTMLElement).textContent = HOW[kind] + (online ? listens : ", offline");
  element.classList.toggle("is-offline", !online);
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
