/** The join card: name, devices, a look at oneself. */

import { wakeUp } from "../levels.js";
import { NONE } from "../media.js";
import { nameProblem } from "../protocol.js";
import { deviceSelects } from "./devices.js";
import { byId, paintAvatar } from "./dom.js";

/** @import {LocalMedia} from "../media.js" */
/** @import {Ending} from "../signaling.js" */

const REMEMBERED_NAME = "trestle.name";

export class JoinView {
  #media;
  #name = byId("name", HTMLInputElement);
  #nameProblem = byId("name-problem", HTMLElement);
  #roomProblem = byId("room-problem", HTMLElement);
  #button = byId("join-button", HTMLButtonElement);
  #retry = byId("retry-button", HTMLButtonElement);
  #preview = byId("preview", HTMLVideoElement);
  #avatar = byId("preview-avatar", HTMLElement);
  #busy = false;

  /**
   * @param {string} room
   * @param {LocalMedia} media
   * @param {(name: string) => void} onJoin
   */
  constructor(room, media, onJoin) {
    this.#media = media;
    byId("join-room", HTMLElement).textContent = room;
    this.#name.value = recallName();
    this.#name.oninput = () => {
      this.#nameProblem.textContent = "";
      this.#render();
    };
    byId("join-form", HTMLFormElement).onsubmit = (event) => {
      event.preventDefault();
      this.#submit(onJoin);
    };
    this.#retry.onclick = () => this.openDevices();
    deviceSelects(media, { microphone: "microphone", camera: "camera" });
    media.addEventListener("change", () => this.#render());
    this.#render();
  }

  focus() {
    this.#name.focus();
  }

  /** Asks for what was chosen and is not open; the browser may ask the person. */
  openDevices() {
    const { chosen, tracks } = this.#media;
    if (!tracks.audio) void this.#media.choose("audio", chosen.audio);
    if (!tracks.video) void this.#media.choose("video", chosen.video);
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    this.#busy = busy;
    this.#render();
  }

  /**
   * Says why the room could not be entered, beside what has to change.
   *
   * @param {Ending} ending
   */
  showRefusal({ code, text }) {
    const aboutName = code === "bad-message";
    (aboutName ? this.#nameProblem : this.#roomProblem).textContent = text;
    if (aboutName) this.#name.focus();
  }

  /** @param {(name: string) => void} onJoin */
  #submit(onJoin) {
    if (this.#busy) return;
    const name = this.#name.value.trim();
    this.#roomProblem.textContent = "";
    this.#nameProblem.textContent = nameProblem(name);
    if (this.#nameProblem.textContent) return this.#name.focus();
    rememberName(name);
    wakeUp();
    onJoin(name);
  }

  #render() {
    const { tracks, problems, chosen } = this.#media;
    const listener = !tracks.audio && (chosen.audio === NONE || problems.audio !== undefined);
    this.#button.disabled = this.#busy;
    this.#button.textContent = this.#busy ? "Joining…" : listener ? "Join as a listener" : "Join";
    this.#retry.hidden = this.#busy || !(problems.audio || problems.video);
    paintAvatar(this.#avatar, this.#name.value.trim() || "?");
    byId("preview-hint", HTMLElement).textContent = tracks.video ? "" : "Your camera is off";
    this.#showPreview(tracks.video);
  }

  /** @param {MediaStreamTrack | undefined} track */
  #showPreview(track) {
    this.#preview.hidden = track === undefined;
    const shown = this.#preview.srcObject;
    if (track === undefined) this.#preview.srcObject = null;
    else if (!(shown instanceof MediaStream && shown.getVideoTracks()[0] === track)) {
      this.#preview.srcObject = new MediaStream([track]);
    }
  }
}

function recallName() {
  try {
    return localStorage.getItem(REMEMBERED_NAME) ?? "";
  } catch (error) {
    console.info("the browser keeps no names:", error);
    return "";
  }
}

/** @param {string} name */
function rememberName(name) {
  try {
    localStorage.setItem(REMEMBERED_NAME, name);
  } catch (error) {
    console.info("the browser keeps no names:", error);
  }
}
