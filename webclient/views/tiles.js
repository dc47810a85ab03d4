/** The grid: a tile for each participant, with picture or initials, sound, and a talking ring. */

import { fitStage } from "../layout.js";
import { LevelMeter, TALKING } from "../levels.js";
import { tails } from "../names.js";
import { ViewWatch } from "../view-watch.js";
import { byId, copyOf, paintAvatar, setIcon, within, writeName } from "./dom.js";
import { ScreenTile } from "./screen.js";

/** @import {Hearing} from "../hearing.js" */
/** @import {SourceTracks} from "../peers.js" */
/** @import {Participant} from "../protocol.js" */
/** @import {Room} from "../room.js" */
/** @import {Shows} from "../view.js" */

const GAP = 10;
const LEVEL_INTERVAL_MS = 120;
/** The ring stays on between words. */
const RING_HOLD_MS = 600;
/** Who tells no level for so long is measured. */
const TOLD_FOR_MS = 1_000;

export class TilesView {
  #grid = byId("tiles", HTMLElement);
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  #hearing;
  /** @type {Map<string, ScreenTile>} */
  #screens = new Map();
  #onBlocked;
  #watch;
  /** Of the grid, without its padding. */
  #stage = { width: 0, height: 0 };
  #fitted = "";

  /**
   * @param {Hearing} hearing
   * @param {object} handlers
   * @param {() => void} handlers.blocked the browser plays no sound before a click
   * @param {(shows: Shows) => void} handlers.shows the pictures that are shown are others now
   */
  constructor(hearing, { blocked, shows }) {
    this.#hearing = hearing;
    this.#onBlocked = blocked;
    this.#watch = new ViewWatch(shows);
    new ResizeObserver(([entry]) => {
      if (entry === undefined) return;
      const { width, height } = entry.contentRect;
      this.#stage = { width, height };
      this.#fit();
    }).observe(this.#grid);
    setInterval(() => this.#tiles.forEach((tile) => tile.measure()), LEVEL_INTERVAL_MS);
  }

  /**
   * @param {Room} room
   * @param {ReadonlyMap<string, SourceTracks>} streams what to play, by participant
   * @param {SourceTracks} own what we send
   * @param {boolean} muted whether we are
   */
  render({ participants, you }, streams, own, muted) {
    const present = new Set(participants.map(({ id }) => id));
    for (const [id, tile] of this.#tiles) {
      if (present.has(id)) continue;
      this.#close(tile);
      this.#tiles.delete(id);
    }
    const sharing = participants.filter(
      ({ id, publishes }) =>
        id !== you && publishes.includes("screen") && !this.#hearing.blocked.has(id),
    );
    for (const [id, screen] of this.#screens) {
      if (sharing.some((one) => one.id === id)) continue;
      this.#close(screen);
      this.#screens.delete(id);
    }
    const apart = tails(participants);
    for (const participant of participants) {
      const isYou = participant.id === you;
      const tile = this.#tile(participant, isYou);
      const tail = apart.get(participant.id);
      if (isYou)
        tile.update({ ...participant, muted: { ...participant.muted, audio: muted } }, own, tail);
      else {
        // What is still passed on for others is not played any more.
        const blocked = this.#hearing.blocked.has(participant.id);
        tile.update(participant, (!blocked && streams.get(participant.id)) || {}, tail);
        tile.adjust(blocked, this.#hearing.volumeOf(participant));
      }
    }
    for (const participant of sharing) {
      const { id } = participant;
      this.#screen(id).update(participant, streams.get(id)?.screen, apart.get(id));
    }
    // The observer tells it later than the first tiles come.
    if (this.#stage.width === 0) this.#stage = contentSize(this.#grid);
    this.#fit();
    if (participants.length > 0) this.#watch.measure();
  }

  /** @param {import("../control.js").Levels} levels by participant */
  tell(levels) {
    for (const [id, level] of Object.entries(levels)) {
      if (!this.#hearing.blocked.has(id)) this.#tiles.get(id)?.tell(level);
    }
  }

  clear() {
    for (const tile of [...this.#tiles.values(), ...this.#screens.values()]) this.#close(tile);
    this.#tiles.clear();
    this.#screens.clear();
    this.#watch.restart();
  }

  /** @param {Tile | ScreenTile} tile */
  #close(tile) {
    this.#watch.forget(tile.element);
    tile.close();
  }

  /** After the click that allows it. */
  playAll() {
    this.#tiles.forEach((tile) => tile.play());
  }

  /**
   * @param {Participant} participant
   * @param {boolean} isYou
   */
  #tile(participant, isYou) {
    const known = this.#tiles.get(participant.id);
    if (known) return known;
    const tile = new Tile(participant, isYou, this.#onBlocked);
    tile.onUnblock = () => this.#hearing.block(participant.id, false);
    this.#tiles.set(participant.id, tile);
    this.#grid.append(tile.element);
    if (!isYou && participant.kind === "web") {
      this.#watch.watch(tile.element, participant.id, "camera");
    }
    return tile;
  }

  /** @param {string} participant */
  #screen(participant) {
    const known = this.#screens.get(participant);
    if (known) return known;
    const screen = new ScreenTile(participant);
    this.#screens.set(participant, screen);
    this.#grid.prepend(screen.element);
    this.#watch.watch(screen.element, participant, "screen");
    return screen;
  }

  #fit() {
    const shown = [...this.#grid.children].filter((one) => !one.hasAttribute("hidden"));
    const screens = this.#screens.size;
    const fit = fitStage({ screens, tiles: shown.length - screens }, this.#stage, GAP);
    const text = JSON.stringify(fit);
    if (text === this.#fitted) return;
    this.#fitted = text;
    for (const [name, size] of Object.entries(fit)) {
      this.#grid.style.setProperty(`--${name}-width`, `${size.width}px`);
      this.#grid.style.setProperty(`--${name}-height`, `${size.height}px`);
    }
  }
}

/**
 * @param {HTMLElement} element
 * @returns {import("../layout.js").Size} without its padding
 */
function contentSize(element) {
  const { paddingLeft, paddingRight, paddingTop, paddingBottom } = getComputedStyle(element);
  return {
    width: Math.max(0, element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)),
    height: Math.max(0, element.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom)),
  };
}

class Tile {
  element = copyOf("tile-template");
  #video = within(this.element, "video", HTMLVideoElement);
  #stream = new MediaStream();
  #isYou;
  #onBlocked;
  #published = false;
  #unmuted = true;
  /** @type {LevelMeter | null} */
  #meter = null;
  #heardAt = -Infinity;
  #toldAt = -Infinity;
  /** @type {MediaStreamTrack | undefined} */
  #sound;
  onUnblock = () => {};

  /**
   * @param {Participant} participant
   * @param {boolean} isYou
   * @param {() => void} onBlocked
   */
  constructor({ id, kind }, isYou, onBlocked) {
    this.#isYou = isYou;
    this.#onBlocked = onBlocked;
    this.element.dataset.participant = id;
    this.element.dataset.kind = kind;
    this.element.classList.toggle("you", isYou);
    setIcon(this.element, ".kind", kind);
    this.#video.muted = isYou;
    this.#video.onresize = () => this.#showPicture();
    within(this.element, ".unblock", HTMLButtonElement).onclick = () => this.onUnblock();
  }

  /**
   * What this person made of the participant.
   *
   * @param {boolean} blocked
   * @param {number} volume 0 to 1
   */
  adjust(blocked, volume) {
    this.element.classList.toggle("is-blocked", blocked);
    this.#video.volume = volume;
  }

  /**
   * @param {Participant} participant
   * @param {SourceTracks} tracks
   * @param {string | undefined} tail
   */
  update({ name, publishes, muted }, tracks, tail) {
    writeName(this.element, name, { isYou: this.#isYou, tail });
    paintAvatar(within(this.element, ".avatar", HTMLElement), name);
    this.#unmuted = publishes.includes("audio") && !muted.audio;
    this.element.classList.toggle("is-muted", !this.#unmuted);
    this.#published = this.#isYou ? tracks.video !== undefined : publishes.includes("video");
    this.#take(this.#isYou ? { video: tracks.video } : tracks);
    this.#sound = tracks.audio;
    this.#showPicture();
  }

  /** @param {number} level of the source, as it told */
  tell(level) {
    const now = performance.now();
    this.#toldAt = now;
    if (this.#unmuted && level > TALKING) this.#heardAt = now;
  }

  /** Lights the ring while there is sound. */
  measure() {
    const now = performance.now();
    this.#listenTo(now - this.#toldAt < TOLD_FOR_MS ? undefined : this.#sound);
    if (this.#meter && this.#unmuted && this.#meter.level() > TALKING) this.#heardAt = now;
    this.element.classList.toggle("talking", now - this.#heardAt < RING_HOLD_MS);
  }

  async play() {
    if (this.#stream.getTracks().length === 0) return;
    try {
      await this.#video.play();
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      if (name === "NotAllowedError") this.#onBlocked();
      // AbortError: the stream changed meanwhile, and is played by its own call.
      else if (name !== "AbortError") console.error(`${this.element.dataset.participant}:`, error);
    }
  }

  close() {
    this.#meter?.close();
    this.#video.srcObject = null;
    this.element.remove();
  }

  /**
   * The element keeps its stream; only tracks come and go, so that nothing flickers. The old
   * ones go first: a new parent's track can bear the old one's id, and Chromium goes by ids.
   *
   * @param {{audio?: MediaStreamTrack | undefined, video?: MediaStreamTrack | undefined}} tracks
   */
  #take({ audio, video }) {
    const wanted = [audio, video].filter((track) => track !== undefined);
    const present = this.#stream.getTracks();
    const gone = present.filter((track) => !wanted.includes(track));
    const come = wanted.filter((track) => !present.includes(track));
    if (gone.length + come.length === 0) return;
    gone.forEach((track) => this.#stream.removeTrack(track));
    come.forEach((track) => this.#stream.addTrack(track));
    this.#video.srcObject ??= this.#stream;
    void this.play();
  }

  /** @param {MediaStreamTrack | undefined} track */
  #listenTo(track) {
    if (this.#meter?.track === track) return;
    this.#meter?.close();
    this.#meter = track ? new LevelMeter(track) : null;
  }

  #showPicture() {
    const playing = this.#video.videoWidth > 0 && this.#stream.getVideoTracks().length > 0;
    this.element.classList.toggle("has-picture", this.#published && playing);
  }
}
