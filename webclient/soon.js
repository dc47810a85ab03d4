/**
 * Once for many: a task that runs after the messages that have come already.
 *
 * By a channel's message, not by a timer: those of hidden pages are slow.
 */
export class Soon {
  #task;
  #channel = new MessageChannel();
  #due = false;

  /** @param {() => void} task */
  constructor(task) {
    this.#task = task;
    this.#channel.port1.onmessage = () => this.flush();
  }

  /** The task is due; however often that is said, it runs once. */
  ask() {
    if (!this.#due) this.#channel.port2.postMessage(null);
    this.#due = true;
  }

  /** Runs it now if it is due. */
  flush() {
    if (!this.#due) return;
    this.cancel();
    this.#task();
  }

  /** What is due is not done any more, or has been done otherwise. */
  cancel() {
    this.#due = false;
  }

  end() {
    this.cancel();
    this.#channel.port1.close();
  }
}
