/**
 * The browser signalling protocol as values: docs/protocol.md is its specification.
 *
 * Pure: text in, checked messages out, and back. What the server sends is checked as far as this
 * client relies on it; a neighbour's `signal` is a stranger's word and is checked whole.
 */

import { isVisible } from "./names.js";

/** @import {Report} from "./report.js" */

/** @typedef {"web" | "sip" | "xmpp"} Kind */
/** @typedef {"audio" | "video"} MediaKind what an RTP stream holds */
/** @typedef {"audio" | "video" | "screen"} PublishedKind what somebody has to show or say */
/**
 * One tree each: sound, the camera's picture small or full, the screen.
 *
 * @typedef {"audio" | "low" | "high" | "screen"} StreamKind
 */
/** @typedef {{audio: boolean, video: boolean}} Muted */
/**
 * @typedef {object} Participant
 * @property {string} id
 * @property {Kind} kind
 * @property {string} name
 * @property {PublishedKind[]} publishes
 * @property {Muted} muted
 * @property {PublishedKind[]} may what it may publish
 * @property {boolean} moderator
 * @property {number} hand its place in the order of raised hands, from 1; 0 while it is down
 * @property {boolean} online false: nothing has come from it for some seconds
 */
/** @typedef {{source: string, kind: StreamKind, parent: string, child: string}} Edge */
/**
 * How a phone's or an XMPP client's sound has come through lately.
 *
 * @typedef {object} Quality
 * @property {"good" | "fair" | "bad"} quality
 * @property {number} missing the part of its sound that was lost, 0 to 1
 * @property {number | null} missingThere the same of what it hears; null if it does not say
 * @property {number} jitterMs
 * @property {number | null} roundTripMs
 */
/** @typedef {{source: string, kind: StreamKind}} Track */
/** @typedef {Record<string, Track>} Tracks what each m-section carries, by mid */
/** @typedef {{type: "offer" | "answer", sdp: string}} Description */
/**
 * @typedef {object} SignalBody
 * @property {Description} [description]
 * @property {RTCIceCandidateInit | null} [candidate]
 * @property {Tracks} [tracks]
 * @property {string} [connection]
 */

/**
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {string} you
 * @property {string} token
 * @property {string} room
 * @property {RTCIceServer[]} ice_servers
 * @property {string} seat
 * @property {boolean} may_record whether `record` is allowed here
 * @property {boolean} lab whether failures are made here on purpose
 */

/**
 * @typedef {object} FaultMessage
 * @property {"fault"} type
 * @property {"kill" | "freeze" | "loss" | "delay"} fault
 * @property {number} seconds
 * @property {number} [ratio] of a loss, 0 to 1
 * @property {number} [ms] of a delay
 */

/**
 * @typedef {object} RosterMessage
 * @property {"roster"} type
 * @property {number} version
 * @property {boolean} recorded whether what is said is being recorded
 * @property {Participant[]} participants
 */

/**
 * @typedef {{type: "attach" | "detach"} & Edge} EdgeMessage
 * @typedef {{type: "standby", on: boolean} & Edge} StandbyMessage
 * @typedef {{type: "quality", participants: Record<string, Quality>}} QualityMessage
 * @typedef {{type: "ice_servers", ice_servers: RTCIceServer[]}} IceServersMessage
 * @typedef {{type: "signal", from: string} & SignalBody} SignalMessage
 * @typedef {{type: "error", code: string, text: string}} ErrorMessage
 * @typedef {{type: "bye", reason: string, text: string}} Bye
 * @typedef {{type: "pong"}} Pong
 * @typedef {Welcome | RosterMessage | EdgeMessage | StandbyMessage | QualityMessage} RoomMessage
 * @typedef {RoomMessage | SignalMessage | IceServersMessage | FaultMessage | ErrorMessage} ToldMessage
 * @typedef {ToldMessage | Bye | Pong} ServerMessage
 */

/**
 * @typedef {{mobile: boolean, relays: boolean}} Device
 * @typedef {{room: string, name: string, publishes: PublishedKind[], device?: Device,
 *   key?: string, token?: string}} JoinMembers
 * @typedef {{type: "join"} & JoinMembers} Join
 * @typedef {{type: "publish", publishes: PublishedKind[]}} Publish
 * @typedef {{type: "mute"} & Muted} Mute
 * @typedef {{type: "record", on: boolean}} RecordWish
 * @typedef {{type: "view", shows: import("./view.js").Shows}} View
 * @typedef {{type: "block", participant: string, blocked: boolean}} Block
 * @typedef {{type: "hand", raised: boolean, participant?: string}} Hand
 * @typedef {{type: "grant", participant: string, kinds: PublishedKind[]}} Grant
 * @typedef {{type: "ready", source: string, kind: StreamKind, parent: string}} Ready
 * @typedef {{type: "signal", to: string} & SignalBody} Signal
 * @typedef {{type: "report"} & Report} ReportMessage
 * @typedef {{type: "unreachable", neighbour: string}} Unreachable
 * @typedef {{type: "leave"} | {type: "ping"}} Bare
 * @typedef {Join | Publish | Mute | RecordWish | View | Block | Hand | Grant | Ready | Signal} Said
 * @typedef {Said | ReportMessage | Unreachable | Bare} ClientMessage
 */

