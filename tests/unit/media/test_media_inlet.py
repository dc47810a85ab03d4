import numpy as np
import pytest

from gateway.media.codecs import encoder
from gateway.media.inlet import Inlet
from gateway.media.mixer import FRAME, RATE, Frame
from gateway.media.rtp import RtpPacket
from gateway.sdp import Codec
from support.tones import level

CODECS = [Codec(8, "PCMA", 8000), Codec(0, "pcmu", 8000), Codec(111, "opus", 48_000, 2)]


def packets(codec: Codec, count: int, hz: int = 440) -> list[RtpPacket]:
    encode = encoder(codec.name)
    out = []
    for number in range(count):
        time = (np.arange(FRAME) + number * FRAME) / RATE
        frame = (8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)
        timestamp = number * codec.clock_rate // 50
        out.append(RtpPacket(codec.payload_type, number, timestamp, 7, encode.encode(frame)))
    return out


def sound(frames: list[Frame | None]) -> float:
    there = [frame / 32_768 for frame in frames if frame is not None]
    return level(np.concatenate([np.zeros(1), *there]), RATE, 440)


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_encoded_is_heard(codec: Codec) -> None:
    inlet = Inlet(codec)
    frames = []
    for packet in packets(codec, 50):
        inlet.receive(packet)
        frames.append(inlet.pull())
    assert frames[:2] == [None, None], "it waits before it plays"
    assert all(frame is not None and len(frame) == FRAME for frame in frames[2:])
    assert abs(sound(frames) - level(8000 / 32_768 * np.sin(np.arange(RATE)), RATE, 7639)) < 2


@pytest.mark.parametrize("codec", CODECS)
def test_a_lost_packet_is_covered(codec: Codec) -> None:
    inlet = Inlet(codec)
    frames = []
    for packet in packets(codec, 50):
        if packet.sequence != 30:
            inlet.receive(packet)
        frames.append(inlet.pull())
    energies = [np.abs(frame).max() for frame in frames[2:] if frame is not None]
    assert len(energies) == 48
    assert min(energies[3:]) > 2000


def test_a_stream_that_stops_fades_and_falls_silent() -> None:
    inlet = Inlet(CODECS[0])
    for packet in packets(CODECS[0], 3):
        inlet.receive(packet)
    peaks = [0 if (f := inlet.pull()) is None else int(np.abs(f).max()) for _ in range(8)]
    assert peaks[2] > peaks[3] > peaks[4] > peaks[5] > 0
    assert peaks[6:] == [0, 0]
    assert inlet.pull() is None


@pytest.mark.parametrize("codec", CODECS)
def test_rubbish_ends_nothing(codec: Codec) -> None:
    inlet = Inlet(codec)
    for number in range(20):
        inlet.receive(RtpPacket(codec.payload_type, number, number, 7, b"\xff\x00junk"))
        inlet.pull()
    frames = []
    for packet in packets(codec, 50):
        inlet.receive(
            RtpPacket(
                packet.payload_type, 20 + packet.sequence, packet.timestamp, 7, packet.payload
            )
        )
        frames.append(inlet.pull())
    assert sound(frames) > -20


def test_packets_of_other_lengths_make_the_same_frames() -> None:
    codec = CODECS[0]
    payload = b"".join(packet.payload for packet in packets(codec, 60))
    inlet = Inlet(codec)
    frames = []
    for number in range(40):  # 30 ms each
        part = payload[number * 240 : number * 240 + 240]
        inlet.receive(RtpPacket(8, number, number * 240, 7, part))
        frames.append(inlet.pull())
        if number % 2:
            frames.append(inlet.pull())
    assert sound(frames[4:]) > -14
