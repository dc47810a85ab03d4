import assert from "node:assert/strict";
import { test } from "node:test";

import { mediaProblem } from "../media.js";

test("each way of having no microphone has its own sentence", () => {
  const names = ["InsecureContext", "NotAllowedError", "NotFoundError", "NotReadableError"];
  const sentences = names.map((name) => mediaProblem("audio", name));
  assert.equal(new Set(sentences).size, names.length);
  assert.match(sentences[0], /https or from localhost/);
  assert.match(sentences[1], /refused/);
  assert.match(sentences[3], /in use/);
});

test("an error of the future is at least named", () => {
  assert.match(mediaProblem("video", "OddError"), /camera.*OddError/);
});

test("a screen that is not shared is no device that is missing", () => {
  assert.match(mediaProblem("screen", "NotAllowedError"), /^No screen is shared/);
  assert.match(mediaProblem("screen", "NotReadableError"), /system's settings/);
  assert.match(mediaProblem("screen", "InsecureContext"), /^The browser gives the screen only/);
});
