/** PURE: what silence looks like in Opus (discontinuous transmission, RFC 7587, section 3.1.3). */

/** With so few octets Opus says silence: eight frames of 3 and one of 1, and then each 400 ms one of 3
 * and one of 1. */
const SILENT_OCTETS = 3;

/** @param {number} octets of a frame */
export function isSilent(octets) {
  return octets <= SILENT_OCTETS;
}

/**
 * What begins a pause is said twice: if it is lost, who listens would know of it only from the next
 * frame, 400 ms later, and make up sound until then.
 */
export class PauseBeginning {
  /** The frame of silence that went last, if it was not said twice.
   * @type {{data: ArrayBuffer, at: number} | null} */
  #last = null;
  #before = "";

  /**
   * @param {ArrayBuffer} data of a frame that goes now
   * @param {number} now ms
   */
  goes(data, now) {
    const silence = isSilent(data.byteLength) ? `${new Uint8Array(data)}` : "";
    const isNew = silence !== "" && silence !== this.#before;
    // What is written is gone: this is a copy.
    this.#last = isNew ? { data: data.slice(0), at: now } : null;
    this.#before = silence;
  }

  /**
   * What is to be said again.
   *
   * @param {number} before ms: only what went then
   */
  again(before) {
    const last = this.#last;
    if (last === null || last.at > before) return null;
    this.#last = null;
    return last.data;
  }
}
