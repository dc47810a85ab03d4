/** How people's names are shown: never as nothing, and never as somebody else's. Pure. */

/** @import {Participant} from "./protocol.js" */

/** Spaces, joiners, marks without a letter, and the letters that are blank: Hangul fillers, Braille. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Mn}\p{Z}\u115f\u1160\u2800\u3164\uffa0]/gu;

/** @param {string} name */
export function isVisible(name) {
  return name.replace(UNSEEN, "") !== "";
}

/** @param {string} name */
export function shownName(name) {
  return isVisible(name) ? name : "Somebody";
}

/**
 * What tells those apart who bear the same name: the end of their ids, which stays the same while
 * others come and go.
 *
 * @param {readonly Participant[]} participants
 * @returns {Map<string, string>} by id; nobody whose name is theirs alone
 */
export function tails(participants) {
  /** @type {Map<string, string[]>} */
  const bearers = new Map();
  for (const { id, name } of participants) {
    const looks = shownName(name).normalize("NFKC").replace(UNSEEN, "").toLowerCase();
    bearers.set(looks, [...(bearers.get(looks) ?? []), id]);
  }
  const shared = [...bearers.values()].filter((ids) => ids.length > 1).flat();
  return new Map(shared.map((id) => [id, id.slice(id.lastIndexOf("-") + 1)]));
}