/** The largest message the server takes, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 262_144;

/** No connection of ours has more m-sections than this: a longer map is not worth keeping. */
const MAX_TRACKS = 512;

/** A message that does not follow docs/protocol.md; the text says what is wrong with it. */
export class ProtocolError extends Error {}

/**
 * Reads one text frame. Null stands for a type this client does not know, which is no error: the
 * server may be newer.
 *
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export function parse(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("the server sent something that is not JSON");
  }
  const message = record(value, "message");
  const type = string(message, "type");
  const read = READERS[type];
  return read === undefined || !Object.hasOwn(READERS, type) ? null : read(message);
}

const FAULTS = /** @type {const} */ (["kill", "freeze", "loss", "delay"]);

/**
 * @param {Record<string, unknown>} message
 * @returns {FaultMessage}
 */
function fault(message) {
  const word = FAULTS.find((one) => one === message.fault);
  if (word === undefined) throw new ProtocolError(`no fault is ${JSON.stringify(message.fault)}`);
  const seconds = number(message, "seconds");
  switch (word) {
    case "loss":
      return { type: "fault", fault: word, seconds, ratio: number(message, "ratio") };
    case "delay":
      return { type: "fault", fault: word, seconds, ms: number(message, "ms") };
    default:
      return { type: "fault", fault: word, seconds };
  }
}

/** @type {Record<string, (message: Record<string, unknown>) => ServerMessage>} */
const READERS = {
  welcome: (message) => ({
    type: "welcome",
    you: string(message, "you"),
    token: string(message, "token"),
    room: string(message, "room"),
    ice_servers: iceServers(message),
    seat: string(message, "seat"),
    may_record: message.may_record === true,
    lab: message.lab === true,
  }),
  ice_servers: (message) => ({ type: "ice_servers", ice_servers: iceServers(message) }),
  roster: (message) => ({
    type: "roster",
    version: number(message, "version"),
    recorded: message.recorded === true,
    participants: list(message, "participants").map(participant),
  }),
  fault,
  attach: (message) => ({ type: "attach", ...edge(message) }),
  detach: (message) => ({ type: "detach", ...edge(message) }),
  standby: (message) => ({ type: "standby", ...edge(message), on: message.on === true }),
  quality: (message) => ({
    type: "quality",
    participants: Object.fromEntries(
      Object.entries(record(message.participants, "participants")).map(([id, one]) => [
        id,
        quality(one),
      ]),
    ),
  }),
  signal: (message) => ({ type: "signal", from: string(message, "from"), ...signalBody(message) }),
  error: (message) => ({
    type: "error",
    code: string(message, "code"),
    text: string(message, "text"),
  }),
  bye: (message) => ({
    type: "bye",
    reason: string(message, "reason"),
    text: string(message, "text"),
  }),
  pong: () => ({ type: "pong" }),
};

/**
 * @param {unknown} value
 * @returns {Participant}
 */
function participant(value) {
  const member = record(value, "participant");
  const kind = string(member, "kind");
  if (kind !== "web" && kind !== "sip" && kind !== "xmpp") {
    throw new ProtocolError(`nobody joins by ${JSON.stringify(kind)}`);
  }
  const muted = record(member.muted ?? {}, "muted");
  return {
    id: string(member, "id"),
    kind,
    name: string(member, "name"),
    publishes: list(member, "publishes").filter(isPublishedKind),
    muted: { audio: muted.audio === true, video: muted.video === true },
    may: list(member, "may").filter(isPublishedKind),
    moderator: member.moderator === true,
    hand: number(member, "hand"),
    online: member.online !== false,
  };
}

/**
 * @param {unknown} value
 * @returns {Quality}
 */
function quality(value) {
  const member = record(value, "quality");
  const word = string(member, "quality");
  if (word !== "good" && word !== "fair" && word !== "bad") {
    throw new ProtocolError(`no quality is ${JSON.stringify(word)}`);
  }
  return {
    quality: word,
    missing: number(member, "missing"),
    missingThere: member.missing_there === null ? null : number(member, "missing_there"),
    jitterMs: number(member, "jitter_ms"),
    roundTripMs: member.round_trip_ms === null ? null : number(member, "round_trip_ms"),
  };
}

/**
 * @param {Record<string, unknown>} message
 * @returns {Edge}
 */
