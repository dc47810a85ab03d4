"""PURE: who is heard: the loudest few of each room, so that they do not change with each frame."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.runs import lengths, starts, where

Levels = NDArray[np.float32]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

SILENCE: Final = -127.0
"""dBov; the least that RFC 6464 can say."""

_AUDIBLE = -60.0
"""dBov; quieter than this is a room, not a voice."""

_FALL = 1.0
"""dB per tick that a level falls at most: syllables do not lose the word."""

_HYSTERESIS = 6.0
"""dB by which a newcomer has to be louder than one who is heard."""

_HANG = 20
"""Ticks that one stays heard after the last audible frame."""


class Speakers:
    """`level` float32[rows] in dBov, smoothed; `heard` bool[rows]."""

    def __init__(self, rows: int) -> None:
        self.level = np.full(rows, SILENCE, np.float32)
        self.heard = np.zeros(rows, np.bool_)
        self._hang = np.zeros(rows, np.int8)

    def forget(self, row: int) -> None:
        self.level[row], self.heard[row], self._hang[row] = SILENCE, False, 0

    def is_speaking(self, rows: Rows) -> Flags:
        """Who said something audible lately, whether heard or not."""
        return self._hang[rows] > 0

    def choose(self, rows: Rows, rooms: Rows, levels: Levels, most: int) -> Flags:
        """One tick: which of `rows` are heard now, `most` of each room.

        `rooms` ascends; `levels` are this tick's, `SILENCE` where there is no frame.
        """
        smooth = np.maximum(levels, self.level[rows] - _FALL)
        self.level[rows] = smooth
        audible = levels > _AUDIBLE
        hang = np.where(audible, _HANG, np.maximum(self._hang[rows] - 1, 0)).astype(np.int8)
        self._hang[rows] = hang
        score = np.where(hang > 0, smooth + _HYSTERESIS * self.heard[rows], -np.inf)
        candidates = where(hang > 0)
        heard = np.zeros(len(rows), np.bool_)
        if len(candidates):
            order = candidates[np.lexsort((-score[candidates], rooms[candidates]))]
            ordered = rooms[order]
            first = starts(ordered)
            sizes = lengths(first, len(order))
            heard[order[np.arange(len(order)) - np.repeat(first, sizes) < most]] = True
        self.heard[rows] = heard
        return heard
