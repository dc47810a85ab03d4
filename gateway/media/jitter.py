"""PURE: the jitter buffers of all streams, as arrays: one row for each, sixteen slots of 20 ms.

Arrival. A packet's slot follows from its timestamp, so that a pause of the sender (RFC 3551, s.
4.1) is not taken for loss; when it ought to be played is up to its stream's playout delay.

Playing. Each tick takes one slot. A row that plays later than its ideal leaves out a slot, best in
a pause, and blends over the seam; one that plays too early repeats itself over a missing slot
instead of giving it up. In silence a row takes the ideal at once, so most corrections are not
heard. What is missing is said to be concealed for 120 ms at most; then the row is silent. Where
the sender announced its pause (comfort noise of RFC 3389, or an Opus packet without content),
nothing is missing: the row rests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.playout import PlayoutDelays
from gateway.media.runs import lengths, starts, those

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]
Seconds = NDArray[np.float64]

TICK: Final = 0.020
SLOTS: Final = 16
WIDTH: Final = 640
"""Octets of a slot: 320 samples of PCM, or a packet's payload of up to 256 kbit/s."""

PCM: Final = -1
"""The length of a slot that holds samples (int16[320] at 16 kHz) instead of an encoded frame."""

COMFORT: Final = -2
"""The length of a slot that only says how loud the pause is that begins there (RFC 3389)."""

_EMPTY_OPUS = 2
"""Octets of an Opus packet, at most, that tells no more than a pause; RFC 6716, section 3.1."""

_MAX_GAP = 6
"""Ticks of concealment before a row falls silent."""

_LEAVE_OUT_IN_PAUSE = 1.2
_LEAVE_OUT_IN_SPEECH = 1.5
_JUMP = 6.0
_TOO_EARLY = 0.25

_MAX_STEPS = 1500
"""Slots that a timestamp may jump (30 s); farther is a sender that has started anew."""

_MAX_DROPOUT = 3000
"""Numbers that a stream may leave out; what jumps farther has lost nothing (RFC 3550, A.1)."""

_LATE_RUN = 10
"""That many packets in a row after their time: the sender's clock has jumped back."""


SILENT: Final = 0
"""What a row gives in a tick, and the next ones. Plain numbers, since arrays hold them."""

PLAY: Final = 1
CONCEAL: Final = 2
BLEND: Final = 3
"""Two slots become one: `place` and `following`."""

REST: Final = 4
"""A pause that the sender announced; `JitterBuffers.noise` says what it sounds like."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What the rows give in one tick; all arrays have one element for each row asked for."""

    state: NDArray[np.int8]
    place: Rows
    """Of the slot in the flat views; for SILENT, CONCEAL and most of a REST that of the slot that
    is not there."""
    following: Rows
    """The place of the next slot where that has come, else -1."""
    previous: Rows
    """The place of the slot before where that is still there, else -1."""


