"""What peers say about the streams, and what we make of it; RFC 3550, section 6."""

from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media.formats import Format
from gateway.media.g711 import PCMU
from gateway.media.reports import Reporter
from gateway.media.rtcp import (
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    middle_of,
    ntp_of,
    parse,
)
from support.table import Leg, Sounds, Table

NOW = 1_800_000_000.0


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


@pytest.fixture
def reporter(table: Table) -> Reporter:
    return Reporter(table.engine)


@pytest.fixture
def pair(table: Table) -> tuple[Leg, Leg]:
    room = table.engine.open_room()
    return table.leg(room, Format.PCMU), table.leg(room, Format.PCMU)


def loudness(table: Table, speaker: Leg, listener: Leg, ticks: int, *, speaks: bool) -> list[int]:
    levels = []
    for tick in range(ticks):
        if speaks:
            table.say(speaker, PCMU.encode(Sounds(tick).frame()))
        table.mix()
        levels.append(int(np.abs(listener.samples().astype(int)).max()))
    return levels


def source(table: Table, leg: Leg) -> int:
    return table.engine.jitter.source(leg.row)


def test_a_stream_that_says_goodbye_is_silent_at_once_and_may_begin_anew(
    table: Table, reporter: Reporter, pair: tuple[Leg, Leg]
) -> None:
    speaker, listener = pair
    assert loudness(table, speaker, listener, 10, speaks=True)[-1] > 2000
    reporter.receive({speaker.ssrc: speaker.row}, bytes(Bye((source(table, speaker),))), NOW)
    assert max(loudness(table, speaker, listener, 10, speaks=False)) < 100
    assert table.engine.jitter.concealed[speaker.row] == 0
    assert loudness(table, speaker, listener, 5, speaks=True)[-1] > 2000
    assert table.engine.jitter.lost(np.array([speaker.row]))[0] == 0
    assert reporter.received == {"bye": 1}


def test_the_goodbye_of_another_stream_ends_nothing(
    table: Table, reporter: Reporter, pair: tuple[Leg, Leg]
) -> None:
    speaker, listener = pair
    loudness(table, speaker, listener, 10, speaks=True)
    reporter.receive({speaker.ssrc: speaker.row}, bytes(Bye((99,))), NOW)
    assert loudness(table, speaker, listener, 1, speaks=True)[-1] > 2000


def test_a_round_trip_is_told_by_what_the_peer_says_about_our_stream(
    reporter: Reporter, pair: tuple[Leg, Leg]
) -> None:
    leg, _ = pair
    ours = {leg.ssrc: leg.row}
    sent = middle_of(ntp_of(NOW - 0.250))
    block = ReportBlock(leg.ssrc, 64, 1, 0, 0, sent, int(0.200 * 65_536))
    foreign = ReportBlock(1, 255, 9, 0, 0, sent, 0)
    reporter.receive(ours, bytes(ReceiverReport(7, (foreign, block))), NOW)
    assert reporter.round_trips == {leg.row: pytest.approx(0.050, abs=1e-3)}
    assert reporter.lost_there == {leg.row: 0.25}
    reporter.forget(leg.row)
    assert not reporter.round_trips
    assert not reporter.lost_there


def test_a_sender_report_is_given_back_to_the_stream_that_it_is_about(
    table: Table, reporter: Reporter, pair: tuple[Leg, Leg]
) -> None:
    one, other = pair
    for leg in pair:
        table.say(leg, PCMU.encode(Sounds(1).frame()))
    ours = {leg.ssrc: leg.row for leg in pair}
    report = SenderReport(source(table, other), ntp_of(NOW), 0, 1, 160)
    reporter.receive(ours, bytes(report), NOW)
    for leg, last_sr, delay in ((one, 0, 0), (other, middle_of(ntp_of(NOW)), 65_536)):
        (said, *_) = parse(reporter.report(leg.row, leg.ssrc, NOW + 1))
        assert isinstance(said, ReceiverReport)
        (block,) = said.blocks
        assert (block.last_sr, block.delay_since_last_sr) == (last_sr, delay)


def test_feedback_and_rubbish_are_counted(reporter: Reporter, pair: tuple[Leg, Leg]) -> None:
    leg, _ = pair
    feedback = (
        Nack(1, leg.ssrc, (5, 6)),
        PictureLoss(1, leg.ssrc),
        FullIntraRequest(1, ((leg.ssrc, 0),)),
    )
    reporter.receive({leg.ssrc: leg.row}, b"".join(map(bytes, feedback)), NOW)
    reporter.receive({leg.ssrc: leg.row}, b"\x80\xc8\x00\x10", NOW)
    assert reporter.received == {"nack": 1, "pli": 1, "fir": 1, "unreadable": 1}


def test_who_reports_all_the_time_is_heard_now_and_then(
    table: Table, reporter: Reporter, pair: tuple[Leg, Leg]
) -> None:
    flooder, other = pair
    for _ in range(1000):
        reporter.receive({flooder.ssrc: flooder.row}, bytes(Bye((1,))), NOW)
    reporter.receive({other.ssrc: other.row}, bytes(Bye((1,))), NOW)
    assert reporter.received == {"bye": 9}
    assert table.engine.streams.refused[[flooder.row, other.row]].tolist() == [992, 0]
    reporter.renew()
    reporter.receive({flooder.ssrc: flooder.row}, bytes(Bye((1,))), NOW)
    assert reporter.received == {"bye": 10}
