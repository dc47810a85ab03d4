/** Tells the server whom this person blocks, and again after a rejoin, when it knows of nothing. */

/** @import {Hearing} from "./hearing.js" */
/** @import {Block, Participant} from "./protocol.js" */

export class Blocks {
  #hearing;
  #send;
  /** @type {ReadonlySet<string>} */
  #told = new Set();
  /** The server knows nobody before its first roster. */
  #open = false;
  #onChange = () => this.#tell();

  /**
   * @param {Hearing} hearing
   * @param {(message: Block) => void} send
   */
  constructor(hearing, send) {
    this.#hearing = hearing;
    this.#send = send;
    hearing.addEventListener("change", this.#onChange);
  }

  /** A new participation begins. */
  restart() {
    this.#told = new Set();
    this.#open = false;
  }

  /** @param {readonly Participant[]} participants the roster's */
  update(participants) {
    const present = new Set(participants.map(({ id }) => id));
    // A block ends with who left, on both sides.
    this.#told = new Set([...this.#told].filter((id) => present.has(id)));
    this.#hearing.keep(participants);
    this.#open = true;
    this.#tell();
  }

  end() {
    this.#hearing.removeEventListener("change", this.#onChange);
  }

  #tell() {
    if (!this.#open) return;
    const wanted = new Set(this.#hearing.blocked);
    for (const id of wanted) {
      if (!this.#told.has(id)) this.#send({ type: "block", participant: id, blocked: true });
    }
    for (const id of this.#told) {
      if (!wanted.has(id)) this.#send({ type: "block", participant: id, blocked: false });
    }
    this.#told = wanted;
  }
}
