/** Short sentences that come and go, or stay for as long as they are true. */

import { byId } from "./dom.js";

const SHOWN_MS = 6_000;
/** Older ones make room. */
const MAX_SHOWN = 3;

/** Those that stay, by what they are about.
 * @type {Map<string, HTMLElement>} */
const standing = new Map();

/** What those that pass are about.
 * @type {WeakMap<Element, string>} */
const abouts = new WeakMap();

/**
 * @param {string} text
 * @param {string} [about] what else was said about it is out of date
 */
export function toast(text, about = text) {
  const stack = byId("toasts", HTMLElement);
  const staying = new Set(standing.values());
  const passing = [...stack.children].filter((one) => !staying.has(/** @type {any} */ (one)));
  for (const old of passing) if (abouts.get(old) === about) old.remove();
  const element = show(text);
  abouts.set(element, about);
  const shown = passing.filter((one) => one.isConnected);
  for (const old of shown.slice(0, shown.length + 1 - MAX_SHOWN)) old.remove();
  setTimeout(() => element.remove(), SHOWN_MS);
}

/**
 * @param {string} about
 * @param {string | null} text null: not any more
 */
export function standingToast(about, text) {
  standing.get(about)?.remove();
  standing.delete(about);
  if (text !== null) standing.set(about, show(text));
}

/** @param {string} text */
function show(text) {
  const element = document.createElement("p");
  element.textContent = text;
  byId("toasts", HTMLElement).append(element);
  return element;
}
