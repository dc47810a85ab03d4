"""G.722: 64 kbit/s for 16 kHz, by FFmpeg through PyAV.

The RTP clock of G.722 is 8000 Hz though the sampling rate is 16,000: RFC 3551, section 4.5.2.
"""

from typing import Final

import numpy as np
from av import AudioFrame, FFmpegError, Packet
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

RATE: Final = 16_000
FRAME: Final = 320
OCTETS: Final = 160
"""Of 20 ms."""


class Encoder:
    """One sent stream."""

    def __init__(self) -> None:
        self._context = AudioCodecContext.create("g722", "w")
        self._context.sample_rate = RATE
        self._context.layout = "mono"
        self._context.format = "s16"

    def encode(self, pcm: NDArray[np.int16], out: NDArray[np.uint8]) -> int:
        """One frame, int16[320], into `out`; gives the length of the payload."""
        frame = AudioFrame.from_ndarray(pcm[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = RATE
        payload = b"".join(bytes(packet) for packet in self._context.encode(frame))
        out[: len(payload)] = np.frombuffer(payload, np.uint8)
        return len(payload)

    def fork(self) -> "Encoder":
        """A fresh one: FFmpeg's state cannot be copied, and the code adapts within 20 ms."""
        return Encoder()


class Decoder:
    """One received stream."""

    def __init__(self) -> None:
        self._context = AudioCodecContext.create("g722", "r")
        self._context.sample_rate = RATE
        self._context.layout = "mono"

    def decode(self, payload: NDArray[np.uint8], out: NDArray[np.int16]) -> int:
        """As many samples as the packet holds and `out` takes."""
        if not len(payload):
            return 0
        try:
            frames = self._context.decode(Packet(payload.tobytes()))
        except FFmpegError:
            return 0
        got = 0
        for frame in frames:
            samples = frame.to_ndarray()[0][: len(out) - got]
            out[got : got + len(samples)] = samples
            got += len(samples)
        return got
