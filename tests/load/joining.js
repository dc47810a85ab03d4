// What somebody's joining looks like from a page: when it asked to be let in, when each stream
// came, and what the signalling weighed. Runs before the page's own scripts. All pages are on one
// machine, with one clock.
globalThis.joining = (() => {
  // Each message that is logged costs the page much while the program that drives it listens.
  console.debug = () => {};

  /** Said all the time, whether somebody joins or not. */
  const STEADY = new Set(["ping", "pong", "report", "quality"]);
  const clock = () => performance.timeOrigin + performance.now();
  const record = {};

  /** What was up to now does not count. */
  function clear() {
    Object.assign(record, { asked: null, heard: {}, shown: {}, offers: 0, messages: 0, octets: 0 });
  }
  clear();

  function count(text) {
    const message = JSON.parse(text);
    if (STEADY.has(message.type)) return message;
    record.messages += 1;
    record.octets += new TextEncoder().encode(text).length;
    return message;
  }

  globalThis.WebSocket = class extends globalThis.WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => count(data));
    }

    send(text) {
      const message = count(text);
      if (message.type === "join") record.asked = clock();
      if (message.description?.type === "offer") record.offers += 1;
      // The page says it when packets have begun to arrive.
      if (message.type === "ready" && (message.kind ?? "audio") === "audio") {
        record.heard[message.source] ??= clock();
      }
      super.send(text);
    }
  };

  /** The first picture of each tile's. */
  new MutationObserver((changes) => {
    for (const added of changes.flatMap(({ addedNodes }) => [...addedNodes])) {
      if (!(added instanceof HTMLElement)) continue;
      const tile = added.closest("[data-participant]");
      const video = tile?.querySelector("video");
      if (!video) continue;
      video.requestVideoFrameCallback(() => (record.shown[tile.dataset.participant] ??= clock()));
    }
  }).observe(document, { childList: true, subtree: true });

  /** Whether all that these participants publish has come. */
  const has = (ids, pictures) =>
    ids.every((id) => record.heard[id] && (!pictures || record.shown[id]));

  return { record, clear, has };
})();
