// Gives a page a microphone that hums one tone and a camera that shows one colour and somebody
// who moves, so that a test can tell by what arrives whose it is. Runs before the page's own
// scripts, with { hz, colour, height, rate, timed } in `testDevices`.
//
// The real getUserMedia is asked first: Chromium's fake devices refuse what real ones would.
(() => {
  const AMPLITUDE = 0.1, SWAY_SECONDS = 1.7;
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);

  // Read late: init scripts run in no certain order.
  const devices = () => globalThis.testDevices;

  function microphone() {
    if (devices().timed) return globalThis.timed.microphone();
    const context = new AudioContext({ sampleRate: 48000 });
    const oscillator = new OscillatorNode(context, { frequency: devices().hz });
    const destination = context.createMediaStreamDestination();
    oscillator.connect(new GainNode(context, { gain: AMPLITUDE })).connect(destination);
    oscillator.start();
    return destination.stream.getAudioTracks()[0];
  }

  /** Somebody before a wall of their own colour, swaying. */
  function camera() {
    const { colour, height, rate, timed } = devices();
    const canvas = Object.assign(document.createElement("canvas"), { width: height * 16 / 9, height });
    const context = canvas.getContext("2d");
    if (!timed) context.scale(height / 9, height / 9);
    let frame = 0;
    const paint = () => {
      if (timed) {
        return globalThis.timed.paint(context, canvas.width, height, globalThis.timed.stamp());
      }
      const sway = Math.sin((2 * Math.PI * frame++) / (rate * SWAY_SECONDS));
      context.fillStyle = colour;
      context.fillRect(0, 0, 16, 9);
      context.fillStyle = "#26282c";
      ellipse(context, 8 + 0.8 * sway, 9.4, 3.1, 3.3);
      ellipse(context, 8 + 1.8 * sway, 4.2, 1.35, 1.7);
    };
    const track = canvas.captureStream(rate).getVideoTracks()[0];
    paint();
    setInterval(paint, 1000 / rate);
    return track;
  }

  function ellipse(context, x, y, width, height) {
    context.beginPath();
    context.ellipse(x, y, width, height, 0, 0, 2 * Math.PI);
    context.fill();
  }

  navigator.mediaDevices.getUserMedia = async (constraints) => {
    if (constraints.video && devices().height === 0) throw new DOMException("none", "NotFoundError");
    const real = await original(constraints);
    const tracks = real.getTracks().map(({ kind }) => (kind === "audio" ? microphone() : camera()));
    for (const track of real.getTracks()) track.stop();
    return new MediaStream(tracks);
  };
})();
