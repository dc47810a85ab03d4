/** The bar at the bottom: microphone, camera, devices, leave; and the keys that do the same. */

import { DEFAULT, NONE, canShareScreen } from "../media.js";
import { whyNot } from "../rights.js";
import { deviceSelects } from "./devices.js";
import { byId, setIcon, within } from "./dom.js";
import { toast } from "./toasts.js";

/** @import {LocalMedia} from "../media.js" */

export class ControlsView {
  #media;
  #mute = byId("mute-button", HTMLButtonElement);
  #camera = byId("camera-button", HTMLButtonElement);
  #screen = byId("screen-button", HTMLButtonElement);
  #settings = byId("settings", HTMLElement);
  #settingsButton = byId("settings-button", HTMLButtonElement);
  /** The camera that comes back when it is switched on again. */
  #lastCamera = DEFAULT;

  /**
   * @param {LocalMedia} media
   * @param {() => void} onLeave
   */
  constructor(media, onLeave) {
    this.#media = media;
    this.#mute.onclick = () => this.toggleMute();
    this.#camera.onclick = () => this.toggleCamera();
    this.#screen.onclick = () => this.toggleScreen();
    this.#screen.hidden = !canShareScreen();
    this.#settingsButton.onclick = () => this.#showSettings(Boolean(this.#settings.hidden));
    byId("leave-button", HTMLButtonElement).onclick = onLeave;
    deviceSelects(media, { microphone: "room-microphone", camera: "room-camera" });
    media.addEventListener("change", () => this.#render());
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", ({ target }) => {
      const inside = target instanceof Node && this.#settings.contains(target);
      const onButton = target instanceof Node && this.#settingsButton.contains(target);
      if (!inside && !onButton) this.#showSettings(false);
    });
    this.#render();
  }

  /** Without a microphone there is nothing to mute: then the devices are shown. */
  toggleMute() {
    if (this.#refused("audio")) return;
    if (this.#media.tracks.audio) this.#media.setMuted(!this.#media.muted);
    else this.#showSettings(true);
  }

  toggleCamera() {
    if (this.#refused("video")) return;
    const { tracks, chosen } = this.#media;
    if (tracks.video) {
      this.#lastCamera = chosen.video;
      void this.#media.choose("video", NONE);
    } else {
      void this.#media.choose("video", this.#lastCamera);
    }
  }

  toggleScreen() {
    if (this.#media.tracks.screen) this.#media.stopScreen();
    else if (canShareScreen() && !this.#refused("screen")) void this.#media.shareScreen();
  }

  /**
   * Whether the room does not let this person publish a kind: then they are told.
   *
   * @param {import("../rights.js").Right} kind
   */
  #refused(kind) {
    const why = whyNot(this.#media.may, kind);
    if (why !== null) toast(`${why}.`, "rights");
    return why !== null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.#mute.offsetParent === null) return;
    if (event.key === "Escape" && !this.#settings.hidden) {
      this.#showSettings(false);
      return this.#settingsButton.focus();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target instanceof HTMLSelectElement) return;
    if (event.key === "m") this.toggleMute();
    if (event.key === "v") this.toggleCamera();
    if (event.key === "s") this.toggleScreen();
  }

  /** @param {boolean} open */
  #showSettings(open) {
    this.#settings.hidden = !open;
    this.#settingsButton.setAttribute("aria-expanded", String(open));
  }

  #render() {
    const { tracks, muted } = this.#media;
    const silent = muted || !tracks.audio;
    const sound = !tracks.audio ? "No microphone" : muted ? "Unmute" : "Mute";
    label(this.#mute, sound, silent ? "microphone-off" : "microphone", silent);
    const picture = tracks.video ? "Stop camera" : "Start camera";
    label(this.#camera, picture, tracks.video ? "camera" : "camera-off", !tracks.video);
    label(this.#screen, tracks.screen ? "Stop sharing" : "Share screen", "screen", false);
    this.#screen.setAttribute("aria-pressed", String(tracks.screen !== undefined));
    restrict(this.#mute, "Listening only", whyNot(this.#media.may, "audio"));
    restrict(this.#camera, "No camera here", whyNot(this.#media.may, "video"));
    restrict(this.#screen, "No sharing here", whyNot(this.#media.may, "screen"));
  }
}

/**
 * The button stays in reach, so that everybody can learn why it does nothing.
 *
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {string | null} why it may not be used; null: it may
 */
function restrict(button, text, why) {
  button.setAttribute("aria-disabled", String(why !== null));
  if (why === null) return;
  within(button, "span", HTMLElement).textContent = text;
  button.title = why;
}

/**
 * @param {HTMLButtonElement} button
 * @param {string} text
 * @param {string} icon what is
 * @param {boolean} off
 */
function label(button, text, icon, off) {
  within(button, "span", HTMLElement).textContent = text;
  const key = button.getAttribute("aria-keyshortcuts");
  button.title = key ? `${text} (${key})` : text;
  button.classList.toggle("off", off);
  setIcon(button, ".icon", icon);
}
