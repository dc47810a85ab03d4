/** Ticks for the page: browsers slow the timers of hidden pages down, but not those of workers. */

const TICK_MS = 1_000;

setInterval(() => globalThis.postMessage(null), TICK_MS);
