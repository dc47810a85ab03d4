"""PURE: the sums that listeners hear: all who speak in their room, without themselves (N-1)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.runs import lengths, starts, where

Pcm = NDArray[np.int16]
Sum = NDArray[np.int32]
Rows = NDArray[np.intp]

# Below the knee the mix passes untouched; above it, what is left of the scale is approached by a
# tanh: several loud voices together get denser, never wrapped and never cut flat.
_KNEE: Final = 24_576
_HEADROOM: Final = 32_767 - _KNEE

_NOISE_AMPLITUDE = 12
_LOUDEST_PAUSE = 36
"""-dBov; a pause that is said to be louder is not believed."""

_NOISE: Pcm = (
    np.random.default_rng(3389).normal(0, _NOISE_AMPLITUDE, 16_384).round().astype(np.int16)
)


def room_sums(pcm: Pcm, rooms: Rows, count: int) -> Sum:
    """int32[count, samples]: what is spoken in each room; `rooms` of each row of pcm ascends."""
    sums = np.zeros((count, pcm.shape[1]), np.int32)
    first = starts(rooms)
    turn = np.arange(len(rooms)) - np.repeat(first, lengths(first, len(rooms)))
    # One voice of each room at a time: there are few, and reduceat is slow on rows.
    for number in range(int(turn.max(initial=-1)) + 1):
        which = where(turn == number)
        sums[rooms[which]] += pcm[which]
    return sums


def limit(sums: Sum) -> Pcm:
    """Sums of any number of sources, brought back into 16 bits."""
    out = sums.astype(np.int16)
    if sums.max(initial=0) > _KNEE or sums.min(initial=0) < -_KNEE:
        samples = sums.ravel()
        loud = np.flatnonzero(np.abs(samples) > _KNEE)
        samples = samples[loud]
        over = (np.abs(samples).astype(np.float32) - _KNEE) / np.float32(_HEADROOM)
        soft = np.rint(_KNEE + _HEADROOM * np.tanh(over))
        out.ravel()[loud] = np.copysign(soft, samples)
    return out


def comfort_noise(tick: int, samples: int) -> Pcm:
    """int16[samples] at -69 dBov: a line that is silent but not dead."""
    start = tick * 7919 % (len(_NOISE) - samples)
    return _NOISE[start : start + samples]


def background_noise(level: int, tick: int, samples: int) -> Pcm:
    """int16[samples] of what a pause sounds like; `level` in -dBov, as in RFC 3389."""
    amplitude = 32_768 * 10 ** (-max(level, _LOUDEST_PAUSE) / 20)
    scaled = comfort_noise(tick, samples) * (amplitude / _NOISE_AMPLITUDE)
    return np.asarray(np.rint(scaled), np.int16)
