"""Where in a tree the next failure strikes: the five ways of the OwnStream experiment.

A place is a number from 0: the tree's receivers in breadth-first order, so small numbers are near
the root, where a failure takes more of the others with it. Randomness comes in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from gateway.ports import ParticipantId
from gateway.trees.topology import Tree

_TRIALS: Final = 20
_DRAWS: Final = 64
"""So many at once: what falls outside of the tree is drawn anew."""


class Distribution(StrEnum):
    """How the victim's place is drawn."""

    UNIFORM = "uniform"
    BINOMIAL = "binomial"
    """20 trials of probability 0.8, stretched over the tree: most of them among the leaves."""
    POISSON = "poisson"
    """Of mean half the tree."""
    BETA = "beta"
    """Of 0.5 and 3, stretched over the tree: most of them beside the root."""
    CHI_SQUARED = "chi_squared"
    """With 5 degrees of freedom, not stretched: the first few."""


def place(distribution: Distribution, receivers: int, random: np.random.Generator) -> int:
    """A place below `receivers`, which is at least 1."""
    drawn = np.floor(_DRAW[distribution](receivers, random))
    inside = drawn[(drawn >= 0) & (drawn < receivers)]
    # A tree of two receivers is hardly ever met by a distribution that is not stretched.
    return int(inside[0]) if inside.size else receivers - 1


_DRAW: Mapping[Distribution, Callable[[int, np.random.Generator], np.ndarray]] = {
    Distribution.UNIFORM: lambda size, random: size * random.random(_DRAWS),
    Distribution.BINOMIAL: lambda size, random: (
        random.binomial(_TRIALS, 0.8, _DRAWS) * size / _TRIALS
    ),
    Distribution.POISSON: lambda size, random: random.poisson(size / 2, _DRAWS),
    Distribution.BETA: lambda size, random: size * random.beta(0.5, 3.0, _DRAWS),
    Distribution.CHI_SQUARED: lambda _, random: random.chisquare(5, _DRAWS),
}


def breadth_first(tree: Tree) -> list[ParticipantId]:
    """All nodes, the root first; brothers and sisters in the order of `parent_of`."""
    children: dict[ParticipantId, list[ParticipantId]] = {}
    for child, parent in tree.parent_of.items():
        children.setdefault(parent, []).append(child)
    found = [tree.root]
    for node in found:
        found += children.get(node, [])
    return found


def victim(
    trees: Sequence[Tree],
    mortal: Iterable[ParticipantId],
    distribution: Distribution,
    random: np.random.Generator,
) -> ParticipantId | None:
    """One of the `mortal` receivers of one of the trees, each of which is as likely as the others.

    None where no tree has any.
    """
    able = set(mortal)
    lists = [[node for node in breadth_first(tree)[1:] if node in able] for tree in trees]
    receivers = [one for one in lists if one]
    if not receivers:
        return None
    chosen = receivers[int(random.integers(len(receivers)))]
    return chosen[place(distribution, len(chosen), random)]
