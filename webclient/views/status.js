/** The room's head: its name, what is to be said about it; and the page's title. */

import { secrecyNotice } from "../room.js";
import { byId, within } from "./dom.js";

/** @import {Room} from "../room.js" */

const BANNER = {
  joined: "",
  reconnecting: "Connection lost, rejoining…",
  restarting: "The server is restarting, you will be back in a moment.",
};

export class StatusView {
  #banner = byId("connection-banner", HTMLElement);
  #secrecy = byId("secrecy-notice", HTMLElement);
  #lab = byId("lab-notice", HTMLElement);

  /** @param {string} room */
  constructor(room) {
    byId("room-name", HTMLElement).textContent = room;
  }

  /** @param {Room} room */
  render(room) {
    document.title = `${room.name} (${room.participants.length}) · Trestle`;
    this.#lab.hidden = !room.lab;
    const notice = secrecyNotice(room);
    this.#secrecy.hidden = notice === null;
    // Set only when it is another one: each setting is read out.
    const text = within(this.#secrecy, "span", HTMLElement);
    if (text.textContent !== (notice ?? "")) text.textContent = notice;
  }

  /** @param {"joined" | "reconnecting" | "restarting"} state */
  setConnection(state) {
    this.#banner.textContent = BANNER[state];
    this.#banner.hidden = state === "joined";
  }
}
