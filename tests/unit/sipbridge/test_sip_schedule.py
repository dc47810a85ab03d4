"""Which machine is due: against the plain minimum over all of them."""

from hypothesis import given
from hypothesis import strategies as st

from sipbridge.schedule import Schedule


class Timed:
    def __init__(self) -> None:
        self.deadline: float | None = None

    def next_timeout(self) -> float | None:
        return self.deadline


times = st.integers(0, 20).map(float)


@given(st.lists(st.tuples(st.integers(0, 4), st.none() | times), max_size=40), times)
def test_due_is_what_the_plain_minimum_says(
    steps: list[tuple[int, float | None]], now: float
) -> None:
    machines = [Timed() for _ in range(5)]
    schedule: Schedule[Timed] = Schedule()
    for index, deadline in steps:
        machines[index].deadline = deadline
        schedule.note(machines[index])
    deadlines = [m.deadline for m in machines if m.deadline is not None]
    assert schedule.next_timeout() == min(deadlines, default=None)
    due = [m for m in machines if m.deadline is not None and m.deadline <= now]
    found = list(schedule.due(now))
    assert sorted(map(id, found)) == sorted(map(id, due))
    assert list(schedule.due(now)) == []
