"""Of one kind's trees: who stands by for which edge, and whose move is too fresh for another."""

from collections.abc import Callable, Collection
from dataclasses import replace

from gateway.ports import Edge, ParticipantId, Standby, StreamKind
from gateway.trees.backups import standbys
from gateway.trees.planner import Membership, Standbys
from gateway.trees.topology import Forest, neighbours, uplinks

HOLD = 10.0
"""Seconds for which a node stays where a repair has brought it, whatever would be better."""


class Repair:
    """Chooses standby parents anew after each plan, and tells both ends what has changed."""

    def __init__(self, kind: StreamKind) -> None:
        self._kind = kind
        self._standbys: Standbys = {}
        self._told: set[Edge] = set()
        self._moved: dict[tuple[ParticipantId, ParticipantId], float] = {}
        """By source and child: when a repair has moved it."""
        self._met: dict[ParticipantId, set[ParticipantId]] = {}
        """Who was told of an edge with whom: they are connected for as long as both are here."""

    def informed(self, members: Membership, now: float) -> Membership:
        """`members`, with what a plan has to know of repairs."""
        self._moved = {edge: since for edge, since in self._moved.items() if since + HOLD > now}
        return replace(members, standbys=self._standbys, held=frozenset(self._moved))

    def planned(self, members: Membership, before: Forest, forest: Forest, now: float) -> None:
        """`forest` is the plan that came of `informed` members and of `before`."""
        present = {node.id for node in members.nodes}
        self._met = {one: met & present for one, met in self._met.items() if one in present}
        for source, tree in forest.items():
            was = before[source].parent_of if source in before else {}
            for child, standby in self._standbys.get(source, {}).items():
                gone = was.get(child, child) not in present
                if gone and tree.parent_of.get(child) == standby:
                    self._moved[source, child] = now
        self._moved = {
            (source, child): since
            for (source, child), since in self._moved.items()
            if source in forest and child in forest[source].parent_of
        }
        self._choose(members, forest)

    def stands_by(self, edge: Edge) -> bool:
        """Whether its child was told to go there where its parent fails."""
        return edge in self._told

    def promoted(self, edge: Edge, members: Membership, forest: Forest, now: float) -> None:
        """`edge` was a standby edge, and is one of `forest` now."""
        self._moved[edge.source, edge.child] = now
        self._choose(members, forest, edge.source)

    def next_timeout(self) -> float | None:
        """When some node may be moved again."""
        return min(self._moved.values()) + HOLD if self._moved else None

    def attached(self, edge: Edge) -> None:
        """It is an edge like any other now."""
        self._told.discard(edge)
        self._meet(edge)

    def changes(
        self,
        forest: Forest,
        present: Collection[ParticipantId],
        is_due: Callable[[Edge], bool],
    ) -> list[Standby]:
        """What has to be told: nothing of somebody who is not `present`, and only edges that are
        due, or were.

        One that `forest` has is as good as attached, and goes on standing by until it is.
        """
        wanted = {
            edge
            for source, parents in self._standbys.items()
            for child, standby in parents.items()
            if (edge := self._edge(source, standby, child)) in self._told or is_due(edge)
        }
        wanted |= {edge for edge in self._told if _has(forest, edge)}
        here = {*present}
        off = [e for e in self._told - wanted if {e.source, e.parent, e.child} <= here]
        on = sorted(wanted - self._told, key=_by_name)
        self._told = wanted
        for edge in on:
            self._meet(edge)
        return [
            *(Standby(edge, on=False) for edge in sorted(off, key=_by_name)),
            *(Standby(edge, on=True) for edge in on),
        ]

    def reached(
        self, child: ParticipantId, source: ParticipantId, is_due: Callable[[Edge], bool]
    ) -> list[Standby]:
        """`child` has `source`'s stream now."""
        standby = self._standbys.get(source, {}).get(child)
        if standby is None:
            return []
        edge = self._edge(source, standby, child)
        if edge in self._told or not is_due(edge):
            return []
        self._told.add(edge)
        self._meet(edge)
        return [Standby(edge, on=True)]

    def _choose(
        self, members: Membership, forest: Forest, only: ParticipantId | None = None
    ) -> None:
        near = neighbours(forest)
        for one, met in self._met.items():
            near.setdefault(one, set()).update(met)
        for one, other in members.connected:
            near.setdefault(one, set()).add(other)
            near.setdefault(other, set()).add(one)
        leaves = {node.id for node in members.nodes if node.is_leaf}
        sent, mesh = uplinks(forest), members.mesh_uplinks
        spare = {
            node.id: (mesh if node.capacity is None else node.capacity) - sent[node.id]
            for node in members.nodes
        }
        if only is not None:
            forest = {only: forest[only]}
        chosen = {
            source: {
                child: standby
                for child, standby in parents.items()
                if frozenset({child, standby}) not in members.unreachable
            }
            for source, parents in standbys(forest, self._standbys, near, leaves, spare).items()
        }
        self._standbys = chosen if only is None else {**self._standbys, **chosen}

    def _meet(self, edge: Edge) -> None:
        self._met.setdefault(edge.parent, set()).add(edge.child)
        self._met.setdefault(edge.child, set()).add(edge.parent)

    def _edge(self, source: ParticipantId, parent: ParticipantId, child: ParticipantId) -> Edge:
        return Edge(source, parent, child, self._kind)


def _has(forest: Forest, edge: Edge) -> bool:
    tree = forest.get(edge.source)
    return tree is not None and tree.parent_of.get(edge.child) == edge.parent


def _by_name(edge: Edge) -> tuple[str, str, str]:
    return edge.source, edge.child, edge.parent
