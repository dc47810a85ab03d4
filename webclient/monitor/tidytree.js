/**
 * PURE: where the nodes of one tree stand: the root left, each leaf in a row of its own, parents
 * beside the middle of their children. No two nodes meet, and no line crosses another.
 */

/** @import {Edge} from "./timeline.js" */

/** @typedef {{id: string, column: number, row: number, cut: boolean}} Placed */
/**
 * `feeds` are the edges that make up the tree; `others` stand beside them: a child's second parent
 * while it moves, standby edges. `cut` nodes have no way up to the root.
 *
 * @typedef {{nodes: Placed[], feeds: Edge[], others: Edge[], columns: number, rows: number}} Layout
 */

/**
 * @param {string} root
 * @param {readonly Edge[]} edges of one kind and source
 * @returns {Layout}
 */
export function tidyTree(root, edges) {
  const feeds = feedsOf(root, edges);
  const others = edges.filter((edge) => feeds.get(edge.child) !== edge);
  /** @type {Map<string, string[]>} */
  const children = new Map();
  for (const { parent, child } of feeds.values()) {
    const known = children.get(parent);
    if (known) known.push(child);
    else children.set(parent, [child]);
  }
  /** @type {Map<string, Placed>} */
  const placed = new Map();
  let rows = 0;
  /**
   * @param {string} id
   * @param {number} column
   * @param {boolean} cut
   * @returns {number} its row
   */
  const place = (id, column, cut) => {
    /** @type {Placed} */
    const node = { id, column, row: 0, cut };
    placed.set(id, node);
    const below = (children.get(id) ?? []).filter((child) => !placed.has(child));
    const taken = below.map((child) => place(child, column + 1, cut));
    const [first, last] = [taken[0], taken[taken.length - 1]];
    node.row = first === undefined || last === undefined ? rows++ : (first + last) / 2;
    return node.row;
  };
  place(root, 0, false);
  // Whose parent is gone stands with its own below the tree, and so does a ring, should there be one.
  const fed = [...feeds.values()];
  const tops = fed.filter(({ parent }) => !placed.has(parent) && !feeds.has(parent));
  for (const { parent } of tops) if (!placed.has(parent)) place(parent, 0, true);
  for (const { child } of fed) if (!placed.has(child)) place(child, 1, true);
  for (const { parent, child } of others) {
    for (const id of [parent, child]) if (!placed.has(id)) place(id, 1, true);
  }
  const nodes = [...placed.values()];
  const columns = 1 + Math.max(...nodes.map(({ column }) => column));
  return { nodes, feeds: fed, others, columns, rows };
}

/**
 * The edge that each node lives on: a live one rather than one that is starting, never a standby.
 *
 * @param {string} root
 * @param {readonly Edge[]} edges
 */
function feedsOf(root, edges) {
  /** @type {Map<string, Edge>} */
  const feeds = new Map();
  for (const edge of edges) {
    if (edge.state === "standby" || edge.child === root) continue;
    const known = feeds.get(edge.child);
    if (known === undefined || (known.state !== "live" && edge.state === "live")) {
      feeds.set(edge.child, edge);
    }
  }
  return feeds;
}
