"""Encoded payloads to and from the mix's frames. Each object is one direction of one stream."""

from fractions import Fraction
from typing import Final, Literal, Protocol

import numpy as np
from av import AudioFrame, CodecContext, FFmpegError, Packet
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from gateway.media.g711 import PCMA, PCMU, Law
from gateway.media.mixer import FRAME, RATE, Frame
from gateway.media.resample import Downsampler, Upsampler

OPUS_BITRATE: Final = 32_000
"""Full-band speech, transparent to most ears; the mix is mono."""

_LAWS = {"PCMU": PCMU, "PCMA": PCMA}


class Decoder(Protocol):
    """One received stream."""

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """At 48 kHz mono, however long it is. Raises `ValueError` for a broken payload."""
        ...


class Encoder(Protocol):
    """One sent stream."""

    def encode(self, frame: Frame) -> bytes: ...


class G711Decoder:
    """Either law, at 8 kHz on the wire."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._upsampler = Upsampler()

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        return self._upsampler.convert(self._law.decode(payload))


class G711Encoder:
    """Either law, at 8 kHz on the wire."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._downsampler = Downsampler()

    def encode(self, frame: Frame) -> bytes:
        return self._law.encode(self._downsampler.convert(frame))


class OpusDecoder:
    """RFC 6716 by libopus, as PyAV brings it; stereo is brought down to mono by libopus itself."""

    def __init__(self) -> None:
        self._context = _opus("r")

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        if not payload:
            # To FFmpeg an empty packet is the end of the stream: nothing could follow it.
            raise ValueError("an empty Opus payload")
        try:
            frames = self._context.decode(Packet(payload))
        except FFmpegError as error:
            raise ValueError(f"a broken Opus payload: {error}") from error
        samples = [frame.to_ndarray()[0].astype(np.int16, copy=False) for frame in frames]
        return np.concatenate(samples) if samples else np.zeros(0, np.int16)


class OpusEncoder:
    """One packet of 20 ms for each frame."""

    def __init__(self) -> None:
        self._context = _opus("w")
        self._context.bit_rate = OPUS_BITRATE
        self._context.time_base = Fraction(1, RATE)
        # The packets carry enough of their predecessor to mend single losses (RFC 6716, s. 2.1.7).
        self._context.options = {
            "application": "voip",
            "compression_level": "5",
            "fec": "1",
            "packet_loss": "5",
        }
        self._time = 0

    def encode(self, frame: Frame) -> bytes:
        audio = AudioFrame.from_ndarray(frame[np.newaxis], format="s16", layout="mono")
        audio.sample_rate = RATE
        audio.pts = self._time
        audio.time_base = self._context.time_base
        self._time += FRAME
        return b"".join(bytes(packet) for packet in self._context.encode(audio))


def _opus(mode: Literal["r", "w"]) -> AudioCodecContext:
    context = CodecContext.create("libopus", mode)
    context.sample_rate = RATE
    context.layout = "mono"
    context.format = "s16"
    return context


def decoder(name: str) -> Decoder:
    """`name` as in rtpmap, in any case; what was negotiated is always known here."""
    law = _LAWS.get(name.upper())
    return G711Decoder(law) if law else OpusDecoder()


def encoder(name: str) -> Encoder:
    law = _LAWS.get(name.upper())
    return G711Encoder(law) if law else OpusEncoder()
