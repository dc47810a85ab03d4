/** Somebody's screen: a tile of its own, as large as can be. */

import { copyOf, setIcon, within, writeName } from "./dom.js";

/** @import {Participant} from "../protocol.js" */

export class ScreenTile {
  element = copyOf("tile-template");
  #video = within(this.element, "video", HTMLVideoElement);
  #stream = new MediaStream();

  /** @param {string} participant whose screen */
  constructor(participant) {
    this.element.dataset.screen = participant;
    this.element.classList.add("screen");
    this.#video.muted = true;
    this.#video.onresize = () => this.#show();
    setIcon(this.element, ".kind", "screen");
  }

  /**
   * @param {Participant} participant
   * @param {MediaStreamTrack | undefined} track
   * @param {string | undefined} tail
   */
  update({ name }, track, tail) {
    writeName(this.element, name, { isYou: false, tail });
    const [before] = this.#stream.getTracks();
    if (before !== track) {
      // The element keeps its stream, so that nothing flickers where a parent changes.
      if (before) this.#stream.removeTrack(before);
      if (track) this.#stream.addTrack(track);
      this.#video.srcObject ??= this.#stream;
    }
    this.#show();
  }

  close() {
    this.#video.srcObject = null;
    this.element.remove();
  }

  #show() {
    const playing = this.#stream.getTracks().length > 0 && this.#video.videoWidth > 0;
    this.element.classList.toggle("has-picture", playing);
  }
}
