"""From counters to what is told about a leg: whole calls, and the last few seconds of them."""

from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media.formats import Format
from gateway.media.g711 import PCMU
from gateway.media.metronome import STEP, Metronome
from gateway.media.reports import Reporter
from gateway.media.statistics import Counts, Meter, Statistics
from gateway.ports import ParticipantId
from support.table import START, TICK, Leg, Sounds, Table

ANA = ParticipantId("sip-ana")


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


@pytest.fixture
def statistics(table: Table) -> Statistics:
    return Statistics(table.engine, Reporter(table.engine))


def talk(table: Table, speaker: Leg, listener: Leg, ticks: int, *, without: int = 0) -> None:
    """Each `without`th packet gets lost."""
    for tick in range(ticks):
        if not without or tick % without != without - 1:
            table.say(speaker, PCMU.encode(Sounds(tick).frame()))
        table.mix()
        listener.hear()


def test_rates_and_missing_parts_are_those_since_the_last_time() -> None:
    meter = Meter(100.0)
    first = Counts(250, 40_000, 250, 10_000, expected=250, received=250)
    meter.measure(first, 105.0)
    assert (meter.rates, meter.missing) == ((64_000, 16_000), 0.0)
    second = Counts(450, 72_000, 500, 20_000, expected=500, received=450, concealed=50)
    counts, new = meter.measure(second, 110.0)
    assert (counts, new.packets_in, new.lost) == (second, 200, 50)
    assert meter.rates == (51_200, 16_000)
    assert meter.missing == pytest.approx(0.2)


def test_two_measurements_at_once_leave_the_rates_alone() -> None:
    meter = Meter(0.0)
    meter.measure(Counts(250, 40_000), 5.0)
    counts, _ = meter.measure(Counts(251, 40_160), 5.001)
    assert meter.rates[0] == 64_000
    assert counts.packets_in == 251


def test_what_was_lost_before_a_new_codec_stays_lost() -> None:
    meter = Meter(0.0)
    before = Counts(90, 14_400, expected=100, received=90, late=2, duplicate=1, concealed=11)
    meter.measure(before, 5.0)
    after = Counts(140, 30_000, expected=50, received=50)
    counts, new = meter.measure(after, 10.0)
    assert (counts.packets_in, counts.lost, counts.late) == (140, 10, 2)
    assert (counts.duplicate, counts.concealed, counts.expected) == (1, 11, 150)
    assert (new.packets_in, new.lost, new.expected) == (50, 0, 50)


def test_a_call_with_losses_is_measured_as_it_was(table: Table, statistics: Statistics) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.PCMU) for _ in range(2))
    statistics.begin(ANA, START)
    talk(table, ana, bob, 101, without=10)
    measured = statistics.measure(ANA, ana.row, START + 101 * TICK)
    assert (measured.codec, measured.packets_in, measured.lost) == ("PCMU", 91, 10)
    assert measured.octets_in == 91 * 160
    assert measured.concealed_ms == 200
    assert measured.missing == pytest.approx(0.1, abs=0.01)
    assert measured.bitrate_in == pytest.approx(64_000 * 0.9, rel=0.02)
    assert measured.bitrate_out == pytest.approx(64_000, rel=0.02)
    assert -30 < measured.level < -15
    assert 10 <= measured.delay_ms <= 40
    assert measured.round_trip_ms is None


def test_totals_outlive_their_legs(table: Table, statistics: Statistics) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.PCMU) for _ in range(2))
    statistics.begin(ANA, START)
    talk(table, ana, bob, 10)
    statistics.observe(statistics.measure(ANA, ana.row, START + 1))
    talk(table, ana, bob, 10)
    table.engine.streams.refuse(np.array([ana.row, -1]))
    assert statistics.measure(ANA, ana.row, START + 2).refused == 1
    statistics.end(ANA)
    told = statistics.of_engine(Metronome(0.0), 1, {"stranger": 3})
    assert (told.legs, told.streams, told.rooms) == (0, 2, 1)
    assert (told.totals["packets_in"], told.totals["packets_out"]) == (20, 20)
    assert told.refused == {"stranger": 3, "not-negotiated": 0}
    assert sum(told.jitter.counts) == sum(told.missing.counts) == 1
    assert sum(told.round_trip.counts) == 0


def test_lateness_is_told_of_the_steps_that_were_made() -> None:
    metronome = Metronome(10.0)
    assert metronome.late_ms() == (0.0, 0.0, 0.0)
    for number in range(100):
        metronome.begin(10.0 + number * STEP + (0.004 if number == 50 else 0.001))
    assert metronome.late_ms() == (1.0, pytest.approx(1.03), 4.0)
    assert (metronome.taken, metronome.left_out) == (100, 0)
    metronome.begin(10.0 + 200 * STEP)
    assert (metronome.taken, metronome.left_out) == (101, 100)
    assert sum(metronome.histogram.counts) == 101
    assert metronome.histogram.total == pytest.approx(0.603)
    assert metronome.late_ms()[2] == pytest.approx(500)
