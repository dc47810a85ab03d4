"""The shape of streaming trees: a source, its root, who relays to whom; nothing else.

A forest holds one tree per source. Trees are values: planning makes a new forest and edits none,
and the difference of two forests is a list of moves.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.ports import Attach, Detach, Edge, ParticipantId


@dataclass(frozen=True, slots=True)
class Tree:
    """Who passes `source`'s stream on to whom.

    `root` is the node that injects it: the source itself, or the seat for a legacy participant.
    `parent_of` names the parent of every other node.
    """

    source: ParticipantId
    root: ParticipantId
    parent_of: Mapping[ParticipantId, ParticipantId]

    def edges(self) -> Iterator[Edge]:
        return (Edge(self.source, parent, child) for child, parent in self.parent_of.items())

    def children(self, node: ParticipantId) -> Iterator[ParticipantId]:
        return (child for child, parent in self.parent_of.items() if parent == node)

    def path(self, node: ParticipantId) -> Iterator[ParticipantId]:
        """From `node` upwards, `node` first and the root last."""
        while node != self.root:
            yield node
            node = self.parent_of[node]
        yield node

    def depth(self, node: ParticipantId) -> int:
        return sum(1 for _ in self.path(node)) - 1


Forest = Mapping[ParticipantId, Tree]
"""By source."""


def edges(forest: Forest) -> set[Edge]:
    return {edge for tree in forest.values() for edge in tree.edges()}


def uplinks(forest: Forest) -> Counter[ParticipantId]:
    """How many streams each node sends, over all trees."""
    return Counter(edge.parent for edge in edges(forest))


def neighbours(forest: Forest) -> dict[ParticipantId, set[ParticipantId]]:
    """Whom each node shares an edge with, in any tree."""
    found: dict[ParticipantId, set[ParticipantId]] = {}
    for edge in edges(forest):
        found.setdefault(edge.parent, set()).add(edge.child)
        found.setdefault(edge.child, set()).add(edge.parent)
    return found


def diff(old: Forest, new: Forest) -> list[Attach | Detach]:
    """The moves that turn `old` into `new`: attaches first, so that no sound is lost."""
    before, after = edges(old), edges(new)
    by_name = lambda edge: (edge.source, edge.parent, edge.child)  # noqa: E731
    attaches = [Attach(edge) for edge in sorted(after - before, key=by_name)]
    return [*attaches, *(Detach(edge) for edge in sorted(before - after, key=by_name))]
