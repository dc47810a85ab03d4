/**
 * The conference as the server told it: a pure reducer over its messages.
 *
 * It holds who is here and which edges this participant has a part in; what those mean for media
 * is for `relay.js`. A new `welcome` starts from nothing: after a rejoin everything is told anew.
 */

/** @import {Edge, Participant, Quality, ServerMessage} from "./protocol.js" */

/**
 * @typedef {object} Room
 * @property {string} you your participant id, empty before `welcome`
 * @property {string} name
 * @property {string} seat the id of the gateway's own node in the trees
 * @property {boolean} mayRecord
 * @property {boolean} lab whether failures are made here on purpose
 * @property {boolean} recorded whether what is said is being recorded
 * @property {number} version of the roster; below 0 before the first
 * @property {readonly Participant[]} participants in order of joining
 * @property {readonly Edge[]} edges in order of attaching, the newest last
 * @property {readonly Edge[]} standbys edges to be held ready (docs/protocol.md, "Repair")
 * @property {Readonly<Record<string, Quality>>} qualities of those whose media ends at the gateway
 */

/** @type {Room} */
export const EMPTY_ROOM = Object.freeze({
  you: "",
  name: "",
  seat: "seat",
  mayRecord: false,
  lab: false,
  recorded: false,
  version: -1,
  participants: [],
  edges: [],
  standbys: [],
  qualities: {},
});

/**
 * @param {Room} room
 * @param {ServerMessage} message
 * @returns {Room}
 */
export function reduce(room, message) {
  switch (message.type) {
    case "welcome": {
      const { you, room: name, seat, may_record: mayRecord, lab } = message;
      return { ...EMPTY_ROOM, you, name, seat, mayRecord, lab };
    }
    case "roster":
      return message.version < room.version ? room : withRoster(room, message);
    case "attach": {
      const { source, kind, parent, child } = message;
      const edge = { source, kind, parent, child };
      return begun(room, edge);
    }
    case "detach":
      return without(room, message);
    case "standby": {
      const { source, kind, parent, child, on } = message;
      const others = without(room, message);
      if (!on) return others;
      return { ...others, standbys: [...others.standbys, { source, kind, parent, child }] };
    }
    case "quality":
      return { ...room, qualities: { ...room.qualities, ...message.participants } };
    default:
      return room;
  }
}

/**
 * What a standby edge becomes when the server attaches it, or we say `ready` for it.
 *
 * @param {Room} room
 * @param {Edge} edge
 * @returns {Room}
 */
export function begun(room, edge) {
  const others = without(room, edge);
  return { ...others, edges: [...others.edges, edge] };
}

/**
 * An edge ends with any of its three participants, without a word of its own. An edge that came
 * before its people were in the roster waits for them: only those who *were* here can have left.
 *
 * @param {Room} room
 * @param {{version: number, recorded: boolean, participants: readonly Participant[]}} roster
 * @returns {Room}
 */
function withRoster(room, { version, recorded, participants }) {
  const present = new Set(participants.map(({ id }) => id));
  const left = new Set(room.participants.map(({ id }) => id).filter((id) => !present.has(id)));
  if (hasSeat(room) && !hasSeat({ recorded, participants })) left.add(room.seat);
  const stays = (/** @type {Edge} */ { source, parent, child }) =>
    !left.has(source) && !left.has(parent) && !left.has(child);
  const edges = room.edges.filter(stays);
  const standbys = room.standbys.filter(stays);
  const known = Object.entries(room.qualities).filter(([id]) => present.has(id));
  const qualities = Object.fromEntries(known);
  return { ...room, version, recorded, participants, edges, standbys, qualities };
}

/**
 * Without an edge, whether it stood or was held ready.
 *
 * @param {Room} room
 * @param {Edge} gone
 * @returns {Room}
 */
function without(room, gone) {
  const stays = (/** @type {Edge} */ edge) => edgeKey(edge) !== edgeKey(gone);
  return { ...room, edges: room.edges.filter(stays), standbys: room.standbys.filter(stays) };
}

/**
 * A name for an edge that fits into a Set: participant ids hold no spaces.
 *
 * @param {Edge} edge
 */
export function edgeKey({ source, kind, parent, child }) {
  return `${source} ${kind} ${parent} ${child}`;
}

/**
 * Whether a person sees no difference: many edges come and go while nobody does.
 *
 * @param {Room} a
 * @param {Room} b
 */
export function looksSame(a, b) {
  return a.you === b.you && a.version === b.version && a.qualities === b.qualities;
}

/**
 * Whether a participant's media ends at the gateway: a phone or an XMPP client.
 *
 * @param {Participant} participant
 */
export function isLegacy({ kind }) {
  return kind !== "web";
}

/**
 * Whether the gateway takes part: for those whose media ends there, or to record.
 *
 * @param {{recorded: boolean, participants: readonly Participant[]}} roster
 */
function hasSeat({ recorded, participants }) {
  return recorded || participants.some(isLegacy);
}

/**
 * The neighbours whose connection may live: those in the roster, and the seat while it takes part.
 *
 * @param {Room} room
 * @returns {Set<string>}
 */
export function reachable(room) {
  const ids = new Set(room.participants.map(({ id }) => id));
  if (hasSeat(room)) ids.add(room.seat);
  for (const { parent, child } of [...room.edges, ...room.standbys]) ids.add(parent).add(child);
  ids.delete(room.you);
  return ids;
}

/**
 * What a person is told about somebody's connection.
 *
 * @param {Quality} quality
 */
export function qualityText({ quality, missing, missingThere, jitterMs, roundTripMs }) {
  const words = { good: "Good connection", fair: "Fair connection", bad: "Bad connection" };
  const lost = (/** @type {number} */ part) => `${(100 * part).toFixed(1)} %`;
  const parts = [`${lost(missing)} of the sound missing`];
  if (missingThere !== null) parts.push(`${lost(missingThere)} of what they hear`);
  parts.push(`jitter ${Math.round(jitterMs)} ms`);
  if (roundTripMs !== null) parts.push(`round trip ${Math.round(roundTripMs)} ms`);
  return `${words[quality]}: ${parts.join(", ")}`;
}

/**
 * What the page says about secrecy while a legacy participant is here; null when nothing.
 *
 * @param {Room} room
 */
export function secrecyNotice({ participants }) {
  const who = participants.some(({ kind }) => kind === "sip")
    ? "A phone takes part"
    : participants.some(({ kind }) => kind === "xmpp") && "An XMPP client takes part";
  return who ? `${who}: the sound is not end-to-end encrypted.` : null;
}
