/** Timers that go off when a test says so. Node's own mock timers differ between its versions. */
export class Clock {
  #now = 0;
  #count = 0;
  /** @type {Map<number, {due: number, run: () => void}>} */
  #timers = new Map();

  /** Takes the place of the real ones, for this test file's process. */
  install() {
    globalThis.setTimeout = (run, ms = 0) => {
      this.#timers.set((this.#count += 1), { due: this.#now + ms, run });
      return this.#count;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
  }

  /** Lets time pass, each timer going off at its moment. */
  pass(ms) {
    const end = this.#now + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [id, { due, run }] = next;
      this.#timers.delete(id);
      this.#now = due;
      run();
    }
    this.#now = end;
  }

  #next(end) {
    const dueByThen = [...this.#timers].filter(([, { due }]) => due <= end);
    return dueByThen.sort(([, one], [, other]) => one.due - other.due)[0];
  }
}
