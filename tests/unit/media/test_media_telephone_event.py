import struct

import pytest

from gateway.media.telephone_event import SILENCE_AFTER, TelephoneEvents


def event(code: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", code, end << 7 | 10, duration)


def heard(events: TelephoneEvents, *packets: tuple[int, bytes], now: float = 0.0) -> str:
    return "".join(
        digit for timestamp, payload in packets for digit in events.receive(payload, timestamp, now)
    )


def test_a_press_is_told_once_at_its_end_though_the_end_comes_three_times() -> None:
    events = TelephoneEvents()
    assert heard(events, (100, event(5, 160)), (100, event(5, 320))) == ""
    end = (100, event(5, 480, end=True))
    assert heard(events, end, end, end) == "5"


@pytest.mark.parametrize(("code", "digit"), [(0, "0"), (10, "*"), (11, "#"), (12, "A"), (15, "D")])
def test_events_have_the_names_of_section_3_2(code: int, digit: str) -> None:
    assert heard(TelephoneEvents(), (1, event(code, 800, end=True))) == digit


def test_the_same_key_twice_is_two_presses() -> None:
    first, second = (100, event(7, 480, end=True)), (2000, event(7, 480, end=True))
    assert heard(TelephoneEvents(), first, first, second, second) == "77"


def test_a_lost_end_is_told_when_the_next_key_comes() -> None:
    assert heard(TelephoneEvents(), (100, event(1, 160)), (900, event(2, 800, end=True))) == "12"


def test_a_lost_end_is_told_after_silence() -> None:
    events = TelephoneEvents()
    assert heard(events, (100, event(3, 160)), now=10.0) == ""
    assert list(events.handle_timeout(10.0 + SILENCE_AFTER / 2)) == []
    assert list(events.handle_timeout(10.0 + SILENCE_AFTER)) == ["3"]
    assert list(events.handle_timeout(20.0)) == []


def test_only_the_end_having_arrived_is_enough() -> None:
    assert heard(TelephoneEvents(), (100, event(9, 800, end=True))) == "9"


def test_a_late_packet_of_an_earlier_press_is_no_new_press() -> None:
    events = TelephoneEvents()
    assert heard(events, (100, event(1, 800, end=True)), (900, event(2, 800, end=True))) == "12"
    assert heard(events, (100, event(1, 800, end=True))) == ""


def test_a_press_longer_than_a_duration_is_one_press() -> None:
    first = (0, event(4, 0xFFFF))
    second = (0xFFFF, event(4, 0xFFFF))
    last = ((2 * 0xFFFF), event(4, 100, end=True))
    assert heard(TelephoneEvents(), first, second, last, last) == "4"


def test_timestamps_wrap() -> None:
    presses = ((2**32 - 10, event(1, 80, end=True)), (100, event(2, 80, end=True)))
    assert heard(TelephoneEvents(), *presses) == "12"


@pytest.mark.parametrize("payload", [b"", b"\x01\x80", event(16, 800, end=True)])
def test_rubbish_and_other_events_are_read_over(payload: bytes) -> None:
    assert heard(TelephoneEvents(), (100, payload)) == ""
