/** How loud tracks are, for the level bar and the talking ring: measured on the sound itself. */

/** A voice in a quiet room is well above, its breath below. */
export const TALKING = 0.02;

/** @type {AudioContext | null} */
let context = null;

/** Browsers let sound be processed only after a click: call this from one. */
export function wakeUp() {
  context ??= new AudioContext();
  if (context.state === "suspended") {
    context.resume().catch((error) => console.warn("sound levels:", error));
  }
}

/** The level of one audio track. */
export class LevelMeter {
  #source;
  #analyser;
  #samples;

  /** @param {MediaStreamTrack} track */
  constructor(track) {
    context ??= new AudioContext();
    this.track = track;
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source.connect(this.#analyser);
  }

  /** Root mean square of the last 20 ms or so: 0 is silence, 1 as loud as can be. */
  level() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const sum = this.#samples.reduce((total, sample) => total + sample * sample, 0);
    return Math.sqrt(sum / this.#samples.length);
  }

  close() {
    this.#source.disconnect();
  }
}
