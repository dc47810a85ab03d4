"""PURE: when which step is due. After a stall the missed steps are left out, not made up for."""

from typing import Final

import numpy as np

STEP: Final = 0.005
"""Seconds between steps; four of them are a tick of 20 ms, in which each room is mixed once."""

_STALL: Final = 0.100
_KEPT = 4096


class Metronome:
    """`number` and `due` are those of the next step."""

    def __init__(self, now: float) -> None:
        self._start = now
        self.number = 0
        self.left_out = 0
        """Steps so far."""
        self._lateness = np.zeros(_KEPT)

    @property
    def due(self) -> float:
        return self._start + self.number * STEP

    def begin(self, now: float) -> tuple[int, float]:
        """The step to make now and when it was due; the next one is set."""
        late = now - self.due
        if late > _STALL:
            # Whole ticks, so that every room misses as many.
            missed = int(late / STEP) // 4 * 4
            self.number += missed
            self.left_out += missed
            late = now - self.due
        step = (self.number, self.due)
        self._lateness[self.number % _KEPT] = late
        self.number += 1
        return step

    def lateness(self, percent: float) -> float:
        """Seconds, over the last 20 s."""
        known = self._lateness[: min(self.number, _KEPT)]
        return float(np.percentile(known, percent)) if len(known) else 0.0
