/** The device selects with their level bar and problems: in the join card and in the room. */

import { LevelMeter } from "../levels.js";
import { DEFAULT, NONE, listDevices } from "../media.js";
import { byId } from "./dom.js";

/** @import {LocalMedia} from "../media.js" */
/** @import {MediaKind} from "../protocol.js" */

const LEVEL_INTERVAL_MS = 60;
/** Speech is about 0.05 to 0.3 in root mean square: fill the bar with it. */
const FULL_LEVEL = 0.25;

const NO_DEVICE = { audio: "No microphone, only listen", video: "No camera" };
const ANY_DEVICE = { audio: "Default microphone", video: "Default camera" };

/**
 * Keeps selects in step with the media, both ways.
 *
 * @param {LocalMedia} media
 * @param {{microphone: string, camera: string}} ids of the selects; "-problem" and "-level" beside
 */
export function deviceSelects(media, ids) {
  const microphone = byId(ids.microphone, HTMLSelectElement);
  const camera = byId(ids.camera, HTMLSelectElement);
  bind(media, "audio", microphone);
  bind(media, "video", camera);
  levelBar(media, microphone, byId(`${ids.microphone}-level`, HTMLMeterElement));
}

/**
 * @param {LocalMedia} media
 * @param {MediaKind} kind
 * @param {HTMLSelectElement} select
 */
function bind(media, kind, select) {
  const problem = byId(`${select.id}-problem`, HTMLElement);
  select.onchange = () => void media.choose(kind, select.value);
  const refresh = async () => {
    problem.textContent = media.problems[kind] ?? "";
    try {
      fill(select, kind, await listDevices(kind));
    } catch (error) {
      console.warn("the list of devices:", error);
    }
    select.value = media.tracks[kind] ? openedDevice(media, kind) : NONE;
    // Neither open nor given up: the browser is still asking the person.
    if (!media.tracks[kind] && !media.problems[kind]) select.value = media.chosen[kind];
    if (select.selectedIndex < 0) select.value = media.tracks[kind] ? DEFAULT : NONE;
  };
  media.addEventListener("change", refresh);
  navigator.mediaDevices?.addEventListener("devicechange", refresh);
  void refresh();
}

/**
 * @param {LocalMedia} media
 * @param {MediaKind} kind
 */
function openedDevice(media, kind) {
  return media.tracks[kind]?.getSettings().deviceId ?? media.chosen[kind];
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaKind} kind
 * @param {MediaDeviceInfo[]} devices
 */
function fill(select, kind, devices) {
  const known = devices.map(
    ({ label, deviceId }, i) => new Option(label || `${ANY_DEVICE[kind]} ${i + 1}`, deviceId),
  );
  const any = known.length === 0 ? [new Option(ANY_DEVICE[kind], DEFAULT)] : [];
  select.replaceChildren(...any, ...known, new Option(NO_DEVICE[kind], NONE));
}

/**
 * @param {LocalMedia} media
 * @param {HTMLSelectElement} select beside which the bar stands
 * @param {HTMLMeterElement} bar
 */
function levelBar(media, select, bar) {
  /** @type {LevelMeter | null} */
  let meter = null;
  setInterval(() => {
    if (select.offsetParent === null) return;
    const track = media.tracks.audio;
    if (meter?.track !== track) {
      meter?.close();
      meter = track ? new LevelMeter(track) : null;
    }
    bar.hidden = meter === null;
    bar.value = Math.min(1, (meter?.level() ?? 0) / FULL_LEVEL);
  }, LEVEL_INTERVAL_MS);
}
