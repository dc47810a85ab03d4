/**
 * PURE: which pictures this page shows, how large, and when the server is told (`view` in
 * docs/protocol.md). What nobody shows is not sent at all.
 */

/** The low layer's width: it looks as good in a tile of so many device pixels. */
const LOW_WIDTH = 320;
/** A tile near that width does not change its layer to and fro. */
const TO_HIGH = LOW_WIDTH * 1.05;
const TO_LOW = LOW_WIDTH * 0.9;

/** What is not seen any more, or at another size, can wait: it may be back soon. ms */
const CALM_MS = 300;
/** What comes into view cannot; but who scrolls far brings much into view, and each such word makes
 * the server plan anew, which takes five a second for long (docs/protocol.md). ms */
const URGENT_MS = 250;

/**
 * A place for a picture. `width` in device pixels.
 *
 * @typedef {object} Place
 * @property {string} source
 * @property {"camera" | "screen"} picture
 * @property {boolean} inView
 * @property {number} width
 */

/** @typedef {"low" | "high" | "screen"} Layer */
/** @typedef {Record<string, Layer[]>} Shows by source; who is not named is not shown */

export class View {
  /** The layer of each source's camera.
   * @type {Map<string, "low" | "high">} */
  #layers = new Map();
  /** @type {Shows | null} */
  #told = null;
  #toldAt = -Infinity;

  /**
   * @param {readonly Place[]} places
   * @param {boolean} visible whether the page is
   * @param {number} now ms
   * @returns {{tell: Shows | null, again: number | null}} what to tell now; when to look again, ms
   */
  look(places, visible, now) {
    const told = this.#told;
    const shows = this.#shows(places, visible);
    if (told !== null && same(shows, told)) return { tell: null, again: null };
    const wait = this.#toldAt + (appears(shows, told ?? {}) ? URGENT_MS : CALM_MS) - now;
    if (wait > 0) return { tell: null, again: wait };
    this.#told = shows;
    this.#toldAt = now;
    return { tell: shows, again: null };
  }

  /**
   * @param {readonly Place[]} places
   * @param {boolean} visible
   */
  #shows(places, visible) {
    /** @type {Shows} */
    const shows = {};
    for (const { source, picture, inView, width } of places) {
      if (!visible || !inView || width === 0) continue;
      (shows[source] ??= []).push(picture === "screen" ? "screen" : this.#layer(source, width));
    }
    return shows;
  }

  /**
   * @param {string} source
   * @param {number} width
   */
  #layer(source, width) {
    const before = this.#layers.get(source);
    const limit = before === "low" ? TO_HIGH : before === "high" ? TO_LOW : LOW_WIDTH;
    const layer = width > limit ? "high" : "low";
    this.#layers.set(source, layer);
    return layer;
  }
}

/**
 * @param {Shows} a
 * @param {Shows} b
 */
function same(a, b) {
  const all = [...Object.keys(a), ...Object.keys(b)];
  return all.every((source) => String(a[source]) === String(b[source]));
}

/**
 * Whether a picture is shown that was not, in whatever size.
 *
 * @param {Shows} shows
 * @param {Shows} told
 */
function appears(shows, told) {
  return Object.entries(shows).some(([source, layers]) => {
    const before = (told[source] ?? []).map(pictureOf);
    return layers.some((layer) => !before.includes(pictureOf(layer)));
  });
}

/** @param {Layer} layer */
function pictureOf(layer) {
  return layer === "screen" ? "screen" : "camera";
}
