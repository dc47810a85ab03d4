from collections.abc import Iterable

from gateway.media.jitter import LOST, JitterBuffer
from gateway.media.rtp import RtpPacket


def packet(number: int, ssrc: int = 1, first: int = 65_533, ptime_ms: int = 20) -> RtpPacket:
    return RtpPacket(
        8, (first + number) & 0xFFFF, number * ptime_ms * 8, ssrc, number.to_bytes(2, "big")
    )


def filled(numbers: Iterable[int], **shape: int) -> JitterBuffer:
    buffer = JitterBuffer(8000)
    for number in numbers:
        buffer.put(packet(number, **shape))
    return buffer


def played(buffer: JitterBuffer) -> list[int | str]:
    out: list[int | str] = []
    while (item := buffer.get()) is not None:
        out.append("lost" if item is LOST else int.from_bytes(item.payload, "big"))
    return out


def test_nothing_is_played_before_60_ms_are_there() -> None:
    buffer = filled([0, 1])
    assert played(buffer) == []
    buffer.put(packet(2))
    assert played(buffer) == [0, 1, 2]


def test_packets_are_put_into_order_across_the_wrap_of_their_numbers() -> None:
    assert played(filled([2, 0, 1, 4, 3])) == [0, 1, 2, 3, 4]


def test_a_packet_that_came_twice_is_played_once() -> None:
    assert played(filled([0, 1, 1, 2, 0])) == [0, 1, 2]


def test_a_missing_packet_is_told_when_its_turn_comes() -> None:
    assert played(filled([0, 1, 3, 4])) == [0, 1, "lost", 3, 4]


def test_a_packet_after_its_turn_is_dropped() -> None:
    buffer = filled([0, 1, 3, 4])
    assert played(buffer) == [0, 1, "lost", 3, 4]
    buffer.put(packet(2))
    for number in (5, 6, 7):
        buffer.put(packet(number))
    assert played(buffer) == [5, 6, 7]


def test_after_a_pause_it_fills_again_before_it_plays() -> None:
    buffer = filled([0, 1, 2])
    assert played(buffer) == [0, 1, 2]
    buffer.put(packet(3))
    assert played(buffer) == []


def test_a_burst_is_cut_to_60_ms_so_that_delay_does_not_stay() -> None:
    buffer = filled(range(6))
    assert buffer.get() is not None
    for number in range(6, 10):
        buffer.put(packet(number))
    assert played(buffer) in ([5, 6, 7, 8, 9], [4, 5, 6, 7, 8, 9], [7, 8, 9], [6, 7, 8, 9])


def test_a_source_that_outpaces_us_never_holds_more_than_120_ms() -> None:
    buffer = JitterBuffer(8000)
    for number in range(5000):
        buffer.put(packet(number))
        if number % 50:
            buffer.get()
    assert len(played(buffer)) <= 6


def test_a_new_ssrc_begins_anew() -> None:
    buffer = filled([0, 1, 2])
    assert buffer.get() is not None
    for number in (50, 51, 52):
        buffer.put(packet(number, ssrc=2))
    assert played(buffer) == [50, 51, 52]


def test_a_jump_far_back_is_a_restart_of_the_sender() -> None:
    buffer = filled([500, 501, 502])
    assert played(buffer) == [500, 501, 502]
    for number in (3, 4, 5):
        buffer.put(packet(number))
    assert played(buffer) == [3, 4, 5]


def test_short_and_long_packets_wait_for_the_same_time() -> None:
    assert played(filled(range(5), ptime_ms=10)) == []
    assert played(filled(range(6), ptime_ms=10)) == [0, 1, 2, 3, 4, 5]
    assert played(filled(range(2), ptime_ms=40)) == [0, 1]
