/**
 * The person's own microphone and camera: opening, switching, muting, and in plain words why not.
 *
 * Sound and picture are opened one by one, so that a camera in use never costs the microphone.
 */

/** @import {MediaKind, PublishedKind} from "./protocol.js" */
/** @import {Streams} from "./relay.js" */

/** No device of this kind, by choice. */
export const NONE = "none";
/** Whichever device the browser takes. */
export const DEFAULT = "";

/** @type {Record<MediaKind, MediaTrackConstraints>} */
const CONSTRAINTS = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: { width: { ideal: 640 }, height: { ideal: 360 }, frameRate: { ideal: 24 } },
};

const NOUN = { audio: "microphone", video: "camera", screen: "screen" };

/** To be read, not to be watched: sharp, and not often.
 * @type {MediaTrackConstraints} */
const SCREEN = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { max: 12 } };

/**
 * A sentence or two for people: what happened and what to do about it.
 *
 * @param {PublishedKind} kind
 * @param {string} errorName the name of the browser's DOMException, or "InsecureContext"
 */
export function mediaProblem(kind, errorName) {
  if (kind === "screen" && errorName in SCREEN_PROBLEMS) return SCREEN_PROBLEMS[errorName] ?? "";
  const device = NOUN[kind];
  switch (errorName) {
    case "InsecureContext":
      return (
        `The browser gives the ${device} only to pages that come by https or from localhost. ` +
        "Open this page by its https address, or join as a listener."
      );
    case "NotAllowedError":
    case "SecurityError":
      return (
        `The ${device} was refused. Allow it for this page, by the sign beside the address, ` +
        "and try again."
      );
    case "NotFoundError":
    case "OverconstrainedError":
      return `There is no ${device}. Plug one in and try again, or go on without.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${device} is in use by another program. Close that one and try again.`;
    default:
      return `The ${device} cannot be opened (${errorName}).`;
  }
}

/** @type {Record<string, string>} */
const SCREEN_PROBLEMS = {
  NotAllowedError:
    "No screen is shared: nothing was chosen, or the browser is not allowed to see the screen.",
  NotFoundError: "There is no screen that could be shared.",
  NotReadableError:
    "The system does not let the browser see the screen. Allow it in the system's settings and " +
    "try again.",
};

/** Whether the browser can share a screen; on telephones it cannot. */
export function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/** Fires `change` when a track, a choice, a problem or the mute state is another one. */
export class LocalMedia extends EventTarget {
  /** @type {Partial<Record<PublishedKind, MediaStreamTrack>>} */
  tracks = {};
  /** @type {Record<MediaKind, string>} device ids, DEFAULT or NONE */
  chosen = { audio: DEFAULT, video: DEFAULT };
  /** @type {Partial<Record<PublishedKind, string>>} sentences */
  problems = {};
  /** The microphone stays open but sends silence. */
  muted = false;
  /** What the room lets this person publish.
   * @type {readonly PublishedKind[]} */
  may = ["audio", "video", "screen"];
  /** Counts choices: of two that overlap the later one holds. */
  #choices = { audio: 0, video: 0, screen: 0 };

  /**
   * What we send: the camera's picture goes out in two sizes.
   *
   * @returns {Streams<MediaStreamTrack>}
   */
  get streams() {
    const { audio, video, screen } = this.tracks;
    return {
      ...(audio && { audio }),
      ...(video && { low: video, high: video }),
      ...(screen && { screen }),
    };
  }