class JitterBuffers:
    """`flat` uint8[rows * 16, 640], `lengths` and `levels` [rows * 16] are read by place."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.ring = np.zeros((capacity, SLOTS, WIDTH), np.uint8)
        self.flat = self.ring.reshape(capacity * SLOTS, WIDTH)
        self._length = np.zeros((capacity, SLOTS), np.int16)
        self.lengths = self._length.reshape(capacity * SLOTS)
        self._level = np.zeros((capacity, SLOTS), np.uint8)
        self.levels = self._level.reshape(capacity * SLOTS)
        self._tag = np.full((capacity, SLOTS), -1, np.int64)
        """The number of the slot that is in each place."""
        self._tags = self._tag.reshape(capacity * SLOTS)
        self._unit = np.ones(capacity, np.int64)
        self._started = np.zeros(capacity, np.bool_)
        self._ssrc = np.zeros(capacity, np.int64)
        self._newest = np.zeros(capacity, np.int64)
        self._newest_sequence = np.zeros(capacity, np.int64)
        self._newest_timestamp = np.zeros(capacity, np.int64)
        self._play = np.zeros(capacity, np.int64)
        self._silent = np.zeros(capacity, np.bool_)
        self._rests = np.zeros(capacity, np.bool_)
        self.noise = np.zeros(capacity, np.uint8)
        """What is heard in a rest, in -dBov; for Opus its decoder knows better."""
        self._gap = np.zeros(capacity, np.int64)
        self._late_run = np.zeros(capacity, np.int64)
        self._unsure = np.zeros(capacity, np.int64)
        """Concealed ticks that may turn out to have been a pause of the sender."""
        self._delays = PlayoutDelays(capacity, TICK)
        self.jitter = self._delays.jitter
        self.held = self._delays.hold
        """Seconds that packets of least delay are held before a tick may play them."""
        self.received = np.zeros(capacity, np.int64)
        self.expected = np.zeros(capacity, np.int64)
        self.late = np.zeros(capacity, np.int64)
        self.duplicate = np.zeros(capacity, np.int64)
        self.concealed = np.zeros(capacity, np.int64)
        self.left_out = np.zeros(capacity, np.int64)

    def open(self, row: int, clock_rate: int, *, has_fec: bool = False) -> None:
        """A new stream in that row; everything about an older one is forgotten.

        `has_fec`: packets may tell what the one before them was (RFC 6716, section 2.1.7).
        """
        for array in vars(self).values():
            if isinstance(array, np.ndarray) and array.shape[:1] == (self.capacity,):
                array[row] = 0
        self._tag[row] = -1
        self._unit[row] = clock_rate // 50
        self._delays.open(row, has_fec=has_fec)

    # --- arrival -----------------------------------------------------------------------------

    def put(
        self,
        rows: Rows,
        sequences: Whole,
        timestamps: Whole,
        ssrcs: Whole,
        arrivals: Seconds,
        payloads: NDArray[np.uint8],
        lengths: NDArray[np.int16],
        levels: NDArray[np.uint8],
    ) -> None:
        """Packets in order of arrival; several may be of one row.

        `payloads` uint8[n, w <= 640]; `lengths` in octets, or PCM; `levels` in -dBov (RFC 6464).
        """
        for one in _rounds(rows):
            self._put(
                rows[one],
                sequences[one],
                timestamps[one],
                ssrcs[one],
                arrivals[one],
                payloads[one],
                lengths[one],
                levels[one],
            )

    def _put(
        self,
        rows: Rows,
        sequences: Whole,
        timestamps: Whole,
        ssrcs: Whole,
        arrivals: Seconds,
        payloads: NDArray[np.uint8],
        lengths: NDArray[np.int16],
        levels: NDArray[np.uint8],
    ) -> None:
        """At most one packet of each row."""
        ahead = _wrapped(sequences - self._newest_sequence[rows], 16)
        ticks = _wrapped(timestamps - self._newest_timestamp[rows], 32)
        steps = np.rint(ticks / self._unit[rows]).astype(np.int64)
        anew = ~self._started[rows] | (ssrcs != self._ssrc[rows])
        anew |= (np.abs(steps) > _MAX_STEPS) | (self._late_run[rows] >= _LATE_RUN)
        if anew.any():
            self._restart(rows[anew], ssrcs[anew], arrivals[anew])
            ahead[anew] = 1
            steps[anew] = 1
        # Two packets never share a slot, whatever a broken sender's timestamps say.
        steps = np.where(ahead > 0, np.maximum(steps, 1), np.minimum(steps, np.sign(ahead)))
        slots = self._newest[rows] + steps
        self._count(rows, ahead, steps)
        self._delays.measure(rows, arrivals - slots * TICK, self.lost(rows))

        newer = those(ahead > 0)
        which = rows[newer]
        self._newest[which] = slots[newer]
        self._newest_sequence[which] = sequences[newer]
        self._newest_timestamp[which] = timestamps[newer]

        places = rows * SLOTS + (slots & (SLOTS - 1))
        duplicate = self._tags[places] == slots
        late = ~duplicate & (slots < self._play[rows])
        good = ~(duplicate | late)
        if good.all():
            self._late_run[rows] = 0
        else:
            self.duplicate[rows] += duplicate
            self.late[rows] += late
            self._late_run[rows] = np.where(late, self._late_run[rows] + 1, 0)
            places, payloads, slots = places[good], payloads[good], slots[good]
            lengths, levels = lengths[good], levels[good]
        self.flat[places, : payloads.shape[1]] = payloads
        self.lengths[places] = lengths
        self.levels[places] = levels
        self._tags[places] = slots

    def pass_over(self, row: int, sequence: int) -> None:
        """A packet of the stream that has no sound in it: it takes a number, but no time."""
        if self._started[row]:
            ahead = (sequence - int(self._newest_sequence[row]) + 0x8000 & 0xFFFF) - 0x8000
            self.received[row] += 1
            self.expected[row] += 1 if ahead > _MAX_DROPOUT else max(0, ahead)
            if ahead > 0:
                self._newest_sequence[row] = sequence

    def end(self, row: int) -> None:
        """The stream is over: silent at once, and whatever comes next begins anew."""
        self._started[row] = self._rests[row] = False
        self._silent[row] = True
        self._tag[row] = -1

    def _restart(self, rows: Rows, ssrcs: Whole, arrivals: Seconds) -> None:
        """The packets at hand get slot 1. What is known about jitter stays."""
        self._started[rows] = True
        self._ssrc[rows] = ssrcs
        self._tag[rows] = -1
        self._newest[rows] = 0
        self._play[rows] = 0
        self._silent[rows] = True
        self._rests[rows] = False
        self._delays.restart(rows, arrivals - TICK)
        self._late_run[rows] = self._unsure[rows] = 0

    def _count(self, rows: Rows, ahead: Whole, steps: Whole) -> None:
        self.received[rows] += 1
        # After a restart whatever was missing is not this stream's.
        self.expected[rows] += np.where(ahead > _MAX_DROPOUT, 1, np.maximum(ahead, 0))
        pause = (ahead == 1) & (steps > 1)
        if pause.any():
            paused = rows[pause]
            self.concealed[paused] -= self._unsure[paused]
            self._unsure[paused] = 0

    # --- playing -----------------------------------------------------------------------------

    def pull(self, rows: Rows, quiet: Flags, now: float) -> Pulled:
        """One tick of the rows. `quiet`: whether nobody would hear a slot being left out."""
        ideal = self._delays.played_at(rows, now) / TICK
        silent = self._silent[rows] | ~self._started[rows]
        play = self._play[rows]
        newest = self._newest[rows]
        behind = ideal - play
        jump = (silent & (behind >= 1)) | (behind > _JUMP)
        play = np.where(jump, np.floor(ideal).astype(np.int64), play)
        play = np.maximum(play, newest - (SLOTS - 1))

        places = rows * SLOTS + (play & (SLOTS - 1))
        nexts = rows * SLOTS + ((play + 1) & (SLOTS - 1))
        lasts = rows * SLOTS + ((play - 1) & (SLOTS - 1))
        started = self._started[rows]
        here = started & (self._tags[places] == play)
        next_here = started & (self._tags[nexts] == play + 1)
        rest = here & _is_rest(self.lengths[places])
        blend = here & next_here & ~silent & ~jump & ~rest & ~_is_rest(self.lengths[nexts])
        blend &= behind > np.where(quiet, _LEAVE_OUT_IN_PAUSE, _LEAVE_OUT_IN_SPEECH)

        gap = np.where(here, 0, self._gap[rows] + 1)
        rests = np.where(here, rest, self._rests[rows])
        silent = ~here & (silent | (gap > _MAX_GAP) | rests)
        conceal = ~here & ~silent
        keep = silent | (conceal & (play - ideal > _TOO_EARLY))
        self._play[rows] = play + np.where(keep, 0, 1) + blend
        self._gap[rows] = gap
        self._silent[rows] = silent | rest
        self._rests[rows] = rests
        self.noise[rows[rest]] = self.levels[places[rest]]
        self.concealed[rows] += conceal
        self.left_out[rows] += blend
        self._unsure[rows] = np.where(conceal, self._unsure[rows] + 1, 0)
        state = np.where(blend, BLEND, here * PLAY + conceal * CONCEAL)
        state[rest | (silent & rests)] = REST
        following = np.where(next_here, nexts, -1)
        previous = np.where(self._tags[lasts] == play - 1, lasts, -1)
        return Pulled(state.astype(np.int8), places, following, previous)

    # --- what is known -----------------------------------------------------------------------

    def lost(self, rows: Rows) -> Whole:
        """Packets that never came, so far; negative where duplicates came (RFC 3550, A.3)."""
        lost: Whole = self.expected[rows] - self.received[rows]
        return lost

    def highest_sequence(self, row: int) -> int:
        return int(self._newest_sequence[row])

    def source(self, row: int) -> int:
        """The SSRC that is received."""
        return int(self._ssrc[row])


def _is_rest(lengths: NDArray[np.int16]) -> Flags:
    rest: Flags = (lengths == COMFORT) | ((lengths > 0) & (lengths <= _EMPTY_OPUS))
    return rest


def _wrapped(difference: Whole, bits: int) -> Whole:
    """Of two numbers that wrap: -half to half - 1."""
    half = 1 << bits - 1
    return ((difference + half) & (2 * half - 1)) - half


def _rounds(rows: Rows) -> Sequence[Rows | slice]:
    """Positions in `rows`, so that no row comes twice in one round and order is kept."""
    if len(rows) < 2 or np.bincount(rows).max() == 1:
        return [slice(None)] if len(rows) else []
    everything: Rows = np.arange(len(rows))
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = starts(ordered)
    repeated = np.repeat(first, lengths(first, len(rows)))
    turn = everything - repeated
    return [order[turn == number] for number in range(int(turn.max()) + 1)]
