from collections import Counter

import numpy as np
import pytest

from gateway.ports import ParticipantId
from gateway.trees.failures import Distribution, breadth_first, place, victim
from gateway.trees.topology import Tree

RECEIVERS = 80


def tree(size: int) -> Tree:
    """Binary, numbered in breadth-first order: n0 is the root."""
    nodes = [ParticipantId(f"n{number}") for number in range(size)]
    parents = {node: nodes[(number - 1) // 2] for number, node in enumerate(nodes) if number}
    return Tree(nodes[0], nodes[0], parents)


def places(distribution: Distribution, size: int = RECEIVERS, draws: int = 4000) -> np.ndarray:
    random = np.random.default_rng(7)
    return np.array([place(distribution, size, random) for _ in range(draws)])


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("size", [1, 2, 5, 80, 1000])
def test_every_place_is_in_the_tree(distribution: Distribution, size: int) -> None:
    found = places(distribution, size, 300)
    assert found.min() >= 0
    assert found.max() < size


@pytest.mark.parametrize("distribution", Distribution)
def test_the_same_seed_strikes_the_same_places(distribution: Distribution) -> None:
    assert (places(distribution) == places(distribution)).all()


def test_uniform_strikes_everywhere_alike() -> None:
    counts = Counter(places(Distribution.UNIFORM, 10).tolist())
    assert set(counts) == set(range(10))
    assert max(counts.values()) < 1.3 * min(counts.values())


def test_beta_strikes_beside_the_root_most_of_all() -> None:
    # Half of beta(0.5, 3) lies below 0.08: the first six of eighty.
    found = places(Distribution.BETA)
    assert 0.45 < (found < 6).mean() < 0.55
    assert Counter(found.tolist()).most_common(1)[0][0] == 0


def test_binomial_strikes_the_leaves() -> None:
    # 16 of 20 on average, so 64 of 80; leaves of a binary tree begin at 40.
    found = places(Distribution.BINOMIAL)
    assert found.mean() == pytest.approx(64, abs=1)
    assert (found < 40).mean() < 0.01


def test_poisson_strikes_around_the_middle() -> None:
    found = places(Distribution.POISSON)
    assert found.mean() == pytest.approx(40, abs=1)
    assert found.std() == pytest.approx(np.sqrt(40), rel=0.1)


def test_chi_squared_strikes_the_first_few_whatever_the_size() -> None:
    # Its mean is 5, and half a place is lost by counting from below.
    for size in (80, 1000):
        found = places(Distribution.CHI_SQUARED, size)
        assert found.mean() == pytest.approx(4.5, abs=0.3)


def test_breadth_first_begins_at_the_root() -> None:
    assert breadth_first(tree(7)) == [f"n{number}" for number in range(7)]


def test_the_root_and_those_who_cannot_die_are_spared() -> None:
    random = np.random.default_rng(1)
    mortal = {ParticipantId("n0"), ParticipantId("n3")}
    struck = {victim([tree(7)], mortal, Distribution.UNIFORM, random) for _ in range(100)}
    assert struck == {"n3"}


def test_nobody_is_struck_where_nobody_can_be() -> None:
    random = np.random.default_rng(1)
    assert victim([], [ParticipantId("n1")], Distribution.BETA, random) is None
    assert victim([tree(1)], [ParticipantId("n0")], Distribution.BETA, random) is None


def test_each_tree_is_as_likely_as_the_others() -> None:
    random = np.random.default_rng(3)
    other = Tree(ParticipantId("x"), ParticipantId("x"), {ParticipantId("y"): ParticipantId("x")})
    mortal = [ParticipantId(f"n{number}") for number in range(31)] + [ParticipantId("y")]
    struck = [victim([tree(31), other], mortal, Distribution.UNIFORM, random) for _ in range(400)]
    assert 150 < struck.count(ParticipantId("y")) < 250