  /**
   * Opens a device, or closes what is open for NONE. Problems end up in `problems`.
   *
   * @param {MediaKind} kind
   * @param {string} deviceId
   */
  async choose(kind, deviceId) {
    this.chosen[kind] = deviceId;
    const choice = (this.#choices[kind] += 1);
    if (deviceId === NONE) return this.#put(kind, undefined, undefined);
    // Not every camera can be opened twice: the old one goes first.
    if (kind === "video") this.#put(kind, undefined, undefined);
    try {
      const track = await openTrack(kind, deviceId);
      if (choice !== this.#choices[kind]) return track.stop();
      this.#put(kind, track, undefined);
    } catch (error) {
      console.warn(`${NOUN[kind]}:`, error);
      if (choice !== this.#choices[kind]) return;
      this.#put(kind, undefined, mediaProblem(kind, errorName(error)));
    }
  }

  /** Asks the person which screen or window to share. */
  async shareScreen() {
    const choice = (this.#choices.screen += 1);
    try {
      const track = await openScreen();
      if (choice !== this.#choices.screen) return track.stop();
      this.#put("screen", track, undefined);
    } catch (error) {
      console.warn("screen:", error);
      if (choice !== this.#choices.screen) return;
      this.#put("screen", undefined, mediaProblem("screen", errorName(error)));
    }
  }

  stopScreen() {
    this.#choices.screen += 1;
    this.#put("screen", undefined, undefined);
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    if (this.tracks.audio) this.tracks.audio.enabled = !muted;
    this.#changed();
  }

  /**
   * The room lets this person publish these kinds and no others. What is taken stays off when it
   * is given back: nobody is heard or seen by surprise.
   *
   * @param {readonly PublishedKind[]} kinds
   */
  allow(kinds) {
    const lost = this.may.filter((kind) => !kinds.includes(kind));
    if (lost.length === 0 && kinds.length === this.may.length) return;
    this.may = kinds;
    if (lost.includes("audio")) this.setMuted(true);
    if (lost.includes("video") && this.tracks.video) void this.choose("video", NONE);
    if (lost.includes("screen")) this.stopScreen();
    this.#changed();
  }

  /** Switches the devices off; the choices stay. */
  close() {
    for (const kind of /** @type {const} */ (["audio", "video", "screen"])) {
      this.#choices[kind] += 1;
      this.tracks[kind]?.stop();
    }
    this.tracks = {};
    this.#changed();
  }

  /**
   * @param {PublishedKind} kind
   * @param {MediaStreamTrack | undefined} track
   * @param {string | undefined} problem
   */
  #put(kind, track, problem) {
    this.tracks[kind]?.stop();
    delete this.tracks[kind];
    delete this.problems[kind];
    if (problem !== undefined) this.problems[kind] = problem;
    if (track !== undefined) {
      this.tracks[kind] = track;
      if (kind === "audio") track.enabled = !this.muted;
      track.onended = () => {
        // The browser has a button of its own that ends sharing.
        const lost = `The ${NOUN[kind]} was unplugged or taken away.`;
        this.#put(kind, undefined, kind === "screen" ? undefined : lost);
      };
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * @param {MediaKind} kind
 * @param {string} deviceId
 */
async function openTrack(kind, deviceId) {
  if (!navigator.mediaDevices) throw new DOMException("no mediaDevices", "InsecureContext");
  const device = deviceId === DEFAULT ? {} : { deviceId: { exact: deviceId } };
  const stream = await navigator.mediaDevices.getUserMedia({
    [kind]: { ...CONSTRAINTS[kind], ...device },
  });
  const track = stream.getTracks().find((one) => one.kind === kind);
  if (track === undefined) throw new DOMException("no track", "NotFoundError");
  return track;
}

async function openScreen() {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: SCREEN, audio: false });
  const [track] = stream.getVideoTracks();
  if (track === undefined) throw new DOMException("no track", "NotFoundError");
  track.contentHint = "detail";
  return track;
}

/** @param {unknown} error */
function errorName(error) {
  return error instanceof Error ? error.name : String(error);
}

/**
 * The devices of one kind. Their labels are empty until one was opened.
 *
 * @param {MediaKind} kind
 */
export async function listDevices(kind) {
  if (!navigator.mediaDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === `${kind}input` && device.deviceId !== "");
}
