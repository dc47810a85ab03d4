/**
 * One participation in one conference: keeps signalling, room and peers in step.
 *
 * Knows nothing of the page; the page hears of it by the handlers.
 */

import { Blocks } from "./blocks.js";
import { watchNetwork } from "./path.js";
import { deviceOf } from "./machine.js";
import { Peers } from "./peers.js";
import { Reporting } from "./reporting.js";
import { changeOfRights } from "./rights.js";
import { EMPTY_ROOM, begun, edgeKey, looksSame, reachable, reduce } from "./room.js";
import { Signaling } from "./signaling.js";
import { Soon } from "./soon.js";

/** @import {Hearing} from "./hearing.js" */
/** @import {LocalMedia} from "./media.js" */
/** @import {SourceTracks} from "./peers.js" */
/** @import {ClientMessage, Grant, Hand, PublishedKind, ServerMessage} from "./protocol.js" */
/** @import {Room} from "./room.js" */
/** @import {Shows} from "./view.js" */
/** @import {Connection, Ending} from "./signaling.js" */

/** Error codes that the person need not see: the neighbour has just left. */
const QUIET_ERRORS = new Set(["unknown-peer"]);

/** Error codes that may be about an offer: one that never came to the seat. */
const OFFER_ERRORS = new Set(["bad-message", "rate-limited"]);

const KINDS = /** @type {const} */ (["audio", "video", "screen"]);

/**
 * @typedef {object} Handlers
 * @property {(state: Connection) => void} state
 * @property {(room: Room) => void} room it looks otherwise now
 * @property {(streams: Map<string, SourceTracks>) => void} streams
 * @property {(levels: import("./control.js").Levels) => void} levels how loud sources are
 * @property {(text: string, about?: string) => void} notice something the person should know; what
 *     is said anew about a thing takes the place of what was said of it
 * @property {(about: string, text: string | null) => void} standing the same for as long as it is
 *     so; null: it is over
 * @property {() => void} killed on purpose: come back as somebody new
 * @property {(ending: Ending) => void} ended not by us
 */

/** @type {Handlers} */
const NOBODY = Object.freeze({
  state() {},
  room() {},
  streams() {},
  levels() {},
  notice() {},
  standing() {},
  killed() {},
  ended() {},
});

export class Conference {
  #media;
  #on;
  #signaling;
  #peers;
  #blocks;
  #reporting;
  #room = EMPTY_ROOM;
  #told = "";
  /** Null: nothing has been shown yet.
   * @type {Shows | null} */
  #shows = null;
  #closed = false;
  /** Many edges come at once; what they mean is worked out once. What goes, goes at once: if it comes
   * back it is another one. */
  #soon = new Soon(() => this.#update());
  #endWatch;
  #onMediaChange = () => this.#mediaChanged();
  #onVisible = () => document.visibilityState === "visible" && this.#signaling.retryNow();

