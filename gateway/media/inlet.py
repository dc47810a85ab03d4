"""A received stream as the mixer wants it: one frame for each tick, whatever the network did."""

import numpy as np

from gateway.media.codecs import decoder
from gateway.media.jitter import LOST, JitterBuffer
from gateway.media.mixer import FRAME, Frame
from gateway.media.rtp import RtpPacket
from gateway.sdp import Codec

_CONCEALED_TICKS = 3
"""A gap is filled with the last frame, each time at half its level; longer ones fall silent."""


class Inlet:
    """Jitter buffer, decoder and concealment of one stream."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._jitter = JitterBuffer(codec.clock_rate)
        self._decoder = decoder(codec.name)
        self._ready = np.zeros(0, np.int16)
        self._last = np.zeros(FRAME, np.int16)
        self._concealed = _CONCEALED_TICKS

    def receive(self, packet: RtpPacket) -> None:
        if packet.payload:
            self._jitter.put(packet)

    def pull(self) -> Frame | None:
        """The next frame; None when the stream is silent."""
        while len(self._ready) < FRAME:
            item = self._jitter.get()
            if item is None:
                return self._conceal()
            if item is LOST:
                self._append(self._faded())
                continue
            try:
                self._append(self._decoder.decode(item.payload))
                self._concealed = 0
            except ValueError:
                # The peer sent rubbish: as good as lost.
                self._append(self._faded())
        frame, self._ready = self._ready[:FRAME], self._ready[FRAME:]
        self._last = frame
        return frame

    def _append(self, samples: Frame) -> None:
        self._ready = np.concatenate((self._ready, samples))

    def _faded(self) -> Frame:
        self._concealed += 1
        level = 0.5**self._concealed if self._concealed <= _CONCEALED_TICKS else 0.0
        return (self._last * level).astype(np.int16)

    def _conceal(self) -> Frame | None:
        if self._concealed >= _CONCEALED_TICKS and not len(self._ready):
            return None
        rest = self._faded()[: FRAME - len(self._ready)]
        frame = np.concatenate((self._ready, rest))
        self._ready = self._ready[:0]
        return frame
