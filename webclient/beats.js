/**
 * PURE: to whom a sign of life is due: children and standby children miss their parent by its
 * silence (docs/protocol.md, "Repair"), and who is sent frames needs no further sign.
 */

/** Less than the 50 ms of the protocol by what a timer is late. */
const SILENT_MS = 40;

export class Beats {
  /** @type {Map<string, readonly number[]>} */
  #outlets = new Map();
  /** When something went out, by neighbour.
   * @type {Map<string, number>} */
  #sentAt = new Map();
  /** @type {Map<number, string>} */
  #neighbours = new Map();

  /** @param {readonly (readonly [string, readonly number[]])[]} whom outlets by neighbour */
  serve(whom) {
    this.#outlets = new Map(whom);
    this.#neighbours = new Map(whom.flatMap(([id, outlets]) => outlets.map((one) => [one, id])));
    for (const id of this.#sentAt.keys()) if (!this.#outlets.has(id)) this.#sentAt.delete(id);
  }

  get serving() {
    return this.#outlets.size > 0;
  }

  /**
   * @param {number} outlet which a frame went out on
   * @param {number} now ms
   */
  sent(outlet, now) {
    const neighbour = this.#neighbours.get(outlet);
    if (neighbour !== undefined) this.#sentAt.set(neighbour, now);
  }

  /**
   * Who is to be told now that we live.
   *
   * @param {number} now ms
   * @returns {string[]}
   */
  due(now) {
    const due = [...this.#outlets.keys()].filter(
      (id) => now - (this.#sentAt.get(id) ?? -Infinity) >= SILENT_MS,
    );
    for (const id of due) this.#sentAt.set(id, now);
    return due;
  }
}