  /**
   * @param {object} options
   * @param {string} options.room
   * @param {string} options.name
   * @param {string | undefined} options.key a moderator's
   * @param {LocalMedia} options.media
   * @param {Hearing} options.hearing
   * @param {() => WebSocket} options.openSocket
   * @param {Handlers} handlers
   */
  constructor({ room, name, key, media, hearing, openSocket }, handlers) {
    this.#media = media;
    this.#on = handlers;
    this.#peers = new Peers({
      send: (message) => {
        this.#send(message);
        if (message.type === "ready") this.#begun(message);
      },
      streams: (streams) => this.#on.streams(streams),
      levels: (levels) => this.#on.levels(levels),
      trouble: (about, text) => this.#on.standing(about, text),
    });
    this.#blocks = new Blocks(hearing, (message) => this.#send(message));
    this.#reporting = new Reporting({
      links: () => this.#peers.links(),
      stats: () => this.#peers.stats(),
      send: (message) => this.#send(message),
    });
    this.#signaling = new Signaling(openSocket, () => this.#join({ room, name, key }), {
      message: (message) => this.#receive(message),
      state: (state) => {
        if (state !== "joined") this.#reporting.pause();
        handlers.state(state);
      },
      ended: (ending) => {
        this.#close();
        handlers.ended(ending);
      },
    });
    media.addEventListener("change", this.#onMediaChange);
    this.#endWatch = watchNetwork(() => {
      this.#signaling.retryNow();
      this.#peers.networkChanged();
    });
    document.addEventListener("visibilitychange", this.#onVisible);
    void this.#start();
  }

  async #start() {
    await this.#peers.prepared;
    if (!this.#closed) this.#signaling.start();
  }

  /** What this page sends to whom, and by which method. */
  stats() {
    return this.#peers.stats();
  }

  /**
   * Asks for a recording of the conference, or for its end; the roster tells whether it came.
   *
   * @param {boolean} on
   */
  record(on) {
    this.#send({ type: "record", on });
  }

  /**
   * Asks for something that the roster tells whether it came.
   *
   * @param {Hand | Grant} wish
   */
  ask(wish) {
    this.#send(wish);
  }

  /**
   * Tells which pictures the page shows: no others are sent to it.
   *
   * @param {Shows} shows
   */
  view(shows) {
    this.#shows = shows;
    if (this.#room.you !== "") this.#send({ type: "view", shows });
  }

  /** Gone without a word, as if the page had been killed. */
  #vanish() {
    this.#signaling.vanish();
    this.#close();
  }

  /** @param {import("./protocol.js").FaultMessage} fault */
  #suffer(fault) {
    console.info("a failure on purpose:", fault);
    if (fault.fault !== "kill") return this.#peers.suffer(fault);
    const { killed } = this.#on;
    this.#vanish();
    killed();
  }

  /** We are out for the person, and stay for a moment for those whom we relay to. */
  leave() {
    this.#stop();
    this.#update();
    this.#signaling.leave(() => this.#end());
  }

  /** We are out at once: so are all who depend on us, whom closed connections tell. */
  hangUp() {
    this.#signaling.hangUp();
    this.#close();
  }

  #close() {
    this.#stop();
    this.#end();
  }

  #end() {
    this.#soon.end();
    this.#peers.end();
  }

  /** Nothing is told any more, and nothing of ours is sent. */
  #stop() {
    this.#closed = true;
    this.#on = NOBODY;
    this.#reporting.end();
    this.#media.removeEventListener("change", this.#onMediaChange);
    this.#endWatch();
    this.#blocks.end();
    document.removeEventListener("visibilitychange", this.#onVisible);
  }

  #update() {
    this.#soon.cancel();
    this.#peers.update(this.#room, this.#own);
  }

  get #own() {
    return this.#closed ? {} : this.#media.streams;
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    const before = this.#room;
    this.#room = reduce(before, message);
    switch (message.type) {
      case "welcome":
        this.#peers.restart(message.ice_servers);
        this.#blocks.restart();
        this.#mediaChanged();
        if (this.#shows !== null) this.view(this.#shows);
        this.#reporting.begin();
        break;
      case "roster":
        if (!this.#closed) this.#takeRoster();
        if (isAllOf(reachable(before), reachable(this.#room))) this.#soon.ask();
        else this.#update();
        break;
      case "attach":
        this.#soon.ask();
        break;
      case "standby":
        if (message.on) this.#soon.ask();
        else this.#update();
        break;
      case "detach":
        this.#update();
        break;
      case "ice_servers":
        this.#peers.useServers(message.ice_servers);
        break;
      case "signal":
        this.#soon.flush();
        this.#peers.receive(message);
        break;
      case "fault":
        if (this.#room.lab) this.#suffer(message);
        break;
      case "error":
        this.#refused(message);
        break;
    }
    if (!looksSame(this.#room, before)) this.#on.room(this.#room);
  }

  /** @param {import("./protocol.js").ErrorMessage} error */
  #refused({ code, text }) {
    console.warn(`the server refused: ${code}: ${text}`);
    if (code === "refused" || (OFFER_ERRORS.has(code) && this.#peers.offersToSeat)) {
      this.#peers.renewSeat();
    } else if (this.#room.you !== "" && !QUIET_ERRORS.has(code)) this.#on.notice(text);
  }

  /** What we may publish, as the roster says, is all that stays on. */
  #takeRoster() {
    const { participants, you } = this.#room;
    this.#blocks.update(participants);
    const own = participants.find(({ id }) => id === you);
    if (own === undefined) return;
    const told = changeOfRights(this.#media.may, own.may);
    this.#media.allow(own.may);
    if (told !== null) this.#on.notice(told, "rights");
  }

  /**
   * @param {{room: string, name: string, key: string | undefined}} who
   * @returns {import("./protocol.js").Join}
   */
  #join({ room, name, key }) {
    const publishes = this.#publishes();
    this.#told = JSON.stringify([publishes, { audio: false, video: false }]);
    const device = deviceOf(navigator);
    return { type: "join", room, name, device, publishes, ...(key && { key }) };
  }

  /** The server hears of what changed since `join`, which lets everyone in unmuted. */
  #mediaChanged() {
    if (this.#room.you === "") return;
    const publishes = this.#publishes();
    const muted = { audio: this.#media.muted, video: false };
    const told = JSON.stringify([publishes, muted]);
    if (told !== this.#told) {
      this.#told = told;
      this.#send({ type: "publish", publishes });
      this.#send({ type: "mute", ...muted });
    }
    this.#update();
  }

  /** @returns {PublishedKind[]} */
  #publishes() {
    const { tracks, may } = this.#media;
    return KINDS.filter((kind) => tracks[kind] !== undefined && may.includes(kind));
  }

  /**
   * A standby edge of which we said `ready` is an edge like any other: nothing more is told of it.
   *
   * @param {import("./protocol.js").Ready} ready
   */
  #begun({ source, kind, parent }) {
    const edge = { source, kind, parent, child: this.#room.you };
    if (!this.#room.standbys.some((one) => edgeKey(one) === edgeKey(edge))) return;
    this.#room = begun(this.#room, edge);
    this.#soon.ask();
  }

  /** @param {ClientMessage} message */
  #send(message) {
    try {
      this.#signaling.send(message);
    } catch (error) {
      console.error("cannot be sent:", error);
      if (message.type === "signal" && message.to === this.#room.seat) this.#peers.renewSeat();
    }
  }
}

/**
 * @param {ReadonlySet<string>} some
 * @param {ReadonlySet<string>} all
 */
function isAllOf(some, all) {
  return [...some].every((one) => all.has(one));
}
