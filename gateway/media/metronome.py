"""PURE: when which step is due. After a stall the missed steps are left out, not made up for."""

from typing import Final

import numpy as np

from gateway.statistics import Histogram, Tally

STEP: Final = 0.005
"""Seconds between steps; four of them are a tick of 20 ms, in which each room is mixed once."""

_STALL: Final = 0.100
_KEPT = 4096

_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metronome:
    """`number` and `due` are those of the next step."""

    def __init__(self, now: float) -> None:
        self._start = now
        self.number = 0
        self.left_out = 0
        """Steps so far."""
        self._lateness = np.zeros(_KEPT)
        self.taken = 0
        """Steps that were made."""
        self._tally = Tally(_BOUNDS)

    @property
    def due(self) -> float:
        return self._start + self.number * STEP

    def begin(self, now: float) -> tuple[int, float]:
        """The step to make now and when it was due; the next one is set."""
        late = now - self.due
        # Before anything is left out: else no stall would ever be seen.
        self._lateness[self.taken % _KEPT] = late
        self.taken += 1
        self._tally.add(late)
        if late > _STALL:
            # Whole ticks, so that every room misses as many.
            missed = int(late / STEP) // 4 * 4
            self.number += missed
            self.left_out += missed
        step = (self.number, self.due)
        self.number += 1
        return step

    @property
    def histogram(self) -> Histogram:
        """Of how late steps began, in seconds, since the start."""
        return self._tally.histogram

    def late_ms(self) -> tuple[float, float, float]:
        """Median, 99th percentile and maximum of the last 20 s."""
        known = self._lateness[: min(self.taken, _KEPT)]
        if not len(known):
            return (0.0, 0.0, 0.0)
        median, most, maximum = np.round(1000 * np.percentile(known, (50, 99, 100)), 2).tolist()
        return (median, most, maximum)
