"""Real conference, planner and repair under failures, in made-up time."""

import pytest
from load.churn_sim import Churn, ChurnSimulation

from gateway.trees.failures import Distribution
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.sparse import Sparse

VANISHED = 3.0
"""Seconds until the server knows, where only reports tell it."""


@pytest.mark.parametrize("policy", [BreadthFirst(2), Sparse(2)], ids=str)
@pytest.mark.parametrize("noticed", [0.0, VANISHED])
@pytest.mark.parametrize("distribution", Distribution)
def test_after_failures_everybody_gets_the_stream_once(
    policy: TreePolicy, noticed: float, distribution: Distribution
) -> None:
    churn = Churn(30, failures=2, seconds=6, distribution=distribution, noticed=noticed)
    outcome = ChurnSimulation(policy, churn).run()
    assert outcome.starved == []
    assert outcome.doubled == []
    assert outcome.stalls.listened_s > 30 * churn.seconds


@pytest.mark.parametrize("seed", range(5))
def test_one_failure_at_a_time_is_mended_by_the_neighbours_alone(seed: int) -> None:
    """The server comes to know of it later than anybody could wait."""
    churn = Churn(40, failures=0.25, seconds=24, noticed=VANISHED, rejoins=False, seed=seed)
    outcome = ChurnSimulation(Sparse(2), churn).run()
    assert outcome.starved == []
    # 150 ms until it is missed, a tick, and the way there and back.
    assert outcome.stalls.longest_ms < 400


@pytest.mark.parametrize("seed", range(5))
def test_what_the_server_sees_at_once_is_mended_before_anybody_asks(seed: int) -> None:
    churn = Churn(40, failures=0.25, seconds=24, rejoins=False, seed=seed)
    outcome = ChurnSimulation(Sparse(2), churn).run()
    assert outcome.stalls.stalls == 0
    assert outcome.depth <= 8
    assert outcome.uplinks <= 4


def test_the_same_seed_gives_the_same_churn() -> None:
    churn = Churn(20, failures=2, seconds=4)
    runs = [ChurnSimulation(Sparse(2), churn).run() for _ in range(2)]
    assert runs[0] == runs[1]
