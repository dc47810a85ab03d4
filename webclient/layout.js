/** How large tiles can be so that all fit into the stage. Pure. */

/** Smaller ones nobody recognises: from there on the stage scrolls. */
const MIN_WIDTH = 140;

/**
 * @param {number} count of tiles
 * @param {{width: number, height: number}} stage in CSS pixels
 * @param {number} ratio a tile's width by its height
 * @param {number} gap between tiles
 * @returns {{columns: number, width: number}} of the arrangement with the largest tiles
 */
export function fitTiles(count, stage, ratio, gap) {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const byWidth = (stage.width - gap * (columns - 1)) / columns;
    const byHeight = ((stage.height - gap * (rows - 1)) / rows) * ratio;
    const width = Math.floor(Math.min(byWidth, byHeight));
    if (width > best.width) best = { columns, width };
  }
  if (best.width >= MIN_WIDTH) return best;
  const columns = Math.max(1, Math.floor((stage.width + gap) / (MIN_WIDTH + gap)));
  return { columns, width: Math.floor((stage.width - gap * (columns - 1)) / columns) };
}
