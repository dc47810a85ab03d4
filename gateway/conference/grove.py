"""All trees of one kind of stream: what is planned, and the wiring that brings it about."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from gateway.conference.repair import Repair
from gateway.conference.wiring import Move, TreeWiring
from gateway.ports import Attach, Detach, Edge, ParticipantId, Standby, StreamKind
from gateway.trees.detours import blocked, detoured
from gateway.trees.planner import Membership, TreePolicy
from gateway.trees.topology import Forest


class Grove:
    """One kind's trees in one conference."""

    def __init__(self, kind: StreamKind, policy: TreePolicy) -> None:
        self.kind = kind
        self._policy = policy
        self._members = Membership((), ())
        self._participants: Collection[ParticipantId] = ()
        self._repair = Repair(kind)
        self._wirings: dict[ParticipantId, TreeWiring] = {}
        self.forest: Forest = {}
        """The plan; the wiring may be on the way to it still."""

    def replan(
        self, members: Membership, participants: Collection[ParticipantId], now: float
    ) -> list[Move | Standby]:
        """Plans for `members`; `participants` are those in the roster.

        An edge of somebody who has left ends by that alone: nobody is told.
        """
        forest = self._policy.plan(self._repair.informed(members, now), self.forest)
        return self._become(detoured(members, forest), members, participants, now)

    def rebalance(
        self,
        members: Membership,
        participants: Collection[ParticipantId],
        moves: int,
        now: float,
    ) -> list[Move | Standby]:
        """Comes nearer to the best trees by so many moves at most; the plan is as it was where
        nothing is to be gained."""
        informed = self._repair.informed(members, now)
        forest = self._policy.rebalance(informed, self.forest, moves)
        if blocked(members, forest) > blocked(members, self.forest):
            forest = self.forest  # What is better on paper cannot be had.
        return self._become(forest, members, participants, now)

    def _become(
        self,
        forest: Forest,
        members: Membership,
        participants: Collection[ParticipantId],
        now: float,
    ) -> list[Move | Standby]:
        self._members, self._participants, before = members, participants, self.forest
        self.forest = forest
        self._repair.planned(members, before, forest, now)
        present = {node.id for node in members.nodes}
        moves: list[Move] = []
        for source in [s for s in self._wirings if s not in self.forest]:
            edges = self._wirings.pop(source).edges()
            if source in participants:
                # It is still here and publishes this no more.
                moves += [Detach(e) for e in edges if {e.parent, e.child} <= present]
        for source, tree in self.forest.items():
            wiring = self._wirings.setdefault(source, TreeWiring(tree, self.kind))
            moves += wiring.replan(tree, present, now)
        return [*moves, *self._standby_changes(moves)]

    def ready(self, edge: Edge, now: float) -> list[Move | Standby]:
        """The edge's child has the stream: over an edge that stands, or from its standby parent.

        Any other edge is ignored.
        """
        wiring, tree = self._wirings.get(edge.source), self.forest.get(edge.source)
        if wiring is None or tree is None:
            return []
        if wiring.stands(edge.child, edge.parent):
            moves = wiring.ready(edge.child, edge.parent, now)
            self._note_attached(moves)
            return [*moves, *self._repair.reached(edge.child, edge.source, self._is_due)]
        if not self._repair.stands_by(edge):
            return []
        if tree.parent_of.get(edge.child) != edge.parent:
            tree = replace(tree, parent_of={**tree.parent_of, edge.child: edge.parent})
            self.forest = {**self.forest, edge.source: tree}
            self._repair.promoted(edge, self._members, self.forest, now)
        moves = wiring.promote(edge.child, edge.parent, tree, now)
        return [*moves, *self._standby_changes(moves)]

    def _standby_changes(self, moves: list[Move]) -> list[Standby]:
        self._note_attached(moves)
        return self._repair.changes(self.forest, self._participants, self._is_due)

    def _is_due(self, standby: Edge) -> bool:
        """Nobody prepares for losing what has not come yet, nor twice for the same edge."""
        wiring = self._wirings[standby.source]
        return wiring.has_reached(standby.child) and not wiring.stands(
            standby.child, standby.parent
        )

    def _note_attached(self, moves: Iterable[Move]) -> None:
        for move in moves:
            if isinstance(move, Attach):
                self._repair.attached(move.edge)

    def next_timeout(self) -> float | None:
        """When to plan again though nothing has happened."""
        return self._repair.next_timeout()

    def carried(self) -> Iterator[Edge]:
        """The edges over which streams really come."""
        return (edge for wiring in self._wirings.values() for edge in wiring.carried())

    def reaches(self, node: ParticipantId, source: ParticipantId) -> bool:
        """Whether `node` really gets `source`'s stream."""
        wiring = self._wirings.get(source)
        return wiring is not None and wiring.reaches(node)

    def feeds_from(self, node: ParticipantId) -> bool:
        """Whether anybody has an edge from `node`."""
        edges = (edge for wiring in self._wirings.values() for edge in wiring.edges())
        return any(edge.parent == node for edge in edges)

    def stands(self, edge: Edge) -> bool:
        """Whether both ends were told of it, so that its child can be ready."""
        wiring = self._wirings.get(edge.source)
        return wiring is not None and wiring.stands(edge.child, edge.parent)

    def waiting(self) -> Iterator[tuple[Edge, float]]:
        """The newest edges of nodes that have never said ready, with the time of its Attach."""
        for wiring in self._wirings.values():
            yield from wiring.waiting()
