/** Failures on purpose: the form of rooms that are marked `lab` in the dial plan. */

import { byId } from "../views/dom.js";
import { count } from "./health.js";

/** @import {Injection} from "./timeline.js" */

/** @type {Record<string, string>} */
const DONE = { kill: "killed", freeze: "frozen", loss: "made lossy", delay: "delayed" };

export class InjectionView {
  #form = byId("injection", HTMLFormElement);
  #state = byId("injection-state", HTMLElement);
  #problem = byId("injection-problem", HTMLElement);
  #stop = byId("injection-stop-button", HTMLButtonElement);
  #fault = byId("injection-fault", HTMLSelectElement);

  /**
   * @param {(order: object) => Promise<void>} onStart
   * @param {() => Promise<void>} onStop
   */
  constructor(onStart, onStop) {
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      void this.#try(() => onStart(this.#order()));
    };
    this.#stop.onclick = () => void this.#try(onStop);
    this.#fault.onchange = () => this.#showFields();
    this.#showFields();
  }

  /**
   * @param {boolean} lab whether failures are for this room
   * @param {Injection | null} injection what is being injected
   */
  render(lab, injection) {
    this.#form.hidden = !lab;
    this.#stop.disabled = injection === null;
    const words =
      injection === null
        ? "Nothing is being injected."
        : `${count(injection.struck, "participant")} ${DONE[injection.fault] ?? "struck"} so far, ` +
          `${injection.rate} a second, ${injection.distribution.replace("_", "-")}.`;
    if (this.#state.textContent !== words) this.#state.textContent = words;
  }

  #order() {
    const fields = new FormData(this.#form);
    const number = (/** @type {string} */ name) => Number(fields.get(name));
    const fault = String(fields.get("fault"));
    return {
      fault,
      distribution: fields.get("distribution"),
      rate: number("rate"),
      seconds: number("seconds"),
      ...(fault === "kill" ? {} : { lasts: number("lasts") }),
      ...(fault === "loss" ? { ratio: number("ratio") / 100 } : {}),
      ...(fault === "delay" ? { ms: number("ms") } : {}),
    };
  }

  /** Only what this fault needs. */
  #showFields() {
    for (const field of this.#form.querySelectorAll("[data-for]")) {
      const faults = (field.getAttribute("data-for") ?? "").split(" ");
      field.toggleAttribute("hidden", !faults.includes(this.#fault.value));
    }
  }

  /** @param {() => Promise<void>} act */
  async #try(act) {
    this.#problem.textContent = "";
    try {
      await act();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#problem.textContent = text || "The gateway does not answer.";
    }
  }
}
