import assert from "node:assert/strict";
import { test } from "node:test";

import { fitStage, fitTiles } from "../layout.js";

for (const stage of [
  { width: 1200, height: 650 },
  { width: 374, height: 680 },
]) {
  for (let count = 1; count <= 9; count++) {
    test(`${count} tiles fit into ${stage.width}x${stage.height}`, () => {
      const { width, height } = fitTiles(count, stage, 10);
      const columns = Math.floor((stage.width + 10) / (width + 10));
      const rows = Math.ceil(count / columns);
      assert.ok(rows * height + (rows - 1) * 10 <= stage.height);
      assert.ok(width / height <= 1.8, "no wider than a picture");
      assert.ok(width / height >= 0.89, "not cropped to a strip");
    });
  }
}

test("a crowd scrolls instead of shrinking away", () => {
  assert.ok(fitTiles(60, { width: 374, height: 600 }, 10).width >= 140);
});

test("a stage that is not shown yet asks for nothing impossible", () => {
  const { width, height } = fitTiles(3, { width: 0, height: 0 }, 10);
  assert.ok(Number.isFinite(width) && Number.isFinite(height));
});

test("a screen gets most of the stage, and all people stay on it", () => {
  const stage = { width: 1200, height: 700 };
  const { screen, tile } = fitStage({ screens: 1, tiles: 5 }, stage, 10);
  assert.ok(screen.width * screen.height > (stage.width * stage.height) / 2);
  assert.ok(screen.height + 10 + tile.height <= stage.height);
  assert.ok(5 * tile.width + 4 * 10 <= stage.width);
  assert.deepEqual(fitStage({ screens: 0, tiles: 5 }, stage, 10).tile, fitTiles(5, stage, 10));
});
