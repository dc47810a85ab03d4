// An XMPP client that calls by Jingle: stanza.js, real WebRTC, no page around it.
// The test opens this in Chromium with the microphone of page/devices.js.
import { createClient } from "stanza";

/** @type {import("stanza").Agent | undefined} */
let agent;
/** @type {any} */
let session;
/** Every stanza of the connection, for the report of a failed test. */
const stanzas = [];

/** Logs in and sends presence. */
async function login({ jid, password, url }) {
  agent = createClient({ jid, password, resource: "page", transports: { websocket: url, bosh: false } });
  agent.on("raw:*", (direction, xml) => stanzas.push(`${direction} ${xml}`));
  await new Promise((resolve, reject) => {
    agent.on("session:started", resolve);
    agent.on("auth:failed", () => reject(new Error("wrong password")));
    agent.on("stream:error", (error) => reject(new Error(JSON.stringify(error))));
    agent.on("--transport-disconnected", () => reject(new Error("no connection")));
    agent.connect();
  });
  await agent.getRoster();
  agent.sendPresence();
  return agent.jid;
}

/** Calls a full JID; returns when media flows both ways. */
async function call({ peer, video }) {
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video });
  session = agent.jingle.createMediaSession(peer, undefined, media);
  session.pc.addEventListener("track", ({ track }) => play(track));
  const connected = new Promise((resolve, reject) => {
    session.pc.addEventListener("connectionstatechange", () => {
      if (session.pc.connectionState === "connected") resolve();
      if (session.pc.connectionState === "failed") reject(new Error("ICE or DTLS failed"));
    });
    agent.on("jingle:terminated", (_, reason) => reject(new Error(JSON.stringify(reason))));
  });
  session.start({ offerToReceiveAudio: true, offerToReceiveVideo: video });
  await connected;
}

/** Marked like a tile of the web client, so that page/listening.js finds it. */
function play(track) {
  const element = document.createElement(track.kind);
  element.dataset.participant = "mix";
  element.srcObject = new MediaStream([track]);
  element.autoplay = true;
  document.body.append(element);
}

/** Ends the call by session-terminate. */
function end() {
  session.end("success");
}

/** Sends a stanza as it is written here and returns the next one that comes in for it. */
function exchange({ xml, awaits }) {
  return new Promise((resolve) => {
    const check = (_, incoming) => {
      if (!incoming.includes(awaits)) return;
      agent.off("raw:*", check);
      resolve(incoming);
    };
    agent.on("raw:*", check);
    agent.transport.socket.send(xml);
  });
}

globalThis.xmpp = { login, call, end, exchange, state: () => session?.state, stanzas };
