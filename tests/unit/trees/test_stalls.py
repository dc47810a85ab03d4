"""What counts as a stall in the churn experiment."""

import pytest
from load.stalls import Hearing, Stalls


def heard(times: list[float], end: float) -> Stalls:
    hearing = Hearing()
    for time in times:
        hearing.packet(time)
    listened = hearing.end(end)
    return Stalls.of(hearing.pauses, listened)


def test_a_pause_of_more_than_200_ms_is_a_stall_and_20_ms_of_it_are_none() -> None:
    stalls = heard([0.0, 0.02, 0.04, 0.34, 0.36], 0.38)
    assert (stalls.stalls, stalls.gaps) == (1, 1)
    assert stalls.total_s == pytest.approx(0.28)
    assert stalls.average_ms == stalls.longest_ms == pytest.approx(280)


def test_a_shorter_one_is_a_gap_and_no_stall() -> None:
    stalls = heard([0.0, 0.15, 0.17], 0.19)
    assert (stalls.stalls, stalls.gaps) == (0, 1)
    assert stalls.gaps_total_s == pytest.approx(0.13)


def test_who_fails_while_it_waits_has_waited_and_who_never_heard_anything_has_not() -> None:
    assert heard([1.0], 3.0).total_s == pytest.approx(1.98)
    assert heard([], 3.0) == Stalls.of([], 0.0)
