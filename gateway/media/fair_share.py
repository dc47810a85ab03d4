"""PURE: who sends far too much takes no more of our time than the others do."""

import numpy as np
from numpy.typing import NDArray

from gateway.media.runs import where

Rows = NDArray[np.intp]


class FairShare:
    """Token buckets, one for each row: `most` at once, and `each` more with every `renew`.

    A row of -1 is nobody's, and has a share like all others.
    """

    def __init__(self, rows: int, most: int, each: int) -> None:
        self._most = most
        self._each = each
        self._taken = np.zeros(rows + 1, np.int64)

    def renew(self) -> None:
        self._taken -= self._each
        np.maximum(self._taken, 0, out=self._taken)

    def take(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of them may pass: of those at hand the latest, since old sound is of no use."""
        taken = self._taken
        np.add.at(taken, rows, 1)
        passes: NDArray[np.bool_] = taken[rows] <= self._most
        if passes.all():
            return passes
        for row in np.unique(rows[~passes]).tolist():
            its = where(rows == row)
            room = self._most - (int(taken[row]) - len(its))
            passes[its] = np.arange(len(its), 0, -1) <= room
            taken[row] = self._most
        return passes
