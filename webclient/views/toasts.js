/** Short sentences that come and go. */

import { byId } from "./dom.js";

const SHOWN_MS = 6_000;
/** Older ones make room. */
const MAX_SHOWN = 3;

/** @param {string} text */
export function toast(text) {
  const stack = byId("toasts", HTMLElement);
  for (const old of stack.children) if (old.textContent === text) old.remove();
  const element = document.createElement("p");
  element.textContent = text;
  stack.append(element);
  while (stack.children.length > MAX_SHOWN) stack.firstElementChild?.remove();
  setTimeout(() => element.remove(), SHOWN_MS);
}
