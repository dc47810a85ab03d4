/** One other participant: how loud for me, blocked for me, and what moderators decide. */

import { shownName } from "../names.js";
import { byId } from "./dom.js";

/** @import {Hearing} from "../hearing.js" */
/** @import {Grant, Hand, Participant} from "../protocol.js" */
/** @import {Right} from "../rights.js" */
/** @import {Room} from "../room.js" */

export class PersonView {
  #dialog = byId("person", HTMLDialogElement);
  #name = byId("person-name", HTMLElement);
  #volume = byId("person-volume", HTMLInputElement);
  #block = byId("person-block", HTMLInputElement);
  #rights = byId("person-rights", HTMLFieldSetElement);
  #rightsHint = byId("person-rights-hint", HTMLElement);
  #lower = byId("person-lower-hand", HTMLButtonElement);
  #hearing;
  /** @type {Participant | null} */
  #shown = null;

  /**
   * @param {Hearing} hearing
   * @param {(wish: Grant | Hand) => void} ask the server
   */
  constructor(hearing, ask) {
    this.#hearing = hearing;
    this.#volume.oninput = () => {
      if (this.#shown) hearing.setVolume(this.#shown, this.#volume.valueAsNumber);
    };
    this.#block.onchange = () => {
      if (this.#shown) hearing.block(this.#shown.id, this.#block.checked);
    };
    for (const box of this.#boxes()) {
      box.onchange = () => {
        const participant = this.#shown?.id;
        if (participant) ask({ type: "grant", participant, kinds: this.#ticked() });
      };
    }
    this.#lower.onclick = () => {
      const participant = this.#shown?.id;
      if (participant) ask({ type: "hand", raised: false, participant });
    };
    this.#dialog.onclose = () => this.#giveFocusBack();
    // A click beside it is one on the dialog itself: all else lies in its form.
    this.#dialog.onclick = ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    };
  }

  /**
   * @param {Room} room
   * @param {string} id
   */
  open(room, id) {
    this.#shown = room.participants.find((one) => one.id === id) ?? null;
    this.render(room);
    if (this.#shown !== null) this.#dialog.showModal();
  }

  /** Keeps an open dialog in step. @param {Room} room */
  render({ participants, you }) {
    if (this.#shown === null) return;
    const { id } = this.#shown;
    this.#shown = participants.find((one) => one.id === id) ?? null;
    if (this.#shown === null) return this.#dialog.close();
    const { name, may, kind, moderator, hand } = this.#shown;
    this.#name.textContent = shownName(name);
    this.#volume.value = String(this.#hearing.volumeOf(this.#shown));
    this.#block.checked = this.#hearing.blocked.has(id);
    const moderates = participants.some((one) => one.id === you && one.moderator);
    this.#rights.hidden = !moderates;
    this.#rights.disabled = moderator;
    this.#rightsHint.hidden = !moderator;
    for (const box of this.#boxes()) {
      box.checked = may.some((right) => right === box.value);
      // Phones and XMPP clients bring sound alone.
      const label = box.closest("label");
      if (label) label.hidden = kind !== "web" && box.value !== "audio";
    }
    this.#lower.hidden = !moderates || hand === 0;
  }

  #boxes() {
    return this.#rights.querySelectorAll("input");
  }

  /** @returns {Right[]} */
  #ticked() {
    const ticked = [...this.#boxes()].filter(({ checked }) => checked);
    return /** @type {Right[]} */ (ticked.map(({ value }) => value));
  }

  /** The button that opened it may be another element by now: the roster is written anew. */
  #giveFocusBack() {
    const opener = this.#shown && `#roster [data-participant="${CSS.escape(this.#shown.id)}"] .more`;
    this.#shown = null;
    const button = opener ? document.querySelector(opener) : byId("roster-button", HTMLElement);
    if (button instanceof HTMLElement) button.focus();
  }
}
