"""PURE: streams whose packets are not 20 ms long become ones whose packets are.

Such a stream is decoded as it comes and cut anew into frames of 16 kHz; they go into the jitter
buffer under numbers of our own. What comes out of order is lost: phones that send 10, 30 or 60 ms
are rare, and those that do so over a bad network rarer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.media.rtp import sequence_distance, timestamp_distance

Pcm = NDArray[np.int16]

_FRAME = 320
_LONGEST = 1920
"""Samples of 120 ms, the longest packet there is."""

_SHORTEST_GAP = 0.25
_LONGEST_GAP = 50
"""Frames; after a longer one the numbers go on without a gap."""


class Decoder(Protocol):
    """One stream's decoder to 16 kHz."""

    def decode(self, payload: NDArray[np.uint8], out: Pcm) -> int: ...


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms under our own numbers."""

    sequence: int
    timestamp: int
    pcm: Pcm


class Repacker:
    """One stream."""

    def __init__(self, decoder: Decoder, clock_rate: int) -> None:
        self._decoder = decoder
        self._per_sample = clock_rate / 16_000
        self._unit = clock_rate // 50
        self._rest = np.zeros(0, np.int16)
        self._expected: tuple[int, int] | None = None
        """Sequence number and timestamp of the next packet."""
        self._frames = 0
        self._skipped = 0
        self._owed = 0.0
        """Frames by which the gaps so far were longer than what was left out."""

    def receive(self, sequence: int, timestamp: int, payload: NDArray[np.uint8]) -> Iterator[Frame]:
        """The frames that are whole by this packet. Drain it."""
        if self._expected is not None:
            ahead = sequence_distance(sequence, self._expected[0])
            if -100 < ahead < 0:
                return
            gap = timestamp_distance(timestamp, self._expected[1]) / self._unit
            if gap >= _SHORTEST_GAP:
                self._skip(gap, is_lost=ahead > 0)
        out = np.empty(_LONGEST, np.int16)
        samples = self._decoder.decode(payload, out)
        ticks = int(samples * self._per_sample)
        self._expected = ((sequence + 1) & 0xFFFF, (timestamp + ticks) & 0xFFFF_FFFF)
        self._rest = np.concatenate((self._rest, out[:samples]))
        while len(self._rest) >= _FRAME:
            pcm, self._rest = self._rest[:_FRAME], self._rest[_FRAME:]
            self._frames += 1
            yield Frame(*self._numbers(), pcm)

    def pause(self, sequence: int, timestamp: int) -> tuple[int, int]:
        """Our numbers for a packet that says that the sender pauses; it lasts one frame."""
        self._rest = self._rest[:0]
        self._expected = ((sequence + 1) & 0xFFFF, (timestamp + self._unit) & 0xFFFF_FFFF)
        self._frames += 1
        return self._numbers()

    def _numbers(self) -> tuple[int, int]:
        number = self._frames + self._skipped
        return self._frames & 0xFFFF, number * self._unit & 0xFFFF_FFFF

    def _skip(self, gap: float, *, is_lost: bool) -> None:
        """A pause leaves a gap in the timestamps, a loss in the numbers too.

        What is rounded here is made up for by the next gap: or each loss would be a delay.
        """
        exactly = gap + len(self._rest) / _FRAME + self._owed
        frames = min(round(exactly), _LONGEST_GAP)
        self._owed = exactly - frames if frames < _LONGEST_GAP else 0.0
        self._rest = self._rest[:0]
        if is_lost:
            self._frames += frames
        else:
            self._skipped += frames
