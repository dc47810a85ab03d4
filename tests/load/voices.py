"""What callers send: something like speech, and a quiet room, as payloads of 20 ms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media import g711, opus

FRAMES = 100
"""Two seconds, sent over and over."""

_VOICES = 8
_WIDTH = 200


@dataclass(frozen=True)
class Voices:
    """`payloads` uint8[voices + 1, FRAMES, 200], `lengths` int32[voices + 1, FRAMES].

    The last one is the quiet room.
    """

    payloads: NDArray[np.uint8]
    lengths: NDArray[np.int32]

    @property
    def quiet(self) -> int:
        return len(self.payloads) - 1

    def of_legs(self, talking: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The number of each leg's voice."""
        return np.where(talking, np.arange(len(talking)) % self.quiet, self.quiet)


def voices(codec: str) -> Voices:
    """`codec`: PCMU or opus."""
    rate = opus.RATE if codec == "opus" else 8000
    payloads = np.zeros((_VOICES + 1, FRAMES, _WIDTH), np.uint8)
    lengths = np.zeros((_VOICES + 1, FRAMES), np.int32)
    for number in range(_VOICES + 1):
        sound = _room(rate) if number == _VOICES else _voice(rate, 110.0 + 17 * number)
        frames = sound.reshape(FRAMES, rate // 50)
        if codec == "opus":
            encoder = opus.Encoder()
            for index, frame in enumerate(frames):
                lengths[number, index] = encoder.encode(frame, payloads[number, index])
        else:
            payloads[number, :, : rate // 50] = g711.PCMU.compress(frames)
            lengths[number] = rate // 50
    return Voices(payloads, lengths)


def _voice(rate: int, pitch: float) -> NDArray[np.int16]:
    """Harmonics of a gliding pitch, four syllables a second, about -20 dBov."""
    time = np.arange(FRAMES * rate // 50) / rate
    phase = 2 * np.pi * pitch * (time + 0.02 * np.sin(2 * np.pi * time))
    wave = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)
    return (4500 * syllables * wave).astype(np.int16)


def _room(rate: int) -> NDArray[np.int16]:
    """Noise of about -75 dBov."""
    noise = np.random.default_rng(1).normal(0, 5, FRAMES * rate // 50)
    return noise.astype(np.int16)
