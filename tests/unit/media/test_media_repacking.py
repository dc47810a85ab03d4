"""Packets of any length become frames of 20 ms, and what is missing stays missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.media.repacking import Frame, Repacker

RATE = 8000
FRAME = 320
SIZES = (80, 160, 240, 320, 480, 960)
"""Octets of 10 to 120 ms at 8 kHz."""


class Doubling:
    """Each octet is two samples of 16 kHz."""

    def decode(self, payload: NDArray[np.uint8], out: NDArray[np.int16]) -> int:
        out[: 2 * len(payload)] = np.repeat(payload, 2)
        return 2 * len(payload)


class Sender:
    """Counts its octets, so that each is told from its neighbours."""

    def __init__(self, sequence: int = 65_530, timestamp: int = 4_294_967_000) -> None:
        self.repacker = Repacker(Doubling(), RATE)
        self.sequence, self.timestamp = sequence, timestamp
        self.said: list[int] = []

    def packet(self, size: int) -> tuple[int, int, NDArray[np.uint8]]:
        octets = [(len(self.said) + i) % 251 for i in range(size)]
        self.said += octets
        packet = (self.sequence & 0xFFFF, self.timestamp & 0xFFFF_FFFF, np.array(octets, np.uint8))
        self.sequence += 1
        self.timestamp += size
        return packet

    def send(self, *sizes: int) -> list[Frame]:
        return [frame for size in sizes for frame in self.repacker.receive(*self.packet(size))]

    def lose(self, size: int) -> None:
        self.packet(size)
        del self.said[-size:]


def sound(frames: list[Frame]) -> list[int]:
    return np.concatenate([np.zeros(0, np.int16), *(one.pcm for one in frames)])[::2].tolist()


@given(st.lists(st.sampled_from(SIZES), max_size=12))
def test_the_sound_is_the_same_and_the_numbers_have_no_holes(sizes: list[int]) -> None:
    sender = Sender()
    frames = sender.send(*sizes)
    assert len(frames) == sum(sizes) // 160
    assert all(len(frame.pcm) == FRAME for frame in frames)
    assert sound(frames) == sender.said[: 160 * len(frames)]
    for number, frame in enumerate(frames, 1):
        assert (frame.sequence, frame.timestamp) == (number, 160 * number)


@pytest.mark.parametrize(("size", "frames"), [(160, 1), (480, 3), (960, 6)])
def test_a_lost_packet_is_a_hole_of_its_length(size: int, frames: int) -> None:
    sender = Sender()
    before = sender.send(320)
    sender.lose(size)
    (after,) = sender.send(160)
    assert after.sequence - before[-1].sequence == 1 + frames
    assert after.timestamp - before[-1].timestamp == 160 * (1 + frames)


@given(st.lists(st.tuples(st.sampled_from(SIZES), st.booleans()), min_size=1, max_size=60))
def test_losses_never_add_up_to_a_delay(packets: list[tuple[int, bool]]) -> None:
    sender = Sender()
    sender.send(160)
    start = sender.timestamp - 160
    for size, is_lost in packets:
        if is_lost:
            sender.lose(size)
            continue
        begins = (sender.timestamp - start) / 160
        frames = sender.send(size)
        if frames:
            # Ours begin where the packet did, but for what was kept of the one before, and half a
            # frame of rounding.
            ours = frames[0].timestamp / 160 - 1
            assert abs(ours - begins) <= 1.5 + 1e-9


def test_what_stood_before_a_loss_is_not_glued_to_what_comes_after() -> None:
    sender = Sender()
    assert sender.send(80) == []
    sender.lose(240)
    (frame,) = sender.send(160)
    assert sound([frame]) == sender.said[80:]


def test_a_pause_of_the_sender_is_no_loss() -> None:
    sender = Sender()
    (before,) = sender.send(160)
    sender.timestamp += 10 * 160
    (after,) = sender.send(160)
    assert after.sequence == before.sequence + 1
    assert after.timestamp == before.timestamp + 11 * 160


def test_duplicates_and_late_packets_are_left_out() -> None:
    sender = Sender()
    first = sender.packet(160)
    second = sender.packet(160)
    got = [len(list(sender.repacker.receive(*one))) for one in (first, second, second, first)]
    assert got == [1, 1, 0, 0]
    assert len(sender.send(160)) == 1


def test_a_sender_that_starts_anew_is_heard_on() -> None:
    sender = Sender(40_000, 1_000_000)
    sender.send(160)
    sender.sequence, sender.timestamp = 7, 99
    assert len(sender.send(160, 160)) == 2


def test_a_long_gap_is_cut_short() -> None:
    sender = Sender()
    (before,) = sender.send(160)
    sender.sequence += 500
    sender.timestamp += 500 * 160
    (after,) = sender.send(160)
    assert after.sequence - before.sequence == 51
