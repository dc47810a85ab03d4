"""When which step is due, on a clock that the test holds."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.metronome import STEP, Metronome

delays = st.lists(st.floats(0, 0.5), min_size=1, max_size=60)


def run(waits: list[float]) -> tuple[Metronome, list[tuple[int, float, float]]]:
    """Each step begins when it is due or `wait` after the one before ended, if that is later.

    Gives (number, due, begun) of all.
    """
    now = 100.0
    metronome, steps = Metronome(now), []
    for wait in waits:
        now = max(now + wait, metronome.due)
        steps.append((*metronome.begin(now), now))
    return metronome, steps


@given(delays)
def test_steps_rise_and_are_due_on_the_grid(waits: list[float]) -> None:
    _, steps = run(waits)
    for number, due, _ in steps:
        assert due == pytest.approx(100.0 + number * STEP)
    assert all(before[0] < after[0] for before, after in pairwise(steps))


@given(delays)
def test_no_step_begins_before_it_is_due_or_a_stall_after(waits: list[float]) -> None:
    _, steps = run(waits)
    for _, due, begun in steps:
        assert -1e-9 <= begun - due <= 0.100 + 1e-9


@given(delays)
def test_all_phases_miss_as_many_steps(waits: list[float]) -> None:
    metronome, steps = run(waits)
    numbers = [number for number, _, _ in steps]
    missed = set(range(numbers[-1])) - set(numbers)
    assert len(missed) == metronome.left_out
    assert metronome.left_out % 4 == 0
    assert len({sum(one % 4 == phase for one in missed) for phase in range(4)}) == 1


@given(delays)
def test_lateness_is_what_the_next_step_began_late_by_and_hides_no_stall(
    waits: list[float],
) -> None:
    metronome, steps = run(waits)
    nexts = [0, *(number + 1 for number, _, _ in steps)]
    late = [1000 * (step[2] - 100.0 - n * STEP) for n, step in zip(nexts, steps, strict=False)]
    median, most, maximum = metronome.late_ms()
    assert metronome.taken == len(steps)
    assert maximum == pytest.approx(max(late), abs=0.01)
    assert min(late) - 0.01 <= median <= most + 0.01
    assert most <= maximum + 0.01


def test_a_short_delay_is_made_up_for_and_a_stall_is_not() -> None:
    _, steps = run([0.0, 0.09, *[0.0] * 30])
    assert [number for number, _, _ in steps] == list(range(32))
    assert steps[18][2] == steps[1][2]
    metronome, steps = run([0.0, 3.0, 0.0, 0.0])
    assert metronome.left_out == 596
    assert [number for number, _, _ in steps] == [0, 597, 598, 599]


def test_before_the_first_step_nothing_is_late() -> None:
    assert Metronome(5.0).late_ms() == (0.0, 0.0, 0.0)
