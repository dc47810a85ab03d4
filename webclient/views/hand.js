/** Asking for the word: the button and its key, and a word to moderators when somebody asks. */

import { shownName } from "../names.js";
import { byId, within } from "./dom.js";
import { toast } from "./toasts.js";

/** @import {Room} from "../room.js" */

export class HandView {
  #button = byId("hand-button", HTMLButtonElement);
  #raised = false;
  /** Whose hands were up when we looked last. @type {ReadonlySet<string>} */
  #asking = new Set();

  /** @param {(raised: boolean) => void} onRaise */
  constructor(onRaise) {
    this.#button.onclick = () => onRaise(!this.#raised);
    document.addEventListener("keydown", (event) => {
      if (this.#button.offsetParent === null || event.key !== "h" || event.repeat) return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && event.target.closest("input, select, dialog")) {
        return;
      }
      onRaise(!this.#raised);
    });
  }

  /** @param {Room} room */
  render({ participants, you }) {
    const own = participants.find(({ id }) => id === you);
    this.#show((own?.hand ?? 0) > 0);
    const asking = participants.filter(({ hand }) => hand > 0);
    if (own?.moderator) {
      for (const { id, name } of asking) {
        if (id !== you && !this.#asking.has(id)) toast(`${shownName(name)} asks for the word.`);
      }
    }
    this.#asking = new Set(asking.map(({ id }) => id));
  }

  /** @param {boolean} raised */
  #show(raised) {
    this.#raised = raised;
    const text = raised ? "Lower hand" : "Raise hand";
    within(this.#button, "span", HTMLElement).textContent = text;
    this.#button.title = `${text} (h)`;
    this.#button.classList.toggle("raised", raised);
    this.#button.setAttribute("aria-pressed", String(raised));
  }
}
