"""Time as eighty machines would see it that one program plays, which does not always run."""

import time

STOP = 0.05
"""Seconds. Something happens far more often in a program that runs: see `TICK` of the churn's."""


class OwnTime:
    """In seconds; it stands still while this program gets no processor.

    Ask for it whenever something happens.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.stopped = 0.0
        """Seconds for which it has stood still."""
        self.longest = 0.0
        """Seconds of the longest such time."""

    def now(self) -> float:
        last, self._last = self._last, time.monotonic()
        if (idle := self._last - last) > STOP:
            self.stopped += idle
            self.longest = max(self.longest, idle)
        return self._last - self.stopped
