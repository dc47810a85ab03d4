/** That the conference is recorded: a notice that stays, the button, and the words phones hear. */

import { byId, within } from "./dom.js";

/** @import {Room} from "../room.js" */

const NOTICE = "This conference is being recorded";

export class RecordingView {
  #notice = byId("recording-notice", HTMLElement);
  #button = byId("record-button", HTMLButtonElement);
  #recorded = false;

  /** @param {(on: boolean) => void} onRecord */
  constructor(onRecord) {
    this.#button.onclick = () => onRecord(!this.#recorded);
  }

  /** @param {Room} room */
  render({ recorded, mayRecord, version }) {
    // Between `welcome` and the first roster nothing is known yet.
    if (version < 0) return;
    if (recorded !== this.#recorded) say(recorded ? "recording-started" : "recording-stopped");
    this.#show(recorded);
    this.#button.hidden = !mayRecord;
  }

  /** The person is not in the room any more. */
  clear() {
    this.#show(false);
  }

  /** @param {boolean} recorded */
  #show(recorded) {
    this.#recorded = recorded;
    this.#notice.hidden = !recorded;
    // Set only when it is another one: each setting is read out.
    const text = within(this.#notice, "span", HTMLElement);
    if ((text.textContent === "") === recorded) text.textContent = recorded ? NOTICE : "";
    within(this.#button, "span", HTMLElement).textContent = recorded ? "Recording" : "Record";
    this.#button.title = recorded ? "Stop recording" : "Record what all say";
    this.#button.classList.toggle("recording", recorded);
    this.#button.setAttribute("aria-pressed", String(recorded));
  }
}

/**
 * A browser that plays no sound now, or no Ogg at all, still shows the notice.
 *
 * @param {string} prompt
 */
function say(prompt) {
  new Audio(`/assets/sounds/${prompt}`).play().catch((error) => {
    console.warn(`${prompt} cannot be played:`, error);
  });
}
