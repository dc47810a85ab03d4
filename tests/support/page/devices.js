// Gives a page a microphone that hums one tone and a camera that shows one colour and somebody
// who moves, so that a test can tell by what arrives whose it is. Runs before the page's own
// scripts, with { hz, colour } in `testDevices`.
//
// The real getUserMedia is asked first: Chromium's fake devices refuse what real ones would.
(() => {
  const WIDTH = 320, HEIGHT = 180, FRAMES_PER_SECOND = 15, AMPLITUDE = 0.1, SWAY_FRAMES = 26;
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);

  // Read late: init scripts run in no certain order.
  const devices = () => globalThis.testDevices;

  function microphone() {
    const context = new AudioContext({ sampleRate: 48000 });
    const oscillator = new OscillatorNode(context, { frequency: devices().hz });
    const destination = context.createMediaStreamDestination();
    oscillator.connect(new GainNode(context, { gain: AMPLITUDE })).connect(destination);
    oscillator.start();
    return destination.stream.getAudioTracks()[0];
  }

  /** Somebody before a wall of their own colour, swaying. */
  function camera() {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext("2d");
    let frame = 0;
    const paint = () => {
      const sway = Math.sin((2 * Math.PI * frame++) / SWAY_FRAMES);
      context.fillStyle = devices().colour;
      context.fillRect(0, 0, WIDTH, HEIGHT);
      context.fillStyle = "#26282c";
      context.beginPath();
      context.ellipse(WIDTH / 2 + 16 * sway, HEIGHT + 8, 62, 66, 0, 0, 2 * Math.PI);
      context.fill();
      context.beginPath();
      context.ellipse(WIDTH / 2 + 36 * sway, HEIGHT / 2 - 6, 27, 34, 0, 0, 2 * Math.PI);
      context.fill();
    };
    const track = canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0];
    paint();
    setInterval(paint, 1000 / FRAMES_PER_SECOND);
    return track;
  }

  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const real = await original(constraints);
    const tracks = real.getTracks().map(({ kind }) => (kind === "audio" ? microphone() : camera()));
    for (const track of real.getTracks()) track.stop();
    return new MediaStream(tracks);
  };
})();
