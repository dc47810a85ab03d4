/** The page at `/`: choose a room. */

import { roomProblem } from "../protocol.js";
import { byId } from "./dom.js";

/** @param {(room: string) => void} onChoose */
export function landing(onChoose) {
  const input = byId("landing-room", HTMLInputElement);
  const problem = byId("landing-room-problem", HTMLElement);
  input.oninput = () => (problem.textContent = "");
  byId("landing-form", HTMLFormElement).onsubmit = (event) => {
    event.preventDefault();
    const room = input.value.trim().toLowerCase();
    problem.textContent = roomProblem(room);
    if (problem.textContent) input.focus();
    else onChoose(room);
  };
  input.select();
}
