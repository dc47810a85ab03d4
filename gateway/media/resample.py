"""Between 8 kHz, a telephone's rate, and 48 kHz, the mix's: one linear-phase filter, both ways.

Flat to 3.4 kHz and 70 dB down from 4.6 kHz on, where the image of 3.4 kHz begins, at the price of
2 ms of delay. Both converters remember the end of the last block, so blocks join without a seam.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FACTOR = 6
_TAPS_PER_PHASE = 32
_TAPS = FACTOR * _TAPS_PER_PHASE


def _lowpass() -> NDArray[np.float32]:
    """A sinc with its half-power point at 4 kHz under a Kaiser window; its taps add up to 1."""
    time = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(time / FACTOR) * np.kaiser(_TAPS, 7.0)
    return np.asarray(taps / taps.sum(), np.float32)


_LOWPASS = _lowpass()
# One column for each of the six places between two input samples, newest input sample last.
_PHASES = np.ascontiguousarray((FACTOR * _LOWPASS).reshape(_TAPS_PER_PHASE, FACTOR)[::-1])
_BACKWARDS = np.ascontiguousarray(_LOWPASS[::-1])


class Upsampler:
    """8 kHz to 48 kHz; takes blocks of any length."""

    def __init__(self) -> None:
        self._history = np.zeros(_TAPS_PER_PHASE - 1, np.float32)

    def convert(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        line = np.concatenate((self._history, samples.astype(np.float32)))
        self._history = line[len(samples) :]
        if not len(samples):
            return samples
        return _to_int16((sliding_window_view(line, _TAPS_PER_PHASE) @ _PHASES).ravel())


class Downsampler:
    """48 kHz to 8 kHz; takes blocks whose length is a multiple of six."""

    def __init__(self) -> None:
        self._history = np.zeros(_TAPS - FACTOR, np.float32)

    def convert(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        line = np.concatenate((self._history, samples.astype(np.float32)))
        self._history = line[len(samples) :]
        return _to_int16(sliding_window_view(line, _TAPS)[::FACTOR] @ _BACKWARDS)


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    # The filter overshoots at the edges of a full-scale square wave.
    return np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
