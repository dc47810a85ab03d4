from hypothesis import given
from hypothesis import strategies as st

from gateway.conference.journal import Journal

A, B = ("edge", "a"), ("edge", "b")


def test_tells_how_it_was_at_every_time() -> None:
    journal = Journal(0.0)
    journal.set(A, {"loss": 0}, 1.0)
    journal.set(B, {"loss": 0}, 2.0)
    journal.set(A, {"loss": 1}, 3.0)
    journal.remove(B, 4.0)
    assert journal.at(0.5) == {}
    assert journal.at(1.0) == {A: {"loss": 0}}
    assert journal.at(2.5) == {A: {"loss": 0}, B: {"loss": 0}}
    assert journal.at(3.5) == {A: {"loss": 1}, B: {"loss": 0}}
    assert journal.at(9.0) == journal.now == {A: {"loss": 1}}


def test_what_stays_as_it_is_takes_no_room() -> None:
    journal = Journal(0.0)
    for now in range(100):
        journal.set(A, {"loss": 0}, float(now))
        journal.remove(B, float(now))
    assert journal.number == 1


def test_forgets_what_is_older_than_ten_minutes_but_not_what_it_led_to() -> None:
    journal = Journal(0.0, keep=600.0)
    journal.set(A, {"loss": 0}, 10.0)
    journal.set(A, {"loss": 1}, 20.0)
    journal.set(B, {"loss": 0}, 625.0)
    assert journal.since == 20.0
    assert journal.at(0.0) == journal.at(20.0) == {A: {"loss": 1}}
    assert journal.at(625.0) == journal.now


def test_tells_what_is_new_to_those_who_were_told_before() -> None:
    journal = Journal(0.0, most=3)
    journal.set(A, {"loss": 0}, 1.0)
    told = journal.number
    assert journal.after(told) == []
    journal.remove(A, 2.0)
    journal.set(B, {"loss": 0}, 3.0)
    changes = journal.after(told)
    assert changes is not None
    assert [(one.at, one.key, one.entry) for one in changes] == [
        (2.0, A, None),
        (3.0, B, {"loss": 0}),
    ]
    journal.set(B, {"loss": 1}, 4.0)
    assert len(journal.after(told) or []) == 3
    journal.set(B, {"loss": 2}, 5.0)
    assert journal.after(told) is None, "one of four changes is forgotten"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 1, None])), max_size=60),
    st.integers(1, 8),
)
def test_is_bounded_and_right_for_all_that_it_still_knows(
    steps: list[tuple[str, int | None]], most: int
) -> None:
    journal = Journal(0.0, keep=30.0, most=most)
    truth: dict[tuple[str, ...], dict[str, object]] = {}
    were = [(0.0, dict(truth))]
    for second, (name, value) in enumerate(steps, 1):
        if value is None:
            truth.pop((name,), None)
            journal.remove((name,), float(second))
        else:
            truth[name,] = {"value": value}
            journal.set((name,), {"value": value}, float(second))
        were.append((float(second), dict(truth)))
        known = journal.after(journal.number - most)
        assert known is None or len(known) <= most
    assert journal.now == truth
    for time, picture in were:
        if time >= journal.since:
            assert journal.at(time) == picture
