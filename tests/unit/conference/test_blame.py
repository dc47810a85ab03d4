"""Who is at fault when nothing comes over an edge."""

from gateway.conference.blame import CALM, MOST_ROUNDS, PATIENCE, Blame
from gateway.ports import ParticipantId

A, B, C, D, E = (ParticipantId(name) for name in "abcde")


def test_one_silent_edge_is_a_matter_of_the_pair() -> None:
    blame = Blame()
    blame.failed(A, B)
    blame.failed(B, A)
    assert blame.unreachable == {frozenset({A, B})}
    assert blame.blamed == frozenset()


def test_who_fails_with_two_is_to_blame_and_they_are_not() -> None:
    blame = Blame()
    for other in (B, C, D):
        blame.failed(A, other)
    assert blame.blamed == {A}


def test_two_who_lie_cannot_bring_an_honest_one_down() -> None:
    blame = Blame()
    for liar in (A, B):
        for honest in (C, D, E):
            blame.failed(liar, honest)
    assert blame.blamed == {A, B}


def test_what_comes_after_all_is_no_fault() -> None:
    blame = Blame()
    blame.failed(A, B)
    blame.failed(A, C)
    blame.worked(C, A)
    assert blame.blamed == frozenset()
    blame.forget(A)
    assert blame.unreachable == frozenset()


def test_each_round_of_failures_makes_the_next_one_wait_longer_until_all_is_calm() -> None:
    blame = Blame()
    assert blame.deadline(0.0) == PATIENCE
    blame.late({frozenset({A, B})}, 5, 10.0)
    assert blame.deadline(10.0) == 10.0 + 2 * PATIENCE
    for now in (30.0, 70.0, 90.0):
        blame.late({frozenset({A, C})}, 5, now)
    assert blame.deadline(90.0) == 90.0 + PATIENCE * 2**MOST_ROUNDS
    assert blame.deadline(91.0 + CALM) == 91.0 + CALM + PATIENCE


def test_where_too_many_are_late_at_once_nobody_is_to_blame() -> None:
    blame = Blame()
    everybody = {frozenset({one, other}) for one in (A, B, C, D, E) for other in (A, B, C, D, E)}
    blame.late({pair for pair in everybody if len(pair) == 2}, 5, 10.0)
    assert blame.blamed == frozenset()
    assert blame.unreachable == frozenset()
    assert blame.deadline(10.0) > 10.0 + PATIENCE, "but more patience"
    blame.late({frozenset({A, other}) for other in (B, C, D)}, 5, 30.0)
    assert blame.blamed == {A}
