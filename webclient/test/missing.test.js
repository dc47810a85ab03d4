import assert from "node:assert/strict";
import { test } from "node:test";

import { Missing } from "../missing.js";

const SOUND = { feed: 1, parent: "ben", spare: "cleo", sound: true, still: false };
const PICTURES = { ...SOUND, sound: false };
const BROUGHT = [
  { feed: 1, neighbour: "ben", stream: "ana audio" },
  { feed: 2, neighbour: "ben", stream: "dora audio" },
  { feed: 3, neighbour: "cleo", stream: "emil audio" },
];

/** Time passes in steps of 5 ms; `life(now)` says what comes; tells when feed 1 was missed. */
class Play {
  now = 0;
  missedAt = null;
  #again = 0;

  constructor(watched = SOUND, brought = BROUGHT) {
    this.missing = new Missing();
    this.missing.watch([watched], brought);
  }

  /** Until `end`, or until the stream is missed. */
  until(end, life = () => {}) {
    for (; this.now < end; this.now += 5) {
      life(this.now);
      if (this.now < this.#again) continue;
      const { missing, again } = this.missing.look(this.now);
      this.#again = again;
      if (missing.length > 0) return this.now;
    }
    return null;
  }

  /** Frames of feed 1 every `every` ms, and signs of the neighbours'. */
  lives(every, octets = 80) {
    return (now) => {
      if (now % every === 0) this.missing.frame(1, octets, now);
      if (now % 20 === 0) this.missing.frame(3, octets, now);
    };
  }

  spare = (now) => now % 20 === 0 && this.missing.frame(3, 80, now);
  both = (now) => now % 20 === 0 && (this.missing.frame(2, 80, now), this.missing.frame(3, 80, now));
}

/** How long after the last frame (at `end` - 20 or so) it was missed. */
const silence = (play, end, life, every = 20) => {
  const last = Math.floor((end - 5) / every) * every;
  return play.until(end + 5_000, life) - last;
};

test("dense sound of a dead parent is missed after 150 ms", () => {
  const play = new Play();
  assert.equal(play.until(1_000, play.lives(20)), null);
  assert.equal(silence(play, 1_000, play.spare), 150);
});

test("a parent that sends other streams lacks this one itself: 450 ms", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  assert.equal(silence(play, 1_000, play.both), 450);
});

test("a word on the data channel is a sign of life, too", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  const talks = (now) => {
    play.spare(now);
    if (now % 50 === 0 && now < 1_200) play.missing.heard("ben", now);
  };
  assert.equal(silence(play, 1_000, talks), 1_150 + 150 - 980);
});

test("when no neighbour is heard our own line is gone: it is waited", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  const lineIsBack = (now) => now >= 1_200 && play.both(now);
  assert.equal(silence(play, 1_000, lineIsBack), 450);
  const alone = new Play();
  alone.until(1_000, alone.lives(20));
  assert.equal(silence(alone, 1_000), 450);
});

test("as soon as the standby parent is heard again it is asked", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  const returns = (now) => now >= 1_200 && play.spare(now);
  assert.ok(silence(play, 1_000, returns) <= 1_200 + 25 - 980);
});

test("sound in a pause is not missed before 600 ms, nor while it comes every 400", () => {
  const play = new Play();
  play.until(500, play.lives(20));
  const pause = (now) => {
    play.spare(now);
    if (now % 400 === 100) play.missing.frame(1, 40, now);
    if (now % 400 === 120) play.missing.frame(1, 1, now);
  };
  assert.equal(play.until(5_000, pause), null);
  const dead = play.until(9_000, play.spare);
  assert.equal(dead - 4_920, 600);
});

test("a pause is known by its first frames, also when the one that ends them is lost", () => {
  const play = new Play();
  play.until(500, play.lives(20));
  const mutes = (now) => {
    play.spare(now);
    if (now % 20 === 0 && now < 660) play.missing.frame(1, 3, now);
    if (now === 1_110) play.missing.frame(1, 3, now);
  };
  assert.equal(play.until(1_200, mutes), null);
});

test("speech after a pause is dense again", () => {
  const play = new Play();
  play.until(500, play.lives(20));
  play.until(1_300, (now) => now % 400 === 100 && play.missing.frame(1, 1, now));
  play.until(2_000, play.lives(20));
  assert.equal(silence(play, 2_000, play.spare), 150);
});

test("pictures are missed after three of their distances, and at least 150 ms", () => {
  for (const [every, after] of [
    [40, 150],
    [20, 150],
    [100, 300],
  ]) {
    const play = new Play(PICTURES);
    play.until(6_000, play.lives(every));
    const missed = silence(play, 6_000, play.spare, every);
    assert.ok(Math.abs(missed - after) <= 5, `${missed} ms at every ${every}`);
  }
});

test("a screen that stands still, or a muted source, is missed only with its parent", () => {
  for (const watched of [
    { ...PICTURES, still: true },
    { ...SOUND, still: true },
  ]) {
    const play = new Play(watched);
    play.until(1_000, play.lives(40));
    assert.equal(play.until(60_000, play.both), null);
    const last = 59_980;
    assert.equal(play.until(70_000, play.spare) - last, 150);
  }
});

test("a stream of which nothing ever came is not missed", () => {
  const play = new Play();
  assert.equal(play.until(10_000, play.both), null);
});

test("a missed stream is told once, and its return is told", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  assert.notEqual(play.until(2_000, play.spare), null);
  assert.equal(play.until(10_000, play.spare), null);
  assert.equal(play.missing.frame(1, 80, play.now), true);
  assert.equal(play.missing.frame(1, 80, play.now + 20), false);
});

test("another stream on the same feed, as after it lay idle, begins anew", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  play.until(1_100, play.spare);
  play.missing.watch([SOUND], [{ ...BROUGHT[0], stream: "fay audio" }, ...BROUGHT.slice(1)]);
  assert.equal(play.until(9_000, play.spare), null);
});

test("what we ourselves slept through is no silence of others'", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  const { missing } = play.missing.look(3_000);
  assert.deepEqual(missing, []);
  play.now = 3_000;
  assert.equal(play.until(3_100, play.lives(20)), null);
  const slept = new Play();
  slept.until(1_000, slept.lives(20));
  slept.missing.look(3_000);
  slept.now = 3_005;
  const missed = slept.until(4_000, slept.spare);
  assert.ok(missed >= 3_100 && missed <= 3_150, `${missed}`);
});

test("each false alarm makes it wait twice as long, until all has been calm for a while", () => {
  const play = new Play();
  play.until(1_000, play.lives(20));
  assert.equal(silence(play, 1_000, play.spare), 150);
  play.until(play.now + 1_000, play.lives(20));
  const before = Math.floor((play.now - 5) / 20) * 20;
  assert.equal(play.until(play.now + 5_000, play.spare) - before, 300);
  play.until(play.now + 1_000, play.lives(20));
  play.until(play.now + 91_000, play.lives(20));
  const calm = Math.floor((play.now - 5) / 20) * 20;
  assert.equal(play.until(play.now + 5_000, play.spare) - calm, 150);
});
