/** The monitor's page: which room, whose trees, now or back then. */

import { shownName } from "../names.js";
import { byId } from "../views/dom.js";
import { DetailsView } from "./details.js";
import { Drawing } from "./drawing.js";
import { Gateway, Locked, takeToken } from "./gateway.js";
import { count, KINDS, rootOf, summary } from "./health.js";
import { InjectionView } from "./injection.js";
import { ReplayBar } from "./replay.js";
import { showTable } from "./table.js";
import { NOTHING, Timeline } from "./timeline.js";

/** @import {RoomLine} from "./gateway.js" */
/** @import {Look} from "./drawing.js" */

/** @typedef {"locked" | "rooms" | "room"} Screen */

const ROOMS_EVERY_MS = 2_000;
/** What changes more often is drawn so often all the same. */
const DRAWN_EVERY_MS = 250;

const AWAY = "The gateway does not answer. It is tried again.";

class MonitorPage {
  #gateway = new Gateway();
  #timeline = new Timeline();
  /** @type {Look} */
  #look = { source: null, kind: null, chosen: null };
  #lab = false;
  #room = "";
  #stop = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #drawTimer;
  /** How long it took last: a drawing of thousands of lines leaves time for everything else. */
  #drawMs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #roomsTimer;
  #banner = byId("banner", HTMLElement);
  /** Of the source that is looked at. */
  #sourceName = "";
  #sources = byId("look-source", HTMLSelectElement);
  #kinds = byId("look-kind", HTMLSelectElement);
  #drawing = new Drawing(byId("drawing", SVGSVGElement), (node) => this.#choose(node));
  #details = new DetailsView(() => this.#choose(null));
  #replay = new ReplayBar(() => this.#draw());
  #injection = new InjectionView(
    (order) => this.#gateway.inject(this.#room, order),
    () => this.#gateway.stopInjecting(this.#room),
  );

  constructor() {
    const token = takeToken();
    if (token !== null) this.#gateway.unlock(token);
    byId("token-form", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      this.#gateway.unlock(byId("token", HTMLInputElement).value.trim());
      this.#go();
    };
    this.#sources.onchange = () => this.#lookAt({ source: this.#sources.value || null });
    this.#kinds.onchange = () => this.#lookAt({ kind: this.#kinds.value || null });
    for (const name of ["drawing", "table"]) {
      byId(`${name}-button`, HTMLButtonElement).onclick = () => this.#show(name);
    }
    window.addEventListener("hashchange", () => this.#go());
    this.#show("drawing");
    this.#go();
  }

  /** To where the address says: a room, or the list of all. */
  #go() {
    this.#stop();
    clearTimeout(this.#roomsTimer);
    this.#timeline = new Timeline();
    this.#replay.reset();
    this.#look = { source: null, kind: null, chosen: null };
    this.#room = decodeURIComponent(location.hash.slice(1));
    this.#banner.hidden = true;
    if (this.#room === "") void this.#listRooms();
    else this.#follow();
  }

  async #listRooms() {
    try {
      this.#showRooms(await this.#gateway.rooms());
    } catch (error) {
      if (error instanceof Locked) return this.#lock();
      this.#warn(AWAY);
    }
    if (this.#room !== "") return;
    this.#roomsTimer = setTimeout(() => void this.#listRooms(), ROOMS_EVERY_MS);
  }

  /** @param {RoomLine[]} rooms */
  #showRooms(rooms) {
    if (this.#room !== "") return;
    screen("rooms");
    document.title = "Monitor · Trestle";
    this.#banner.hidden = true;
    byId("rooms-empty", HTMLElement).hidden = rooms.length > 0;
    const list = byId("rooms", HTMLElement);
    const lines = rooms.map(({ room, participants, trees, edges, lab }) => {
      const link = document.createElement("a");
      link.href = `#${encodeURIComponent(room)}`;
      link.className = "button";
      const figures = [count(participants, "participant"), count(trees, "tree"), count(edges, "edge")];
      link.textContent = room;
      const aside = document.createElement("span");
      aside.className = "hint";
      aside.textContent = [...figures, lab ? "lab" : ""].filter(Boolean).join(", ");
      const line = document.createElement("li");
      line.append(link, aside);
      return line;
    });
    const focused = document.activeElement?.textContent;
    list.replaceChildren(...lines);
    for (const link of list.querySelectorAll("a")) if (link.textContent === focused) link.focus();
  }

  #follow() {
    screen("room");
    document.title = `${this.#room} · Monitor · Trestle`;
    byId("room-name", HTMLElement).textContent = this.#room;
    this.#draw();
    this.#stop = this.#gateway.follow(this.#room, {
      start: (entries, at, lab) => {
        this.#timeline.restart(entries, at);
        this.#lab = lab;
        this.#drawSoon();
      },
      changes: (changes, now) => {
        this.#timeline.add(changes, now);
        this.#drawSoon();
      },
      state: (state) => this.#connected(state),
      locked: () => this.#lock(),
    });
  }

  /** @param {"live" | "lost" | "closed"} state */
  #connected(state) {
    document.documentElement.dataset.feed = state;
    if (state === "live") this.#banner.hidden = true;
    else this.#warn(state === "lost" ? AWAY : `Nobody is in ${this.#room} now.`);
  }

  #lock() {
    this.#stop();
    screen("locked");
    const input = byId("token", HTMLInputElement);
    const tried = this.#gateway.hasToken;
    byId("token-problem", HTMLElement).textContent = tried ? "This is not the token." : "";
    input.value = "";
    input.focus();
  }

  /** @param {string} text */
  #warn(text) {
    this.#banner.hidden = false;
    this.#banner.textContent = text;
  }

  /** @param {string} name */
  #show(name) {
    for (const one of ["drawing", "table"]) {
      byId(`${one}-view`, HTMLElement).hidden = one !== name;
      byId(`${one}-button`, HTMLButtonElement).setAttribute("aria-pressed", String(one === name));
    }
    this.#draw();
  }

  /** @param {string | null} node */
  #choose(node) {
    this.#lookAt({ chosen: node === this.#look.chosen ? null : node });
  }

  /** @param {Partial<Look>} change */
  #lookAt(change) {
    this.#look = { ...this.#look, ...change };
    if (change.source !== undefined) this.#sourceName = "";
    // One tree has one kind.
    if (change.source && this.#look.kind === null) this.#look.kind = "audio";
    this.#draw();
  }

  #drawSoon() {
    const pause = Math.max(DRAWN_EVERY_MS, 4 * this.#drawMs);
    this.#drawTimer ??= setTimeout(() => this.#draw(), pause);
  }

  #draw() {
    clearTimeout(this.#drawTimer);
    this.#drawTimer = undefined;
    const began = performance.now();
    const { since, now } = this.#timeline;
    this.#replay.update(since, now);
    const time = this.#replay.time;
    const picture = time === null ? this.#timeline.latest() : this.#timeline.at(time);
    const shown = this.#room === "" ? NOTHING : picture;
    this.#renderLook(shown);
    byId("summary", HTMLElement).textContent = summary(shown);
    this.#renderAbsence(shown, time === null);
    if (byId("drawing-view", HTMLElement).hidden) {
      const body = byId("table-body", HTMLTableSectionElement);
      showTable(body, byId("table-note", HTMLElement), shown, this.#look, time ?? now);
    } else this.#drawing.render(shown, this.#look, time ?? now);
    this.#details.render(this.#look.chosen, shown);
    this.#injection.render(this.#lab, this.#timeline.latest().injection);
    this.#drawMs = performance.now() - began;
  }

  /**
   * @param {import("./timeline.js").Picture} picture
   * @param {boolean} live
   */
  #renderAbsence(picture, live) {
    const { source } = this.#look;
    const note = byId("room-empty", HTMLElement);
    note.hidden = picture.participants.size > 0 && (source === null || rootOf(picture, source) !== null);
    const anybody = picture.participants.size > 0;
    if (live) note.textContent = anybody ? "They are not in the room now." : "Nobody is here now.";
    else note.textContent = anybody ? "They were not in the room then." : "Nobody was here then.";
  }

  /**
   * What can be chosen: who is the source of a tree, and which kinds there are.
   *
   * @param {import("./timeline.js").Picture} picture
   */
  #renderLook({ participants, edges }) {
    const sources = new Set(edges.map(({ source }) => source));
    if (this.#look.source !== null) sources.add(this.#look.source);
    const people = [...participants.values()].filter(({ id }) => sources.has(id));
    const { source, kind } = this.#look;
    const known = source === null ? undefined : participants.get(source);
    if (known !== undefined) this.#sourceName = known.name;
    // It can still be looked at as it was: back then by the bar below.
    if (source !== null && known === undefined) {
      people.push({ id: source, kind: "web", name: `${this.#sourceName || source} (not here)` });
    }
    fill(this.#sources, [["", "Everybody"], ...people.map(({ id, name }) => [id, shownName(name)])], source);
    const all = source === null ? [["", "All streams"]] : [];
    fill(this.#kinds, [...all, ...Object.entries(KINDS)], kind);
  }
}

/**
 * Fills a list anew where it changed, so that an open one stays open.
 *
 * @param {HTMLSelectElement} select
 * @param {string[][]} options value and text
 * @param {string | null} chosen
 */
function fill(select, options, chosen) {
  const written = JSON.stringify(options);
  if (select.dataset.options !== written) {
    select.dataset.options = written;
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  }
  select.value = chosen ?? "";
}

/** @param {Screen} name */
function screen(name) {
  document.documentElement.dataset.screen = name;
  for (const one of ["locked", "rooms", "room"]) {
    byId(`${one}-screen`, HTMLElement).hidden = one !== name;
  }
}

new MonitorPage();