function edge(message) {
  return {
    ...track(message),
    parent: string(message, "parent"),
    child: string(message, "child"),
  };
}

/**
 * @param {Record<string, unknown>} message
 * @returns {SignalBody}
 */
function signalBody(message) {
  /** @type {SignalBody} */
  const body = {};
  if (message.description !== undefined) {
    const description = record(message.description, "description");
    const type = string(description, "type");
    if (type !== "offer" && type !== "answer") throw new ProtocolError("description: wrong type");
    body.description = { type, sdp: string(description, "sdp") };
  }
  if (message.candidate !== undefined) {
    body.candidate = message.candidate === null ? null : record(message.candidate, "candidate");
  }
  if (message.tracks !== undefined) body.tracks = tracks(record(message.tracks, "tracks"));
  if (message.connection !== undefined) body.connection = string(message, "connection");
  return body;
}

/** @param {Record<string, unknown>} message */
function iceServers(message) {
  return /** @type {RTCIceServer[]} */ (list(message, "ice_servers"));
}

/**
 * @param {Record<string, unknown>} value
 * @returns {Tracks}
 */
function tracks(value) {
  const entries = Object.entries(value);
  if (entries.length > MAX_TRACKS) throw new ProtocolError("tracks: too many");
  return Object.fromEntries(
    entries.map(([mid, one]) => [mid, track(record(one, "tracks"))]),
  );
}

/**
 * @param {Record<string, unknown>} message
 * @returns {Track}
 */
function track(message) {
  const kind = string(message, "kind");
  if (!isStreamKind(kind)) throw new ProtocolError(`no stream is ${JSON.stringify(kind)}`);
  return { source: string(message, "source"), kind };
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {Record<string, unknown>}
 */
function record(value, what) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${what}: not an object`);
  }
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {Record<string, unknown>} message
 * @param {string} member
 */
function string(message, member) {
  const value = message[member];
  if (typeof value !== "string") throw new ProtocolError(`${member}: not a string`);
  return value;
}

/**
 * @param {Record<string, unknown>} message
 * @param {string} member
 */
function number(message, member) {
  const value = message[member];
  if (typeof value !== "number") throw new ProtocolError(`${member}: not a number`);
  return value;
}

/**
 * @param {Record<string, unknown>} message
 * @param {string} member
 * @returns {unknown[]}
 */
function list(message, member) {
  const value = message[member];
  if (!Array.isArray(value)) throw new ProtocolError(`${member}: not a list`);
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is PublishedKind}
 */
function isPublishedKind(value) {
  return value === "audio" || value === "video" || value === "screen";
}

/**
 * @param {unknown} value
 * @returns {value is StreamKind}
 */
export function isStreamKind(value) {
  return value === "audio" || value === "low" || value === "high" || value === "screen";
}

/**
 * What a stream is in RTP.
 *
 * @param {StreamKind} kind
 * @returns {MediaKind}
 */
export function mediaOf(kind) {
  return kind === "audio" ? "audio" : "video";
}

/**
 * What a stream shows; the camera's layers are one picture.
 *
 * @param {StreamKind} kind
 * @returns {PublishedKind}
 */
export function publishedOf(kind) {
  return kind === "low" || kind === "high" ? "video" : kind;
}

/**
 * The frame for a message. Throws rather than let the server end everything with 1009.
 *
 * @param {ClientMessage} message
 */
export function serialize(message) {
  const text = JSON.stringify(message);
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_MESSAGE_BYTES) {
    throw new ProtocolError(`a ${message.type} of ${bytes} bytes is more than the server takes`);
  }
  return text;
}

/**
 * What is wrong with a room's name, as a sentence for the person who typed it; null if nothing.
 *
 * @param {string} room
 */
export function roomProblem(room) {
  if (room === "") return "Give the room a name.";
  if (room.length > 64) return "A room's name has at most 64 characters.";
  if (room.startsWith(".")) return "A room's name cannot begin with a dot.";
  if (!/^[a-z0-9._-]+$/i.test(room)) {
    return "A room's name is made of the letters a to z, digits, and the signs - _ and .";
  }
  return null;
}

/**
 * The same for a person's name.
 *
 * @param {string} name
 */
export function nameProblem(name) {
  if (name === "") return "Tell the others your name.";
  if ([...name].length > 64) return "A name has at most 64 characters.";
  if (/\p{Cc}/u.test(name)) return "A name has no line breaks or other control characters.";
  if (!isVisible(name)) return "A name needs something that people can see.";
  return null;
}

/**
 * Whether to come back after the web socket closed with `code`; the table of docs/protocol.md.
 *
 * @param {number} code
 */
export function mayRejoin(code) {
  return code !== 1000 && code !== 1008 && code !== 1009;
}
