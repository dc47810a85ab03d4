/** When the seat is tried again: a connection with it that is stuck cannot go on from there. */

/** A seat that fails again and again is left alone after this many connections. */
const MAX_ATTEMPTS = 5;
/** Before the first new connection; each further one waits as much longer. */
const RETRY_MS = 1_000;

export class SeatRetry {
  #on;
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {{again: () => void, over: () => void}} handlers `over`: it is not tried any more */
  constructor(handlers) {
    this.#on = handlers;
  }

  /** Whether it is not tried any more. */
  get isOver() {
    return this.#attempts >= MAX_ATTEMPTS;
  }

  /** It failed. One mishap can be told more than once. */
  failed() {
    if (this.#timer !== undefined || this.isOver) return;
    this.#attempts += 1;
    if (this.isOver) return this.#on.over();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#on.again();
    }, RETRY_MS * this.#attempts);
  }

  /** A connection stands. An attempt that is due still comes: it is for one that is stuck. */
  stands() {
    this.#attempts = 0;
  }

  /** Nothing has failed yet. */
  reset() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#attempts = 0;
  }
}
