// A camera that shows the time and a microphone that beeps each second, and what of both comes out
// of a page: how late, and how like what went in. All pages are on one machine, with one clock.
globalThis.timed = (() => {
  const BITS = 32, BARS = BITS + 2, BEEP_HZ = 1000, BEEP_MS = 100, EVERY_MS = 1000;
  const LOUD = 0.25, HISTORY = 2048;
  /** Latencies are read from some frames, pictures compared in fewer: looking costs, too. */
  const LATENCY_EVERY = 3, COMPARE_EVERY = 24;
  const clock = () => performance.timeOrigin + performance.now();

  /** Milliseconds on the root's clock at which beeps began. */
  const beeps = [];

  function microphone() {
    const context = new AudioContext({ sampleRate: 48000 });
    const gain = new GainNode(context, { gain: 0 });
    const destination = context.createMediaStreamDestination();
    const oscillator = new OscillatorNode(context, { frequency: BEEP_HZ });
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    setInterval(() => {
      const at = context.currentTime + 0.06;
      gain.gain.setValueAtTime(0.8, at);
      gain.gain.setValueAtTime(0, at + BEEP_MS / 1000);
      beeps.push(clock() + 60);
    }, EVERY_MS);
    return destination.stream.getAudioTracks()[0];
  }

  /** A busy picture that its time alone decides, with that time as bars at its top. */
  function paint(context, width, height, time) {
    const t = time % 1e6;
    const gradient = context.createLinearGradient(0, 0, width, height);
    gradient.addColorStop(0, `hsl(${(t / 20) % 360}, 70%, 40%)`);
    gradient.addColorStop(1, `hsl(${(t / 20 + 120) % 360}, 70%, 60%)`);
    context.fillStyle = gradient;
    context.fillRect(0, 0, width, height);
    for (let i = 0; i < 24; i++) {
      const angle = (t / 1000) * (0.3 + i * 0.05) + i;
      const x = width / 2 + Math.cos(angle) * width * 0.08 * ((i % 5) + 1);
      const y = height / 2 + Math.sin(angle * 1.3) * height * 0.35;
      context.fillStyle = `hsl(${i * 15}, 80%, ${30 + ((i * 7) % 50)}%)`;
      context.beginPath();
      context.arc(x, y, ((8 + i) * width) / 640, 0, 7);
      context.fill();
    }
    const bar = width / BARS;
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, bar * 1.2);
    context.fillStyle = "#fff";
    for (let i = 0; i < BITS; i++) {
      if ((time / 2 ** i) & 1) context.fillRect((i + 1) * bar, 0, bar, bar * 1.2);
    }
  }

  const stamp = () => Math.floor(clock()) % 2 ** BITS;

  function readTime({ data, width }) {
    const bar = width / BARS, row = Math.floor(bar * 0.6);
    let time = 0;
    for (let i = 0; i < BITS; i++) {
      const at = (row * width + Math.floor((i + 1.5) * bar)) * 4;
      if (data[at + 1] > 128) time += 2 ** i;
    }
    return time;
  }

  function psnr(picture, time) {
    const { data, width, height } = picture;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    paint(context, width, height, time);
    const wanted = context.getImageData(0, 0, width, height).data;
    const luma = (pixels, i) => 0.3 * pixels[i] + 0.59 * pixels[i + 1] + 0.11 * pixels[i + 2];
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += (luma(data, i) - luma(wanted, i)) ** 2;
    return 10 * Math.log10((255 * 255 * width * height) / sum);
  }

  const results = {};

  /** What was seen and heard up to now does not count. */
  function clear() {
    Object.assign(results, { video: [], psnr: [], onsets: [], frames: 0 });
  }
  clear();

  /** Watches a participant's tile from now on; compares one picture in `every`. */
  function watch(participant, every = COMPARE_EVERY) {
    const video = document.querySelector(`.tile[data-participant="${participant}"] video`);
    watchPicture(video, every);
    watchSound(video.srcObject.getAudioTracks()[0]);
  }

  function watchPicture(video, every) {
    const canvas = new OffscreenCanvas(1, 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const look = () => {
      video.requestVideoFrameCallback(look);
      results.frames += 1;
      const compare = results.frames % every === 0;
      if (!compare && results.frames % LATENCY_EVERY !== 0) return;
      const { videoWidth: width, videoHeight: full } = video;
      const height = compare ? full : Math.ceil((width / BARS) * 1.2);
      Object.assign(canvas, { width, height });
      context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
      const picture = context.getImageData(0, 0, width, height);
      const time = readTime(picture);
      // A time that cannot be is one of a broken picture, which is unlike that time's.
      if (compare) results.psnr.push(psnr(picture, time));
      const late = stamp() - time;
      if (late >= 0 && late < 5000) results.video.push(late);
    };
    video.requestVideoFrameCallback(look);
  }

  function watchSound(track) {
    const context = new AudioContext({ sampleRate: 48000 });
    const analyser = new AnalyserNode(context, { fftSize: HISTORY });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(HISTORY);
    let quietSince = 0;
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const first = samples.findIndex((sample) => Math.abs(sample) > LOUD);
      if (first < 0) return;
      const now = clock();
      if (now - quietSince > 2 * BEEP_MS) results.onsets.push(now - ((HISTORY - first) * 1000) / 48000);
      quietSince = now;
    }, 10);
  }

  return { beeps, microphone, paint, stamp, watch, clear, results };
})();
