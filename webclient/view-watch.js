/** Watches where the pictures are on this page, and says which of them are shown: `view.js`. */

import { View } from "./view.js";

/** @import {Place, Shows} from "./view.js" */

export class ViewWatch {
  #onShows;
  /** Null until the stage is laid out for a participation.
   * @type {View | null} */
  #view = null;
  /** @type {Map<Element, Place>} */
  #places = new Map();
  /** Those that nobody has measured yet.
   * @type {Set<Element>} */
  #fresh = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #inView = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, boundingClientRect } of entries) {
      this.#update(target, { inView: isIntersecting, width: pixels(boundingClientRect) });
    }
    this.#look();
  });
  #sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      this.#update(target, { width: pixels(contentRect) });
    }
    this.#look();
  });

  /** @param {(shows: Shows) => void} onShows */
  constructor(onShows) {
    this.#onShows = onShows;
    document.addEventListener("visibilitychange", () => this.#look());
  }

  /**
   * @param {Element} element where the picture is
   * @param {string} source
   * @param {Place["picture"]} picture
   */
  watch(element, source, picture) {
    this.#places.set(element, { source, picture, inView: false, width: 0 });
    this.#fresh.add(element);
    this.#inView.observe(element);
    this.#sizes.observe(element);
  }

  /**
   * Says at once what is shown of that which has just come and is laid out. The observers tell it
   * with the next frame, which is late on a busy machine; and connections wait for it.
   */
  measure() {
    for (const element of this.#fresh) {
      const box = element.getBoundingClientRect();
      this.#update(element, { inView: isInView(element, box), width: pixels(box) });
    }
    this.#fresh.clear();
    this.#view ??= new View();
    this.#look();
  }

  /** @param {Element} element */
  forget(element) {
    if (!this.#places.delete(element)) return;
    this.#fresh.delete(element);
    this.#inView.unobserve(element);
    this.#sizes.unobserve(element);
    this.#look();
  }

  /** A new participation begins: nothing has been told in it. */
  restart() {
    clearTimeout(this.#timer);
    this.#view = null;
  }

  /**
   * @param {Element} element
   * @param {Partial<Place>} change
   */
  #update(element, change) {
    const place = this.#places.get(element);
    if (place) Object.assign(place, change);
  }

  #look() {
    clearTimeout(this.#timer);
    if (this.#view === null) return;
    const visible = document.visibilityState === "visible";
    const { tell, again } = this.#view.look([...this.#places.values()], visible, performance.now());
    if (again !== null) this.#timer = setTimeout(() => this.#look(), again);
    if (tell !== null) this.#onShows(tell);
  }
}

/**
 * @param {Element} element in a parent that scrolls
 * @param {DOMRect} box its own
 */
function isInView(element, box) {
  const stage = element.parentElement?.getBoundingClientRect() ?? box;
  const left = Math.max(box.left, stage.left, 0);
  const right = Math.min(box.right, stage.right, innerWidth);
  const top = Math.max(box.top, stage.top, 0);
  const bottom = Math.min(box.bottom, stage.bottom, innerHeight);
  return left < right && top < bottom;
}

/** @param {{width: number}} box in CSS pixels */
function pixels({ width }) {
  return width * devicePixelRatio;
}
