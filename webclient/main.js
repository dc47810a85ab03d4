/** The page: shows the right screen and wires views, media and conference together. */

import { Conference } from "./conference.js";
import { Hearing } from "./hearing.js";
import { wakeUp } from "./levels.js";
import { LocalMedia } from "./media.js";
import { roomProblem } from "./protocol.js";
import { moderatorKey } from "./rights.js";
import { EMPTY_ROOM } from "./room.js";
import { ControlsView } from "./views/controls.js";
import { byId } from "./views/dom.js";
import { HandView } from "./views/hand.js";
import { JoinView } from "./views/join.js";
import { InviteView } from "./views/invite.js";
import { landing } from "./views/landing.js";
import { PersonView } from "./views/person.js";
import { RecordingView } from "./views/recording.js";
import { RosterView } from "./views/roster.js";
import { StatusView } from "./views/status.js";
import { TilesView } from "./views/tiles.js";
import { standingToast, toast } from "./views/toasts.js";

/** @import {SourceTracks} from "./peers.js" */
/** @import {Ending} from "./signaling.js" */

/** @typedef {"join" | "joining" | "joined" | "reconnecting" | "left" | "error"} PageState */

/** A join or a leave is told in many messages: they are shown together. */
const RENDER_MS = 30;

const SCREENS = ["landing", "join-screen", "room-screen", "left-screen"];

/** @param {string} id */
function showScreen(id) {
  for (const screen of SCREENS) byId(screen, HTMLElement).hidden = screen !== id;
}

/** @param {PageState} state */
function setState(state) {
  document.documentElement.dataset.state = state;
}

