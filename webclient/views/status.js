/** The room's head: its name, its link, what is to be said about it; and the page's title. */

import { secrecyNotice } from "../room.js";
import { byId, within } from "./dom.js";
import { toast } from "./toasts.js";

/** @import {Room} from "../room.js" */

export class StatusView {
  #banner = byId("connection-banner", HTMLElement);
  #secrecy = byId("secrecy-notice", HTMLElement);

  /** @param {string} room */
  constructor(room) {
    byId("room-name", HTMLElement).textContent = room;
    byId("copy-link-button", HTMLButtonElement).onclick = () => copyLink();
  }

  /** @param {Room} room */
  render(room) {
    document.title = `${room.name} (${room.participants.length}) · Trestle`;
    const notice = secrecyNotice(room);
    this.#secrecy.hidden = notice === null;
    // Set only when it is another one: each setting is read out.
    const text = within(this.#secrecy, "span", HTMLElement);
    if (text.textContent !== (notice ?? "")) text.textContent = notice;
  }

  /** @param {boolean} lost */
  setConnectionLost(lost) {
    this.#banner.hidden = !lost;
  }
}

async function copyLink() {
  const link = location.origin + location.pathname;
  try {
    await navigator.clipboard.writeText(link);
    toast("The room's link is copied.");
  } catch (error) {
    console.info("the clipboard cannot be used:", error);
    toast(`The room's link: ${link}`);
  }
}
