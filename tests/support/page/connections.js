// Remembers every RTCPeerConnection that a page makes, so that a test can count them and read
// what each sends. Runs before the page's own scripts.
globalThis.connections = (() => {
  const made = new Set();
  globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      made.add(this);
    }
  };
  const open = () => [...made].filter(({ connectionState }) => connectionState !== "closed");

  /** Outbound RTP with packets, by connection: [{ kind, packets, track }]. */
  async function sending() {
    const rows = [];
    for (const connection of open()) {
      const tracks = connection.getSenders().map(({ track }) => track?.id);
      for (const report of (await connection.getStats()).values()) {
        if (report.type !== "outbound-rtp" || report.packetsSent === 0) continue;
        rows.push({ kind: report.kind, packets: report.packetsSent, mid: report.mid, tracks });
      }
    }
    return rows;
  }

  return { open: () => open().length, sending };
})();
