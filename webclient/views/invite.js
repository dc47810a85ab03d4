/** The room's link: a button in the head, and a card while nobody else is here. */

import { byId } from "./dom.js";
import { toast } from "./toasts.js";

/** @import {Room} from "../room.js" */

export class InviteView {
  #card = byId("invite", HTMLElement);

  constructor() {
    byId("invite-link", HTMLElement).textContent = roomLink();
    for (const id of ["copy-link-button", "invite-copy-button"]) {
      byId(id, HTMLButtonElement).onclick = () => copyLink();
    }
  }

  /** @param {Room} room */
  render({ participants }) {
    this.#card.hidden = participants.length !== 1;
  }
}

const roomLink = () => location.origin + location.pathname;

async function copyLink() {
  try {
    await navigator.clipboard.writeText(roomLink());
    toast("The room's link is copied.");
  } catch (error) {
    console.info("the clipboard cannot be used:", error);
    toast(`The room's link: ${roomLink()}`);
  }
}
