/**
 * What this person made of the others: how loud each one is, and who is blocked.
 *
 * Volumes stay with a name for as long as the tab lives, whoever bears it; a block is for one
 * participant and ends when that one leaves: who comes back is somebody new to the server.
 */

const STORED = "trestle.volumes";

/** @typedef {{id: string, name: string}} Person */

/** Fires `change`. */
export class Hearing extends EventTarget {
  #storage;
  /** @type {Map<string, number>} */
  #volumes;
  /** @type {Set<string>} */
  #blocked = new Set();

  /** @param {Pick<Storage, "getItem" | "setItem">} storage */
  constructor(storage) {
    super();
    this.#storage = storage;
    this.#volumes = read(storage);
  }

  /**
   * From 0 to 1.
   *
   * @param {Person} person
   */
  volumeOf({ name }) {
    return this.#volumes.get(name) ?? 1;
  }

  /**
   * @param {Person} person
   * @param {number} volume
   */
  setVolume({ name }, volume) {
    if (volume === 1) this.#volumes.delete(name);
    else this.#volumes.set(name, Math.max(0, Math.min(1, volume)));
    try {
      this.#storage.setItem(STORED, JSON.stringify([...this.#volumes]));
    } catch (error) {
      console.warn("volumes are not kept:", error);
    }
    this.#changed();
  }

  /** @returns {ReadonlySet<string>} ids */
  get blocked() {
    return this.#blocked;
  }

  /**
   * @param {string} id
   * @param {boolean} blocked
   */
  block(id, blocked) {
    if (blocked) this.#blocked.add(id);
    else this.#blocked.delete(id);
    this.#changed();
  }

  /**
   * Those who have left are blocked no more.
   *
   * @param {readonly Person[]} present
   */
  keep(present) {
    const ids = new Set(present.map(({ id }) => id));
    for (const id of this.#blocked) if (!ids.has(id)) this.#blocked.delete(id);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {Pick<Storage, "getItem">} storage
 * @returns {Map<string, number>}
 */
function read(storage) {
  try {
    /** @type {unknown} */
    const stored = JSON.parse(storage.getItem(STORED) ?? "[]");
    const pairs = Array.isArray(stored) ? stored.filter(isVolume) : [];
    return new Map(pairs);
  } catch (error) {
    console.warn("volumes cannot be read:", error);
    return new Map();
  }
}

/**
 * @param {unknown} pair
 * @returns {pair is [string, number]}
 */
function isVolume(pair) {
  if (!Array.isArray(pair)) return false;
  const [name, volume] = pair;
  return typeof name === "string" && typeof volume === "number" && volume >= 0 && volume <= 1;
}
