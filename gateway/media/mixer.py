"""The mix that each legacy leg hears: everybody but itself (N-1), limited softly.

All audio inside the plane is 48 kHz mono in 20 ms frames of 16-bit samples: the rate of Opus, which
every browser sends, and six times that of G.711.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

RATE = 48_000
TICK = 0.020
FRAME = 960
"""Samples of one tick at `RATE`."""

Frame = NDArray[np.int16]

SILENCE: Frame = np.zeros(FRAME, np.int16)
SILENCE.setflags(write=False)

Key = TypeVar("Key", bound=Hashable)

# Below the knee the mix passes untouched; above it, what is left of the scale is approached by a
# tanh: several loud voices together get denser, never wrapped and never cut flat.
_KNEE = 24_576
_HEADROOM = 32_767 - _KNEE


def mix_minus(legs: Mapping[Key, Frame | None], others: Iterable[Frame]) -> dict[Key, Frame]:
    """What each leg hears; a leg with None says nothing now and hears all the same.

    `others` are the sources that hear no mix (the browsers).
    """
    spoken = [frame for frame in (*legs.values(), *others) if frame is not None]
    if not spoken:
        return dict.fromkeys(legs, SILENCE)
    total: NDArray[np.int32] = np.stack(spoken).sum(axis=0, dtype=np.int32)
    everyone = limit(total)
    return {
        leg: everyone if own is None else limit(total - own.astype(np.int32))
        for leg, own in legs.items()
    }


def limit(mix: NDArray[np.int32]) -> Frame:
    """A sum of any number of sources, brought back into 16 bits."""
    level = np.abs(mix)
    if not level.size or level.max() <= _KNEE:
        return mix.astype(np.int16)
    over = np.maximum(level - _KNEE, 0) / _HEADROOM
    soft = np.minimum(level, _KNEE) + _HEADROOM * np.tanh(over)
    return np.asarray(np.sign(mix) * np.rint(soft), np.int16)
