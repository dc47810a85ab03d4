/** How large tiles can be so that all fit into the stage. Pure. */

/** Smaller ones nobody recognises: from there on the stage scrolls. */
const MIN_WIDTH = 140;

/** Pictures are 16:9. They may be cropped, on a tall stage more than on a wide one. */
const WIDEST = 16 / 9;
const TALLEST = { wide: 4 / 3, tall: 9 / 10 };

/** @typedef {{width: number, height: number}} Size in CSS pixels */

/**
 * The size of tiles whose area is the largest.
 *
 * @param {number} count
 * @param {Size} stage
 * @param {number} gap between tiles
 * @returns {Size}
 */
export function fitTiles(count, stage, gap) {
  const tallest = stage.width > stage.height ? TALLEST.wide : TALLEST.tall;
  let best = { width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (stage.width - gap * (columns - 1)) / columns;
    const cellHeight = (stage.height - gap * (rows - 1)) / rows;
    const width = Math.floor(Math.min(cellWidth, cellHeight * WIDEST));
    const height = Math.floor(Math.min(cellHeight, width / tallest));
    if (width * height > best.width * best.height) best = { width, height };
  }
  if (best.width >= MIN_WIDTH) return best;
  const columns = Math.max(1, Math.floor((stage.width + gap) / (MIN_WIDTH + gap)));
  const width = Math.floor((stage.width - gap * (columns - 1)) / columns);
  return { width, height: Math.floor(width / WIDEST) };
}

/** Screens are to be read: they get this part of the stage's height, the people the rest. */
const SCREENS_HEIGHT = 0.78;

/**
 * The sizes of all that is on the stage: people's tiles, and above them the screens that they share.
 *
 * @param {{screens: number, tiles: number}} counts
 * @param {Size} stage
 * @param {number} gap
 * @returns {{screen: Size, tile: Size}}
 */
export function fitStage({ screens, tiles }, { width, height }, gap) {
  if (screens === 0) {
    return { screen: { width: 0, height: 0 }, tile: fitTiles(tiles, { width, height }, gap) };
  }
  const upper = Math.floor(height * SCREENS_HEIGHT);
  const screen = { width: Math.floor((width - gap * (screens - 1)) / screens), height: upper };
  return { screen, tile: fitTiles(tiles, { width, height: height - upper - gap }, gap) };
}
