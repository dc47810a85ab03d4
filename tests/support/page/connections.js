// Remembers every RTCPeerConnection that a page makes, so that a test can count them and see
// what they pass on. `played` is what came in, with the streams that say what is played in step.
// Runs before the page's own scripts.
globalThis.connections = (() => {
  const made = new Set();
  const played = [];
  globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      made.add(this);
      this.addEventListener("track", ({ track, streams }) => {
        played.push({ kind: track.kind, together: streams.map(({ id }) => id) });
      });
    }
  };
  const open = () => [...made].filter(({ connectionState }) => connectionState !== "closed");

  /** The senders with a track, and whether that came in over another connection. */
  function senders() {
    const received = new Set(
      open().flatMap((connection) => connection.getReceivers().map(({ track }) => track)),
    );
    return open()
      .flatMap((connection) => connection.getSenders())
      .filter(({ track }) => track !== null)
      .map((sender) => ({ sender, relays: received.has(sender.track) }));
  }

  /** RTP packets up to now; its transport has counters of the same name, for all senders together. */
  async function packetsSent(sender) {
    const reports = [...(await sender.getStats()).values()];
    const streams = reports.filter(({ type }) => type === "outbound-rtp");
    return streams.reduce((sum, { packetsSent }) => sum + packetsSent, 0);
  }

  /** RTP packets sent of tracks that came in over another connection, by kind. */
  async function relayed() {
    const packets = { audio: 0, video: 0 };
    for (const { sender, relays } of senders()) {
      if (relays) packets[sender.track.kind] += await packetsSent(sender);
    }
    return packets;
  }

  /** How many senders of this page's own sound and pictures send packets within half a second. */
  async function speaking() {
    const own = senders().filter(({ relays }) => !relays);
    const before = await Promise.all(own.map(({ sender }) => packetsSent(sender)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = await Promise.all(own.map(({ sender }) => packetsSent(sender)));
    return own.filter((_, at) => after[at] > before[at]).length;
  }

  /** What the open ones report of themselves (W3C WebRTC Statistics). */
  async function reports() {
    const all = await Promise.all(open().map((connection) => connection.getStats()));
    return all.flatMap((report) => [...report.values()]);
  }

  /** The two ends of the way that each connected one uses now. */
  async function ways() {
    const found = [];
    for (const connection of open()) {
      const report = await connection.getStats();
      const transport = [...report.values()].find(({ type }) => type === "transport");
      const pair = report.get(transport?.selectedCandidatePairId);
      if (connection.connectionState !== "connected" || pair === undefined) continue;
      const end = (id) => {
        const { candidateType: type, port } = report.get(id);
        return { type, port };
      };
      found.push({ local: end(pair.localCandidateId), remote: end(pair.remoteCandidateId) });
    }
    return found;
  }

  /** The UDP ports of this page's own that were ever offered to neighbours. */
  async function ports() {
    const local = (await reports()).filter(({ type }) => type === "local-candidate");
    return local.filter(({ protocol }) => protocol === "udp").map(({ port }) => port);
  }

  return { open: () => open().length, played, ports, relayed, reports, speaking, ways };
})();
