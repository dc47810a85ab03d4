"""PURE: a room's mix as an Ogg/Opus stream that is true in time.

The mix comes tick by tick. Ticks that were left out, or in which nobody's media reached the
gateway, are no silence that was heard but they are time: they become packets without sound, which
a decoder conceals (RFC 7845, section 4.1).
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media import opus
from gateway.media.half_band import WIDE, Upsampler
from gateway.media.ogg import OggOpus

Pcm = NDArray[np.int16]

_SAMPLES: Final = 960
"""Of a tick, at the 48 kHz of Ogg."""

_MOST_FRAMES: Final = 6
"""RFC 6716, section 3.2.5: a packet lasts 120 ms at most."""

_COMPLEXITY = 5
_WIDEBAND_20_MS = 0x48
"""RFC 6716, section 3.1: as if a frame of speech at 16 kHz had been there."""

_LANE = np.zeros(1, np.intp)


class Recording:
    """From its first tick to its last; `sink` takes what is to be written, about once a second."""

    def __init__(
        self, tick: int, serial: int, tags: Mapping[str, str], sink: Callable[[bytes], None]
    ) -> None:
        self._next = tick
        self._sink = sink
        # Nothing gets lost on the way to a disk, so nothing is spent on FEC.
        self._encoder = opus.Encoder(complexity=_COMPLEXITY, expected_loss=0)
        self._upsampler = Upsampler(1)
        pre_skip = self._encoder.lookahead * _SAMPLES // opus.FRAME
        self._ogg = OggOpus(serial, opus.RATE, pre_skip, tags)
        self._toc = _WIDEBAND_20_MS
        self._payload = np.zeros(opus.MAX_PAYLOAD, np.uint8)
        sink(self._ogg.head())

    def write(self, tick: int, mix: Pcm) -> None:
        """The mix of a tick, int16[320] or int16[160]."""
        if tick < self._next:
            return
        self.reach(tick)
        if len(mix) < WIDE:
            mix = self._upsampler.convert(_LANE, mix[np.newaxis])[0]
        length = self._encoder.encode(np.ascontiguousarray(mix), self._payload)
        packet = self._payload[:length].tobytes()
        self._toc = packet[0] & ~3
        self._add(packet, 1)

    def reach(self, tick: int) -> None:
        """It is `tick` by now: whatever did not come before it is not going to."""
        while self._next < tick:
            frames = min(_MOST_FRAMES, tick - self._next)
            # Code 3: so many frames, none of which has any octets.
            self._add(bytes((self._toc | 3, frames)), frames)

    def end(self, tick: int) -> None:
        self.reach(tick)
        self._sink(self._ogg.end())

    def _add(self, packet: bytes, frames: int) -> None:
        self._next += frames
        page = self._ogg.add(packet, frames * _SAMPLES)
        if page:
            self._sink(page)
