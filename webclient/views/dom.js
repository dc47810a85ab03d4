/** What several views share: typed look-ups in index.html, avatars, icons. */

import { shownName } from "../names.js";

/**
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return element;
}

/**
 * @template {Element} E
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => E} type
 * @returns {E}
 */
export function within(root, selector, type) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} ${selector}`);
  return element;
}

/**
 * A copy of a template's only element.
 *
 * @param {string} templateId
 */
export function copyOf(templateId) {
  const element = byId(templateId, HTMLTemplateElement).content.firstElementChild;
  return /** @type {HTMLElement} */ (element?.cloneNode(true));
}

/**
 * @param {ParentNode} root
 * @param {string} selector of the svg
 * @param {string} name of the symbol, without "icon-"
 */
export function setIcon(root, selector, name) {
  within(root, `${selector} use`, SVGUseElement).setAttribute("href", `#icon-${name}`);
}

/**
 * Writes a participant's name, and beside it, where no name can imitate them, what is ours to say:
 * that it is you, or which one of those called the same.
 *
 * @param {ParentNode} root with a `.name`, a `.you-badge` and a `.tail`
 * @param {string} name
 * @param {{isYou: boolean, tail: string | undefined}} aside
 */
export function writeName(root, name, { isYou, tail }) {
  const element = within(root, ".name", HTMLElement);
  element.textContent = element.title = shownName(name);
  within(root, ".you-badge", HTMLElement).textContent = isYou ? "(you)" : "";
  within(root, ".tail", HTMLElement).textContent = tail ?? "";
}

/**
 * Initials on a colour that stays with the name.
 *
 * @param {HTMLElement} avatar
 * @param {string} name
 */
export function paintAvatar(avatar, name) {
  avatar.textContent = initials(name);
  const hash = [...name].reduce((sum, sign) => (sum * 31 + (sign.codePointAt(0) ?? 0)) % 360, 7);
  avatar.style.setProperty("--hue", String(hash));
}

/**
 * Of a person's name the first letters, of an address those of its user, of a number its end.
 *
 * @param {string} name
 */
function initials(name) {
  const words = (name.split("@")[0] ?? "").match(/\p{L}+/gu);
  if (words === null) return name.replace(/\D/g, "").slice(-2) || "?";
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return ends.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}
