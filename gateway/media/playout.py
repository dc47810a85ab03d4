"""PURE: how long what a stream brings is held before it is played: a row for each stream.

How late a packet comes is measured against the earliest that came lately (`low`, which may rise
by 500 ppm for clocks that drift apart). A stream's excess is what the last 512 packets came late:
the latest of each 64, but for the worst of those, so that what stalled once makes nobody wait.
Packets are held for the excess and 5 ms more, from 10 to 200 ms.

Where packets get lost and the next one tells of them (FEC), the hold is a slot longer, so that the
next one has come.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]
Seconds = NDArray[np.float64]

MIN_HOLD: Final = 0.010
MAX_HOLD: Final = 0.200
_MARGIN = 0.005
_RISE = 500e-6

_PEAKS = 8
_PER_PEAK = 64
"""Packets. Both are powers of two."""

_WAIT_FOR_FEC = 3
"""Losses in as many packets as the peaks cover."""


class PlayoutDelays:
    """`slot` is the length of the slots in seconds; times are seconds too."""

    def __init__(self, capacity: int, slot: float) -> None:
        self._slot = slot
        self._low = np.zeros(capacity, np.float64)
        self._transit = np.zeros(capacity, np.float64)
        self._count = np.zeros(capacity, np.int64)
        self._peak = np.zeros((capacity, _PEAKS), np.float64)
        self._peaks = self._peak.reshape(capacity * _PEAKS)
        self._excess = np.zeros(capacity, np.float64)
        self._has_fec = np.zeros(capacity, np.bool_)
        self._lost_before = np.zeros((capacity, _PEAKS), np.int64)
        """How many were lost when each peak began."""
        self._waits = np.zeros(capacity, np.bool_)
        """For the packet after a lost one."""
        self.hold = np.full(capacity, MIN_HOLD)
        """Of packets of least delay, before the next tick may play them."""
        self.jitter = np.zeros(capacity, np.float64)
        """RFC 3550, section 6.4.1."""

    def open(self, row: int, *, has_fec: bool) -> None:
        """A new stream; nothing is known about it."""
        for array in (self._count, self._peak, self._excess, self._lost_before, self.jitter):
            array[row] = 0
        self._has_fec[row], self._waits[row] = has_fec, False
        self.hold[row] = MIN_HOLD

    def restart(self, rows: Rows, transits: Seconds) -> None:
        """The sender's clock has jumped. What is known about jitter stays."""
        self._low[rows] = self._transit[rows] = transits

    def played_at(self, rows: Rows, now: float) -> Seconds:
        """What the sender's clock said when that was sent which ought to be played now."""
        sent: Seconds = now - self._low[rows] - self.hold[rows]
        return sent

    def measure(self, rows: Rows, transits: Seconds, lost: Whole) -> None:
        """One packet of each row has arrived. `transits`: arrival less time by the sender's clock;
        `lost` packets of the stream so far."""
        low = np.minimum(self._low[rows] + _RISE * self._slot, transits)
        self._low[rows] = low
        change = np.abs(transits - self._transit[rows])
        self._transit[rows] = transits
        jitter = self.jitter[rows]
        self.jitter[rows] = jitter + (change - jitter) / 16
        self._remember(rows, transits - low, lost)

    def _remember(self, rows: Rows, lateness: Seconds, lost: Whole) -> None:
        count = self._count[rows]
        self._count[rows] = count + 1
        begins = count & _PER_PEAK - 1 == 0
        which = count // _PER_PEAK & _PEAKS - 1
        places = rows * _PEAKS + which
        peaks = self._peaks[places]
        peaks = np.where(begins, lateness, np.maximum(peaks, lateness))
        self._peaks[places] = peaks
        first = count < _PER_PEAK
        if first.any():
            # Nothing else is known yet.
            self._peak[rows[first]] = peaks[first, np.newaxis]
        if begins.any():
            self._watch_losses(rows[begins], which[begins], lost[begins])
        changed = begins | (lateness > self._excess[rows])
        if changed.any():
            self._set_hold(rows[changed])

    def _watch_losses(self, rows: Rows, which: Whole, lost: Whole) -> None:
        recent = lost - self._lost_before[rows, which]
        self._lost_before[rows, which] = lost
        self._waits[rows] = self._has_fec[rows] & (recent >= _WAIT_FOR_FEC)

    def _set_hold(self, rows: Rows) -> None:
        excess = np.sort(self._peak[rows], axis=1)[:, -2]
        self._excess[rows] = excess
        hold = excess + _MARGIN + self._slot * self._waits[rows]
        self.hold[rows] = np.clip(hold, MIN_HOLD, MAX_HOLD)
