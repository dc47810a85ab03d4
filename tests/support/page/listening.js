// What a person in front of this page would hear and see, as numbers: `listening` taps every
// media element of another participant after the browser has decoded it.
globalThis.listening = (() => {
  /** The longest an AnalyserNode can remember: 0.68 s. */
  const WINDOW = 32768, RATE = 48000;
  /** A few pixels are enough to see a colour and a movement. */
  const WIDTH = 32, HEIGHT = 18;
  /** By track itself: its id names what a relay once received, and two tracks can share it. */
  const taps = new WeakMap();
  let context;

  function elements(own) {
    const found = [];
    for (const element of document.querySelectorAll("audio, video")) {
      const participant = element.closest("[data-participant]")?.dataset.participant;
      if (participant !== undefined && participant !== own) found.push({ participant, element });
    }
    return found;
  }

  /** The track that an element plays, if a person can hear it. */
  function audible({ muted, paused, volume, srcObject }) {
    if (muted || paused || volume === 0) return undefined;
    return srcObject?.getAudioTracks().find(({ readyState }) => readyState === "live");
  }

  /** Starts to listen to whatever plays now; what played before goes on being listened to. */
  async function tap(own) {
    context ??= new AudioContext({ sampleRate: RATE });
    await context.resume();
    for (const { element } of elements(own)) {
      const track = audible(element);
      if (track === undefined || taps.has(track)) continue;
      const source = context.createMediaStreamSource(new MediaStream([track]));
      const analyser = new AnalyserNode(context, { fftSize: WINDOW });
      source.connect(analyser);
      taps.set(track, { source, analyser });
    }
  }

  /** The last 0.68 s by participant, as base64 of 16-bit samples. */
  function heard(own) {
    const sounds = {};
    for (const { participant, element } of elements(own)) {
      const track = audible(element);
      const tapped = track && taps.get(track);
      if (tapped === undefined) continue;
      const samples = new Float32Array(WINDOW);
      tapped.analyser.getFloatTimeDomainData(samples);
      (sounds[participant] ??= []).push(base64(samples, element.volume));
    }
    return sounds;
  }

  function base64(samples, volume) {
    const words = Int16Array.from(samples, (x) => Math.max(-1, Math.min(1, x * volume)) * 32767);
    const bytes = new Uint8Array(words.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) {
      text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    }
    return btoa(text);
  }

  /** By participant: frames shown up to now, the picture's size, its mean colour, its pixels. */
  function seen(own) {
    const pictures = {};
    for (const { participant, element } of elements(own)) {
      if (!(element instanceof HTMLVideoElement) || element.videoWidth === 0) continue;
      const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
      const paper = canvas.getContext("2d");
      paper.drawImage(element, 0, 0, WIDTH, HEIGHT);
      pictures[participant] = {
        frames: element.getVideoPlaybackQuality().totalVideoFrames,
        pixels: [...paper.getImageData(0, 0, WIDTH, HEIGHT).data],
      };
    }
    return pictures;
  }

  return { tap, heard, seen };
})();
