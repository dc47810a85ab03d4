/** The bar that goes back in time: a slider over the last ten minutes, play and pause, live. */

import { byId } from "../views/dom.js";

const TICK_MS = 250;

export class ReplayBar {
  #slider = byId("replay-slider", HTMLInputElement);
  #play = byId("replay-play-button", HTMLButtonElement);
  #live = byId("replay-live-button", HTMLButtonElement);
  #speed = byId("replay-speed", HTMLSelectElement);
  #text = byId("replay-text", HTMLElement);
  #onChange;
  /** What is looked at; null: what is now.
   * @type {number | null} */
  #time = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #playing;
  #since = 0;
  #now = 0;

  /** @param {(time: number | null) => void} onChange the time to be shown; null: live */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#slider.oninput = () => {
      const time = this.#now + Number(this.#slider.value);
      this.#pause();
      this.#go(time);
    };
    this.#live.onclick = () => {
      this.#pause();
      this.#go(null);
    };
    this.#play.onclick = () => (this.#playing === undefined ? this.#start() : this.#pause());
  }

  /** @returns {number | null} */
  get time() {
    return this.#time;
  }

  /**
   * @param {number} since the earliest time that is known
   * @param {number} now
   */
  update(since, now) {
    this.#since = since;
    this.#now = now;
    this.#render();
  }

  /** Another room: its past is another one. */
  reset() {
    this.#pause();
    this.#time = null;
  }

  #start() {
    if (this.#time === null) this.#go(this.#since);
    let at = performance.now();
    this.#playing = setInterval(() => {
      const passed = ((performance.now() - at) / 1000) * Number(this.#speed.value);
      at = performance.now();
      const next = (this.#time ?? this.#now) + passed;
      if (next < this.#now) return this.#go(next);
      this.#pause();
      this.#go(null);
    }, TICK_MS);
    this.#render();
  }

  #pause() {
    clearInterval(this.#playing);
    this.#playing = undefined;
    this.#render();
  }

  /** @param {number | null} time */
  #go(time) {
    this.#time = time === null ? null : Math.min(Math.max(time, this.#since), this.#now);
    this.#render();
    this.#onChange(this.#time);
  }

  #render() {
    const back = this.#time === null ? 0 : this.#now - this.#time;
    this.#slider.min = String(Math.min(this.#since - this.#now, -1));
    this.#slider.value = String(-back);
    const words = this.#time === null ? "Live" : agoText(back);
    this.#text.textContent = words;
    this.#slider.setAttribute("aria-valuetext", words);
    this.#live.disabled = this.#time === null;
    this.#play.textContent = this.#playing === undefined ? "Play" : "Pause";
  }
}

/** @param {number} back seconds */
function agoText(back) {
  const whole = Math.round(back);
  const clock = new Date(Date.now() - back * 1000).toLocaleTimeString();
  const seconds = String(whole % 60).padStart(2, "0");
  return `${Math.floor(whole / 60)}:${seconds} min ago (${clock})`;
}
