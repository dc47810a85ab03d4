"""Nobody takes more time than others: one who floods loses packets, everybody else loses none."""

import numpy as np
from numpy.typing import NDArray

from gateway.media.fair_share import FairShare
from gateway.media.formats import Format
from gateway.media.g711 import PCMA
from gateway.media.hearing import G711Stream
from gateway.media.intake import AT_ONCE
from gateway.media.jitter import SLOTS
from gateway.media.rtp_rows import RtpRows
from support.table import EVENTS, START, Leg, Table

LONGEST = 1920


def rows(*some: int) -> NDArray[np.intp]:
    return np.array(some, np.intp)


def test_the_latest_of_a_row_that_has_too_many_pass_and_all_of_the_others() -> None:
    share = FairShare(4, most=2, each=2)
    assert share.take(rows(1, 3, 1, 0, 1, -1)).tolist() == [False, True, True, True, True, True]
    assert share.take(rows(1, 3, 3, -1, -1)).tolist() == [False, False, True, False, True]
    share.renew()
    assert share.take(rows(1, 3, 1)).all()


def test_what_was_not_taken_for_a_while_may_be_taken_at_once() -> None:
    share = FairShare(4, most=4, each=1)
    assert share.take(rows(2, 2, 2, 2, 2)).sum() == 4
    share.renew()
    assert share.take(rows(2, 2)).sum() == 1
    for _ in range(10):
        share.renew()
    assert share.take(rows(2, 2, 2, 2, 2)).sum() == 4


def flood(table: Table, leg: Leg, count: int, payload: bytes, payload_type: int = 96) -> None:
    """One batch of packets, each with the next number and time."""
    buffer = np.zeros((count, 2048), np.uint8)
    for number in range(count):
        head = bytes((0x80, payload_type)) + (number & 0xFFFF).to_bytes(2, "big")
        head += (number * 160).to_bytes(4, "big") + (leg.row + 1).to_bytes(4, "big")
        buffer[number, : 12 + len(payload)] = np.frombuffer(head + payload, np.uint8)
    packets = RtpRows.parse(buffer, np.full(count, 12 + len(payload), np.int32))
    every = np.arange(count)
    table.engine.receive(buffer, every, packets, np.full(count, leg.row), np.full(count, START))


def test_of_a_flood_each_tick_takes_what_the_buffer_holds() -> None:
    table = Table()
    room = table.engine.open_room()
    flooder, other = (table.leg(room, Format.PCMA) for _ in range(2))
    streams = table.engine.streams
    for _ in range(3):
        flood(table, flooder, 1000, bytes(160))
        table.say(other, bytes(160))
        table.mix()
    taken = AT_ONCE + 2 * SLOTS
    assert streams.packets_received[flooder.row] == taken
    assert streams.refused[flooder.row] == table.engine.dropped == 3000 - taken
    assert streams.packets_received[other.row] == 3
    assert not streams.refused[other.row]
    table.close()


def test_long_packets_make_no_more_frames_than_short_ones() -> None:
    table = Table()
    leg = table.leg(table.engine.open_room(), Format.PCMA)
    flood(table, leg, AT_ONCE, bytes(960))
    # The packet that reaches the limit is still cut whole.
    assert AT_ONCE <= table.engine.jitter.received[leg.row] < AT_ONCE + 6
    table.close()


def test_keys_are_not_pressed_by_the_thousand() -> None:
    table = Table()
    leg = table.leg(table.engine.open_room(), Format.PCMA)
    flood(table, leg, 1000, bytes((5, 0x8A, 0, 160)), EVENTS)
    assert len(table.engine.events()) <= AT_ONCE
    table.close()


def test_what_a_long_g711_packet_holds_too_much_is_not_kept() -> None:
    stream, out = G711Stream(PCMA), np.zeros(LONGEST, np.int16)
    for _ in range(100):
        assert stream.decode(np.zeros(2000, np.uint8), out) == LONGEST
    assert stream.decode(np.zeros(1, np.uint8), out) == 0
