/**
 * Plays sounds that nobody hears.
 *
 * COMPAT: Chromium 156 decodes received sound only while something plays it, and a relay's dummies
 * are made of it.
 *
 * @param {readonly MediaStreamTrack[]} tracks
 * @returns {() => void} ends it
 */
export function playSilently(tracks) {
  const players = tracks.map((track) => {
    const player = new Audio();
    player.muted = true;
    player.srcObject = new MediaStream([track]);
    player.play().catch((error) => console.warn("cannot be played:", error));
    return player;
  });
  return () => {
    for (const player of players) player.srcObject = null;
  };
}
