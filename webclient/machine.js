/** How this machine does, where the browser tells: W3C Compute Pressure, Battery Status. */

/** @import {Machine} from "./report.js" */

/**
 * TypeScript's library lacks both.
 *
 * @typedef {EventTarget & {charging: boolean, level: number}} Battery
 * @typedef {{observe: (source: string, options: object) => Promise<void>, disconnect: () => void}}
 *   PressureWatch
 * @typedef {{new (seen: (records: {state: Machine["cpu"]}[]) => void): PressureWatch}}
 *   PressureObserver
 */

const SAMPLE_INTERVAL_MS = 1_000;

/**
 * What this is, for `join`: phones shall not pass on what others send.
 *
 * @param {{userAgent: string, userAgentData?: {mobile?: boolean}, connection?: {saveData?: boolean}}}
 *   navigator
 */
export function deviceOf({ userAgent, userAgentData, connection }) {
  const phone = userAgentData?.mobile ?? /\bMobi/.test(userAgent);
  return { mobile: phone || connection?.saveData === true, relays: true };
}

/** Chromium tells it; where it is not known it stays null. */
export class MachineWatch {
  /** @type {Machine["cpu"]} */
  #cpu = null;
  /** @type {Battery | null} */
  #battery = null;
  /** @type {PressureWatch | null} */
  #pressure = null;

  constructor() {
    void this.#watchPressure();
    void this.#findBattery();
  }

  /** @returns {Machine} */
  now() {
    const battery = this.#battery;
    return { cpu: this.#cpu, battery: battery === null || battery.charging ? null : battery.level };
  }

  end() {
    this.#pressure?.disconnect();
  }

  async #watchPressure() {
    const { PressureObserver: Observer } = /** @type {{PressureObserver?: PressureObserver}} */ (
      globalThis
    );
    if (Observer === undefined) return;
    try {
      this.#pressure = new Observer((records) => (this.#cpu = records.at(-1)?.state ?? this.#cpu));
      await this.#pressure.observe("cpu", { sampleInterval: SAMPLE_INTERVAL_MS });
    } catch (error) {
      // Its sensors may be missing (virtual machines), or the site's policy forbids it.
      console.debug("the processor's pressure is not known:", error);
    }
  }

  async #findBattery() {
    const { getBattery } = /** @type {{getBattery?: () => Promise<Battery>}} */ (
      /** @type {unknown} */ (navigator)
    );
    try {
      this.#battery = (await getBattery?.call(navigator)) ?? null;
    } catch (error) {
      console.debug("the battery is not known:", error);
    }
  }
}
