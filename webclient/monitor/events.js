/** PURE: server-sent events (WHATWG HTML, section 9.2.6) out of a text that comes in pieces. */

/** @typedef {{type: string, data: string}} ServerEvent */

export class EventReader {
  #rest = "";

  /**
   * @param {string} piece
   * @returns {ServerEvent[]} those that are whole by now
   */
  read(piece) {
    const parts = (this.#rest + piece).split("\n\n");
    this.#rest = parts.pop() ?? "";
    return parts.map(parse).filter((event) => event !== null);
  }
}

/**
 * @param {string} block
 * @returns {ServerEvent | null} null: a comment, which only says that the server is there
 */
function parse(block) {
  let type = "message";
  /** @type {string[]} */
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) type = line.slice(7);
    if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return data.length > 0 ? { type, data: data.join("\n") } : null;
}
