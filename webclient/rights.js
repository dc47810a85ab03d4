/** What a participant may publish, and how a page says that it may not. Pure. */

/** @import {Participant} from "./protocol.js" */

/** @typedef {Participant["may"][number]} Right */

/** What the controls say of each, where one may not. */
const REFUSALS = {
  audio: "Listening only: raise your hand to ask for the word",
  video: "Your camera may not be shown here: raise your hand to ask for it",
  screen: "Your screen may not be shown here: raise your hand to ask for it",
};

/**
 * Why a kind is off for this person, as a sentence; null if they may publish it.
 *
 * @param {readonly Right[]} may
 * @param {Right} kind
 */
export function whyNot(may, kind) {
  return may.includes(kind) ? null : REFUSALS[kind];
}

/**
 * What the person is told when they may publish something else than before; null for nothing.
 *
 * @param {readonly Right[]} before
 * @param {readonly Right[]} after
 */
export function changeOfRights(before, after) {
  if (after.includes("audio") && !before.includes("audio")) {
    return "You have the word: unmute yourself to be heard.";
  }
  if (before.includes("audio") && !after.includes("audio")) {
    return "You are listening only: raise your hand to ask for the word.";
  }
  if (after.some((kind) => !before.includes(kind))) return "You may show more now.";
  if (before.some((kind) => !after.includes(kind))) return "You may show less now.";
  return null;
}

/**
 * Those who ask for the word come first, in the order in which they raised their hands; all
 * others stay in the order of joining.
 *
 * @param {readonly Participant[]} participants
 */
export function handsFirst(participants) {
  const asking = participants.filter(({ hand }) => hand > 0).sort((a, b) => a.hand - b.hand);
  return [...asking, ...participants.filter(({ hand }) => hand === 0)];
}

/**
 * The moderator's key in a room's link, `#key=...`: behind the "#", so that no server logs it.
 *
 * @param {string} hash of the page's location
 */
export function moderatorKey(hash) {
  return new URLSearchParams(hash.replace(/^#/, "")).get("key") || undefined;
}
