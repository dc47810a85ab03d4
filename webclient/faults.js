/**
 * PURE: failures on purpose, in rooms that are for experiments: what becomes of each frame that is
 * to be sent. A kill is for the page itself.
 */

/** @import {FaultMessage} from "./protocol.js" */

/** What says how long a frame is held back, ms. */
export const LOST = Infinity;

export class Faults {
  #random;
  /** @type {(FaultMessage & {until: number}) | null} */
  #fault = null;
  /** Until when the frame before is held back: none overtakes another. */
  #heldUntil = -Infinity;

  /** @param {() => number} random from 0 to 1 */
  constructor(random) {
    this.#random = random;
  }

  /**
   * In place of the one before.
   *
   * @param {FaultMessage} fault
   * @param {number} now ms
   */
  begin(fault, now) {
    this.#fault = { ...fault, until: now + fault.seconds * 1000 };
  }

  /** @param {number} now ms */
  frozen(now) {
    return this.#fault?.fault === "freeze" && now < this.#fault.until;
  }

  /**
   * How long the next frame is held back, ms; `LOST`: for ever.
   *
   * @param {number} now ms
   */
  hold(now) {
    if (this.#fault !== null && now >= this.#fault.until) this.#fault = null;
    const { fault, ratio = 0, ms = 0 } = this.#fault ?? {};
    if (fault === "freeze" || (fault === "loss" && this.#random() < ratio)) return LOST;
    this.#heldUntil = Math.max(this.#heldUntil, now + (fault === "delay" ? ms : 0));
    return this.#heldUntil - now;
  }
}
