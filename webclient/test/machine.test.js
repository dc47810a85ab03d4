import assert from "node:assert/strict";
import { test } from "node:test";

import { deviceOf } from "../machine.js";

test("phones, and whoever saves data, shall not relay", () => {
  const desk = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0" };
  const phone = { userAgent: "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Firefox/140.0" };
  assert.deepEqual(deviceOf(desk), { mobile: false, relays: true });
  assert.deepEqual(deviceOf(phone), { mobile: true, relays: true });
  assert.equal(deviceOf({ ...phone, userAgentData: { mobile: false } }).mobile, false);
  assert.equal(deviceOf({ ...desk, userAgentData: { mobile: true } }).mobile, true);
  assert.equal(deviceOf({ ...desk, connection: { saveData: true } }).mobile, true);
});
