"""All trees of one kind of stream: what is planned, and the wiring that brings it about."""

from collections.abc import Collection, Iterator

from gateway.conference.wiring import Move, TreeWiring
from gateway.ports import Detach, Edge, ParticipantId, StreamKind
from gateway.trees.planner import Membership, TreePolicy
from gateway.trees.topology import Forest


class Grove:
    """One kind's trees in one conference."""

    def __init__(self, kind: StreamKind, policy: TreePolicy) -> None:
        self.kind = kind
        self._policy = policy
        self._wirings: dict[ParticipantId, TreeWiring] = {}
        self.forest: Forest = {}
        """The plan; the wiring may be on the way to it still."""

    def replan(
        self, members: Membership, participants: Collection[ParticipantId], now: float
    ) -> list[Move]:
        """Plans for `members`; `participants` are those in the roster.

        An edge of somebody who has left ends by that alone: nobody is told.
        """
        self.forest = self._policy.plan(members, self.forest)
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
        return moves

    def ready(self, edge: Edge, now: float) -> list[Move]:
        """The edge's child has the stream. An edge that does not stand is ignored."""
        wiring = self._wirings.get(edge.source)
        return wiring.ready(edge.child, edge.parent, now) if wiring is not None else []

    def carried(self) -> Iterator[Edge]:
        """The edges over which streams really come."""
        return (edge for wiring in self._wirings.values() for edge in wiring.carried())

    def reaches(self, node: ParticipantId, source: ParticipantId) -> bool:
        """Whether `node` really gets `source`'s stream."""
        wiring = self._wirings.get(source)
        return wiring is not None and wiring.reaches(node)

    def waiting(self) -> Iterator[tuple[ParticipantId, float]]:
        """Nodes that were attached and have not said ready, with the time of the last Attach."""
        for wiring in self._wirings.values():
            yield from wiring.waiting()
