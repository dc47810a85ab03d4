/** Pictures for the frames that a relay's payloads go on, where the browser has to paint them. */

import { IS_FIREFOX } from "./firefox.js";

/**
 * COMPAT: Firefox 153: its encoder leaves out frames of a received track that is scaled down.
 * Chromium 156 takes the received track, and must: a painted one gives the child wrong colours.
 */
export const PAINTS = IS_FIREFOX;

/** Pixels, of each side: no picture of anybody's is so small. */
export const PAINTED_SIZE = 32;
const COLOURS = ["#112233", "#112244"];

/** A track that has a new frame whenever `paint` is called, if the page is shown. */
export function paintedDummy() {
  const canvas = Object.assign(document.createElement("canvas"), {
    width: PAINTED_SIZE,
    height: PAINTED_SIZE,
  });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const stream = canvas.captureStream(0);
  const [track] = /** @type {[CanvasCaptureMediaStreamTrack]} */ (stream.getVideoTracks());
  // Firefox has `requestFrame` on the stream.
  const requester = "requestFrame" in track ? track : /** @type {any} */ (stream);
  let count = 0;
  const paint = () => {
    context.fillStyle = COLOURS[(count += 1) % COLOURS.length] ?? "";
    context.fillRect(0, 0, PAINTED_SIZE, PAINTED_SIZE);
    requester.requestFrame();
  };
  paint();
  return { track, paint };
}
