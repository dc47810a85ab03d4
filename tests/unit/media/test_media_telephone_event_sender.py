"""Digits that we send, octet by octet as RFC 4733 has them, and as our own reader hears them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.telephone_event import DIGITS, TelephoneEvents
from gateway.media.telephone_event_sender import MAX_DIGITS, EventPacket, EventSender


def sent(sender: EventSender, start: int = 1000, unit: int = 160) -> list[EventPacket | None]:
    """What goes out until there is no more to say."""
    packets = []
    while not sender.is_idle:
        packets.append(sender.next((start + len(packets) * unit) & 0xFFFF_FFFF))
    return packets


def test_one_key_is_held_for_100_ms_and_ends_three_times() -> None:
    sender = EventSender(160)
    sender.add("#")
    packets = sent(sender)
    # Section 2.3: event, E bit and volume, duration. 11 is #; 10 is -10 dBm0.
    assert [packet.payload.hex() for packet in packets if packet] == [
        "0b0a00a0",
        "0b0a0140",
        "0b0a01e0",
        "0b0a0280",
        "0b8a0320",
        "0b8a0320",
        "0b8a0320",
    ]
    assert [packet.marker for packet in packets if packet] == [True] + 6 * [False]
    assert {packet.timestamp for packet in packets if packet} == {1000}


def test_the_next_key_comes_after_a_pause_under_a_new_timestamp() -> None:
    sender = EventSender(960)
    sender.add("1")
    sender.add("1")
    packets = sent(sender, 0, 960)
    assert packets[7:9] == [None, None]
    second = packets[9]
    assert second is not None
    assert (second.timestamp, second.marker, second.payload.hex()) == (9 * 960, True, "010a03c0")


def test_the_timestamps_of_sound_wrap() -> None:
    sender = EventSender(160)
    sender.add("12")
    packets = [packet for packet in sent(sender, 2**32 - 160) if packet]
    assert {packet.timestamp for packet in packets} == {2**32 - 160, 8 * 160}


@given(st.text(DIGITS, min_size=1, max_size=MAX_DIGITS), st.integers(0, 2**32 - 1), st.data())
def test_all_digits_are_heard_whichever_packets_get_lost(
    digits: str, start: int, data: st.DataObject
) -> None:
    """As long as one of the three ends of each key arrives."""
    sender = EventSender(160)
    sender.add(digits)
    reader = TelephoneEvents()
    heard = ""
    for tick, packet in enumerate(sent(sender, start)):
        is_last_end = tick % 9 == 6
        if packet is not None and (is_last_end or data.draw(st.booleans())):
            heard += "".join(reader.receive(packet.payload, packet.timestamp, tick * 0.02))
    assert heard == digits


@pytest.mark.parametrize("digits", ["", "12x", "½", "1 2", "1" * (MAX_DIGITS + 1)])
def test_what_cannot_be_pressed_is_refused_and_nothing_is_sent(digits: str) -> None:
    sender = EventSender(160)
    with pytest.raises(ValueError, match=r"no keys|more than"):
        sender.add(digits)
    assert sender.is_idle
