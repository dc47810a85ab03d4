/**
 * Plays sounds that nobody hears.
 *
 * COMPAT: Chromium 156 decodes received sound only while something plays it, and a relay's dummies
 * are made of it. What the page plays for its person is no help: they may block somebody, or leave,
 * while others still get that sound through us.
 */
export class SilentPlayers {
  /** @type {Map<MediaStreamTrack, HTMLAudioElement>} */
  #players = new Map();

  /** @param {ReadonlySet<MediaStreamTrack>} tracks exactly these from now on */
  play(tracks) {
    for (const [track, player] of this.#players) {
      if (tracks.has(track)) continue;
      player.srcObject = null;
      this.#players.delete(track);
    }
    for (const track of tracks) {
      if (!this.#players.has(track)) this.#players.set(track, playerOf(track));
    }
  }
}

/** @param {MediaStreamTrack} track */
function playerOf(track) {
  const player = new Audio();
  player.muted = true;
  player.srcObject = new MediaStream([track]);
  player.play().catch((error) => {
    // AbortError: it was ended before it had begun.
    if (error.name !== "AbortError") console.warn("cannot be played:", error);
  });
  return player;
}
