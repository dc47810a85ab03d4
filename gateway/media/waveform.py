"""PURE: lost frames of codecs that cannot conceal themselves: the last period, repeated and faded.

As ITU-T G.711 Appendix I does it: the pitch is looked for in what was heard last, its last period
goes on with continuous phase, fades out over 60 ms, and is blended into the first frame that comes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Rows = NDArray[np.intp]
Sound = NDArray[np.float32]

_LONGEST_FRAME: Final = 320
"""Samples: 20 ms at 16 kHz. Two frames are kept."""

_FADE_FROM, _FADE_TO = 0.010, 0.070
_SHORTEST, _LONGEST = 0.0025, 0.015
_TEMPLATE = 0.010
_JOIN = 0.005


class Waveforms:
    """What each row sounded like lately; a row keeps to one rate."""

    def __init__(self, rows: int) -> None:
        self._past = np.zeros((rows, 2, _LONGEST_FRAME), np.int16)
        self._newest = np.zeros(rows, np.intp)
        """Which of the two frames."""
        self._periods: dict[int, Sound] = {}
        self._made: dict[int, int] = {}

    def forget(self, row: int) -> None:
        self._past[row] = 0
        self._periods.pop(row, None)
        self._made.pop(row, None)

    def heard(self, rows: Rows, frames: Pcm, rate: int) -> None:
        """Frames that came, int16[n, samples]; after concealed ones they are blended, in place."""
        if self._periods:
            for number, row in enumerate(rows.tolist()):
                if row in self._periods:
                    self._join(row, frames[number], rate)
        self._newest[rows] = newest = self._newest[rows] ^ 1
        self._past[rows, newest, : frames.shape[1]] = frames

    def conceal(self, row: int, size: int, rate: int) -> Pcm:
        """int16[size] in place of a frame that did not come."""
        if row not in self._periods:
            newest = self._newest[row]
            past = np.concatenate(self._past[row, (newest ^ 1, newest), :size])
            self._periods[row] = _period(past, rate)
            self._made[row] = 0
        frame = self._extension(row, size, rate)
        self._made[row] += size
        return np.rint(frame).astype(np.int16)

    def _join(self, row: int, frame: Pcm, rate: int) -> None:
        size = int(_JOIN * rate)
        tail = self._extension(row, size, rate)
        weight = np.linspace(0, 1, size, dtype=np.float32)
        frame[:size] = np.rint(tail * (1 - weight) + frame[:size] * weight)
        del self._periods[row], self._made[row]

    def _extension(self, row: int, size: int, rate: int) -> Sound:
        at = np.arange(self._made[row], self._made[row] + size)
        period = self._periods[row]
        fade = np.interp(at / rate, (_FADE_FROM, _FADE_TO), (1.0, 0.0))
        return np.asarray(period[at % len(period)] * fade, np.float32)


def _period(past: Pcm, rate: int) -> Sound:
    """The last one of `past`; its last quarter turns into what came before its first sample, so
    that it repeats without a seam."""
    lag = _lag(past, rate)
    quarter = lag // 4
    wave = past.astype(np.float32)
    period = wave[-lag:].copy()
    weight = np.linspace(0, 1, quarter, dtype=np.float32)
    period[-quarter:] += (wave[-lag - quarter : -lag] - period[-quarter:]) * weight
    return period


def _lag(past: Pcm, rate: int) -> int:
    """The period by normalised correlation of the last 10 ms with what was before."""
    size = int(_TEMPLATE * rate)
    shortest, longest = int(_SHORTEST * rate), int(_LONGEST * rate)
    wave = past[-size - longest :].astype(np.float32)
    region = wave[:-shortest]
    scores = np.correlate(region, wave[-size:], "valid")
    power = np.convolve(region * region, np.ones(size, np.float32), "valid")
    return longest - int(np.argmax(scores / np.sqrt(power + 1.0)))


def blend(first: Pcm, second: Pcm) -> Pcm:
    """Two frames become one: the first fades into the second."""
    weight = np.linspace(0, 1, first.shape[-1], dtype=np.float32)
    return np.asarray(np.rint(first * (1 - weight) + second * weight), np.int16)
