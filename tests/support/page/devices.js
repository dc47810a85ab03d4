// Gives a page a microphone that hums one tone and a camera that shows one colour with a moving
// bar, so that a test can tell by what arrives whose it is. Runs before the page's own scripts,
// with { hz, colour } in `testDevices`.
//
// The real getUserMedia is asked first: Chromium's fake devices refuse what real ones would.
(() => {
  const WIDTH = 320, HEIGHT = 180, FRAMES_PER_SECOND = 15, AMPLITUDE = 0.1;
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

  function camera() {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext("2d");
    let x = 0;
    const paint = () => {
      context.fillStyle = devices().colour;
      context.fillRect(0, 0, WIDTH, HEIGHT);
      context.fillStyle = "white";
      context.fillRect(x, 0, 24, HEIGHT);
      x = (x + 37) % WIDTH;  // no place twice within 320 frames
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
