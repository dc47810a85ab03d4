// For how long a participant's tone is not heard: `gaps` measures when frames of sound come, and
// what of it is played. All on the clock of the machine.
globalThis.gaps = (() => {
  /** Root mean square: a tone of amplitude 0.1 is far above, what is left of it far below. */
  const AUDIBLE = 0.01;
  /** An AnalyserNode remembers 0.68 s: looked at often enough, no sample is missed. */
  const MEMORY = 32768, RATE = 48000, LOOK_MS = 10, BLOCK = 240;
  const clock = () => performance.timeOrigin + performance.now();

  let frameAt = 0, longestFrames = 0, silent = Infinity, longestSilent = 0;

  // Of each frame of sound that came to the relay worker; support/failover.py.
  new BroadcastChannel("arrivals").onmessage = ({ data: at }) => {
    if (frameAt > 0) longestFrames = Math.max(longestFrames, at - frameAt);
    frameAt = Math.max(at, frameAt);
  };

  function audible(participant) {
    const tile = document.querySelector(`.tile[data-participant="${participant}"]`);
    const playing = [...(tile?.querySelectorAll("audio, video") ?? [])].find(
      ({ srcObject, muted, paused }) => !muted && !paused && srcObject?.getAudioTracks().length > 0,
    );
    return playing?.srcObject.getAudioTracks()[0];
  }

  /** Watches from now on what the element of a participant plays. */
  async function watch(participant) {
    const context = new AudioContext({ sampleRate: RATE });
    await context.resume();
    const analyser = new AnalyserNode(context, { fftSize: MEMORY });
    const samples = new Float32Array(MEMORY);
    let track, source, taken = context.currentTime;
    setInterval(() => {
      const playing = audible(participant);
      if (playing !== track) {
        source?.disconnect();
        source = playing && context.createMediaStreamSource(new MediaStream([playing]));
        source?.connect(analyser);
        track = playing;
      }
      const blocks = Math.min(
        Math.floor(MEMORY / BLOCK),
        Math.floor(((context.currentTime - taken) * RATE) / BLOCK),
      );
      taken += (blocks * BLOCK) / RATE;
      analyser.getFloatTimeDomainData(samples);
      for (let at = MEMORY - blocks * BLOCK; at < MEMORY; at += BLOCK) {
        const power = samples.subarray(at, at + BLOCK).reduce((sum, one) => sum + one * one, 0);
        silent = Math.sqrt(power / BLOCK) > AUDIBLE ? 0 : silent + (1000 * BLOCK) / RATE;
        longestSilent = Math.max(longestSilent, silent);
      }
    }, LOOK_MS);
  }

  function reset() {
    longestFrames = longestSilent = 0;
  }

  /** The longest ones since `reset`, ms: without a frame, and without sound. */
  function longest() {
    return { frames: Math.max(longestFrames, clock() - frameAt), heard: longestSilent };
  }

  /** Whether frames come, and are heard. */
  const hears = () => clock() - frameAt < 100 && silent === 0;

  return { watch, reset, longest, hears };
})();