class RoomPage {
  #roomName;
  #media = new LocalMedia();
  #name = "";
  /** @type {Conference | null} */
  #conference = null;
  #room = EMPTY_ROOM;
  /** @type {Map<string, SourceTracks>} */
  #streams = new Map();
  /** @type {string[]} */
  #toldProblems = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #rendering;
  #hear = byId("hear-button", HTMLButtonElement);
  #hearing = new Hearing(sessionStorage);
  #tiles = new TilesView(this.#hearing, {
    blocked: () => (this.#hear.hidden = false),
    shows: (shows) => this.#conference?.view(shows),
  });
  #roster = new RosterView((id) => this.#person.open(this.#room, id));
  #hand = new HandView((raised) => this.#conference?.ask({ type: "hand", raised }));
  #person = new PersonView(this.#hearing, (wish) => this.#conference?.ask(wish));
  #recording = new RecordingView((on) => this.#conference?.record(on));
  #invite = new InviteView();
  #status;
  #joinView;

  /** @param {string} roomName */
  constructor(roomName) {
    this.#roomName = roomName;
    this.#status = new StatusView(roomName);
    this.#joinView = new JoinView(roomName, this.#media, (name) => this.#join(name));
    new ControlsView(this.#media, () => this.#leave());
    this.#hear.onclick = () => this.#allowSound();
    byId("rejoin-button", HTMLButtonElement).onclick = () => void this.#rejoin();
    for (const gesture of ["pointerdown", "keydown"]) {
      document.addEventListener(gesture, wakeUp, { once: true });
    }
    window.addEventListener("pagehide", () => {
      this.#conference?.hangUp();
      if (this.#conference) this.#showGoodBye();
    });
    this.#media.addEventListener("change", () => this.#mediaChanged());
    this.#hearing.addEventListener("change", () => this.#render());
    document.title = `${roomName} · Trestle`;
    showScreen("join-screen");
    this.#joinView.focus();
    this.#joinView.openDevices();
    if (!("RTCPeerConnection" in window)) {
      const text = "This browser has no WebRTC, or it is switched off: nothing could be heard.";
      this.#joinView.showRefusal({ code: "unsupported", text });
    }
  }

  /** For a look from the browser's console: `await trestle.stats()`. */
  async stats() {
    return (await this.#conference?.stats()) ?? [];
  }

  /** @param {string} name */
  #join(name) {
    this.#name = name;
    setState("joining");
    this.#joinView.setBusy(true);
    const socketUrl = new URL("/ws", location.href);
    socketUrl.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.#conference = new Conference(
      {
        room: this.#roomName,
        name,
        key: moderatorKey(location.hash),
        media: this.#media,
        hearing: this.#hearing,
        openSocket: () => new WebSocket(socketUrl),
      },
      {
        state: (state) => this.#connected(state),
        room: (room) => {
          // A new participation begins with nobody in it: what was seen stays for that moment.
          const others = room.version >= 0 && room.version !== this.#room.version;
          this.#room = room;
          // Pictures come when it is known that they are shown.
          if (others) this.#renderStage();
          this.#rendering ??= setTimeout(() => this.#render(), RENDER_MS);
        },
        streams: (streams) => {
          this.#streams = streams;
          // At once: what is heard waits for nothing, and timers of hidden pages are slow.
          this.#renderTiles();
        },
        levels: (levels) => this.#tiles.tell(levels),
        notice: toast,
        standing: standingToast,
        killed: () => {
          this.#clear();
          this.#join(this.#name);
        },
        ended: (ending) => this.#ended(ending),
      },
    );
  }

  /** @param {import("./signaling.js").Connection} state */
  #connected(state) {
    setState(state === "joined" ? "joined" : "reconnecting");
    this.#joinView.setBusy(false);
    this.#status.setConnection(state);
    showScreen("room-screen");
  }

  /** @param {Ending} ending */
  #ended(ending) {
    const wasIn = this.#room.you !== "";
    this.#clear();
    this.#joinView.setBusy(false);
    if (wasIn) {
      const wanted = ending.code === "normal" || ending.code === "replaced";
      this.#showLeft(wanted ? "left" : "error", `You are out of ${this.#roomName}`, ending.text);
    } else {
      setState("error");
      showScreen("join-screen");
      this.#joinView.showRefusal(ending);
      this.#joinView.openDevices();
    }
  }

  #leave() {
    this.#conference?.leave();
    this.#showGoodBye();
  }

  #showGoodBye() {
    this.#clear();
    this.#showLeft("left", `You left ${this.#roomName}`, "You can come back at any time.");
  }

  async #rejoin() {
    wakeUp();
    const { chosen } = this.#media;
    await Promise.all([
      this.#media.choose("audio", chosen.audio),
      this.#media.choose("video", chosen.video),
    ]);
    this.#join(this.#name);
  }

  #clear() {
    this.#stopRendering();
    this.#conference = null;
    this.#room = EMPTY_ROOM;
    this.#streams = new Map();
    this.#tiles.clear();
    this.#recording.clear();
    this.#hear.hidden = true;
    this.#status.setConnection("joined");
  }

  /**
   * @param {"left" | "error"} state
   * @param {string} title
   * @param {string} text
   */
  #showLeft(state, title, text) {
    this.#media.close();
    byId("left-title", HTMLElement).textContent = title;
    byId("left-text", HTMLElement).textContent = text;
    document.title = `${this.#roomName} · Trestle`;
    setState(state);
    showScreen("left-screen");
    byId("rejoin-button", HTMLButtonElement).focus();
  }

  #allowSound() {
    this.#hear.hidden = true;
    wakeUp();
    this.#tiles.playAll();
  }

  #mediaChanged() {
    if (this.#conference === null) return;
    const problems = Object.values(this.#media.problems);
    for (const problem of problems) if (!this.#toldProblems.includes(problem)) toast(problem);
    this.#toldProblems = problems;
    this.#renderTiles();
  }

  #render() {
    this.#stopRendering();
    this.#renderStage();
    this.#roster.render(this.#room, this.#hearing.blocked);
    this.#person.render(this.#room);
    this.#hand.render(this.#room);
    this.#status.render(this.#room);
    this.#recording.render(this.#room);
  }

  #renderStage() {
    this.#invite.render(this.#room);
    this.#renderTiles();
  }

  #stopRendering() {
    clearTimeout(this.#rendering);
    this.#rendering = undefined;
  }

  #renderTiles() {
    this.#tiles.render(this.#room, this.#streams, this.#media.tracks, this.#media.muted);
  }
}

function start() {
  const roomName = location.pathname.replace(/^\/|\/$/g, "").toLowerCase();
  if (roomProblem(roomName) !== null) {
    showScreen("landing");
    landing((room) => location.assign(`/${room}`));
  } else {
    Object.assign(globalThis, { trestle: new RoomPage(roomName) });
  }
}

start();
