"""What is made of figures: a quality, a line in the log, a histogram."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.statistics import Histogram, Quality, Tally
from support.measured import MEASURED


@pytest.mark.parametrize(
    ("changes", "quality"),
    [
        ({}, Quality.GOOD),
        ({"round_trip_ms": None, "missing_there": None}, Quality.GOOD),
        ({"missing": 0.02}, Quality.FAIR),
        ({"missing_there": 0.02}, Quality.FAIR),
        ({"round_trip_ms": 400.0}, Quality.FAIR),
        ({"delay_ms": 180.0}, Quality.FAIR),
        ({"missing": 0.06}, Quality.BAD),
        ({"missing_there": 0.06}, Quality.BAD),
        ({"round_trip_ms": 700.0}, Quality.BAD),
    ],
)
def test_quality_is_the_worst_of_both_ways(changes: dict[str, float], quality: Quality) -> None:
    assert replace(MEASURED, **changes).quality is quality


def test_the_log_tells_what_a_call_was_like_in_one_line() -> None:
    assert str(MEASURED) == (
        "PCMA, 1497 packets, 0.2 % lost, jitter 3 ms, 40 ms concealed, round trip 31 ms; "
        "1500 packets sent"
    )


def test_the_log_tells_oddities_alone_where_there_are_any() -> None:
    odd = replace(
        MEASURED, packets_in=0, lost=0, round_trip_ms=None, late=2, duplicate=1, refused=7
    )
    assert str(odd) == (
        "PCMA, 0 packets, 0.0 % lost, jitter 3 ms, 40 ms concealed, 2 late, 1 duplicate, "
        "7 refused; 1500 packets sent"
    )


def test_a_value_counts_to_the_first_bound_that_it_does_not_pass() -> None:
    tally = Tally((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 9.0):
        tally.add(value)
    assert tally.histogram == Histogram((1.0, 2.0), (2, 1, 1), 12.0)


@given(st.lists(st.floats(0, 10)))
def test_no_value_gets_lost(values: list[float]) -> None:
    tally = Tally((0.0, 1.0, 5.0))
    for value in values:
        tally.add(value)
    assert sum(tally.histogram.counts) == len(values)
