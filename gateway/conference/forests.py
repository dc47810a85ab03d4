"""All forests of a conference, one for each kind of stream: what they are planned from, and when.

Sound is planned first, pictures along the connections that sound has. Methods return what has to be
told; time comes in as `now` in seconds.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from gateway.conference.blame import Blame, Pair
from gateway.conference.conditions import Conditions
from gateway.conference.grove import Grove
from gateway.conference.member import MEDIUM, Attendance, Member
from gateway.conference.report import Report
from gateway.conference.settling import MOVES, Settling
from gateway.conference.wiring import Move
from gateway.ports import SEAT, Edge, ParticipantId, Standby, StreamKind
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.topology import Forest, neighbours

TOGETHER = 0.02
"""Seconds: who shows others' pictures in another size says `ready` for each, one after the other,
and one plan takes all the old layers away."""

_OTHER_LAYER = {StreamKind.LOW: StreamKind.HIGH, StreamKind.HIGH: StreamKind.LOW}


class Forests:
    """Of one conference, whose `Attendance` every method is told anew."""

    def __init__(self, policy: TreePolicy) -> None:
        self.conditions = Conditions()
        self.blame = Blame()
        self._settling = Settling()
        self._groves = {kind: Grove(kind, policy) for kind in StreamKind}
        self._outdated: dict[StreamKind, float] = {}
        """Kinds that somebody needs no more of some source, and when to plan them anew."""

    @property
    def planned(self) -> Mapping[StreamKind, Forest]:
        """What stands may be on the way to it still."""
        return {kind: grove.forest for kind, grove in self._groves.items()}

    def carried(self, kind: StreamKind) -> Iterator[Edge]:
        """The edges over which streams really come."""
        return self._groves[kind].carried()

    def feeds_from(self, node: ParticipantId) -> bool:
        """Whether anybody has an edge from `node`."""
        return any(grove.feeds_from(node) for grove in self._groves.values())

    def forget(self, leaver: ParticipantId) -> None:
        self.conditions.forget(leaver)
        self.blame.forget(leaver)

    def receive(self, who: ParticipantId, report: Report, now: float) -> bool:
        """Whether anybody's node in the plans is another one by what `who` reports.

        What it tells of edges that it does not have is passed over.
        """
        if report.receives is not None:
            edges = ((one, Edge(one.source, one.parent, who, one.kind)) for one in report.receives)
            receives = tuple(one for one, edge in edges if self._groves[edge.kind].stands(edge))
            report = replace(report, receives=receives)
        return self.conditions.receive(who, report, now)

    def replan(
        self, attendance: Attendance, now: float, only: StreamKind | None = None
    ) -> list[Move | Standby]:
        """Something has changed that the plans hang on."""
        moves: list[Move | Standby] = []
        for kind in StreamKind if only is None else (only,):
            self._outdated.pop(kind, None)
            grove, members = self._groves[kind], self._membership(attendance, kind)
            if members.streams or grove.forest:
                before = grove.forest
                moves += grove.replan(members, attendance.members, now)
                if grove.forest != before:
                    self._settling.changed(now)
        return moves

    def ready(self, edge: Edge, now: float) -> list[Move | Standby]:
        """The edge's child receives the stream."""
        grove = self._groves[edge.kind]
        before = grove.forest
        if grove.stands(edge):
            self.blame.worked(edge.parent, edge.child)
        moves = grove.ready(edge, now)
        if grove.forest is not before:
            self._settling.changed(now)
        other = _OTHER_LAYER.get(edge.kind)
        if other is not None and self._groves[other].reaches(edge.child, edge.source):
            # It had the other layer for as long as this one was on its way.
            self._outdated.setdefault(other, now + TOGETHER)
        return moves

    def next_timeout(self, present: Collection[ParticipantId]) -> float | None:
        timeouts = [self.conditions.next_timeout(), self._settling.next_timeout()]
        timeouts += [grove.next_timeout() for grove in self._groves.values()]
        timeouts += self._outdated.values()
        timeouts += [deadline for _, deadline in self._deadlines(present)]
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, attendance: Attendance, now: float) -> list[Move | Standby]:
        """Of all but the `conditions`, whose changes show in the roster, too."""
        moves: list[Move | Standby] = []
        late = {pair for pair, deadline in self._deadlines(attendance.members) if deadline <= now}
        self.blame.late(late, len(attendance.members), now)
        for kind, grove in self._groves.items():
            timeouts = (grove.next_timeout(), self._outdated.get(kind))
            if late or any(due is not None and due <= now for due in timeouts):
                moves += self.replan(attendance, now, only=kind)
        if self._settling.is_due(now):
            moves += self._rebalance(attendance, now)
        return moves

    def _rebalance(self, attendance: Attendance, now: float) -> list[Move | Standby]:
        self._settling.settled()
        moves: list[Move | Standby] = []
        for kind, grove in self._groves.items():
            before, members = grove.forest, self._membership(attendance, kind)
            moves += grove.rebalance(members, attendance.members, MOVES, now)
            if grove.forest != before:
                self._settling.changed(now)
        return moves

    def _deadlines(self, present: Collection[ParticipantId]) -> Iterator[tuple[Pair, float]]:
        """Of pairs with an edge that nothing has come over; known faults are left alone."""
        known, blamed = self.blame.unreachable, self.blame.blamed
        for grove in self._groves.values():
            for edge, since in grove.waiting():
                pair = frozenset({edge.parent, edge.child})
                if edge.child not in present or pair in known or pair & blamed:
                    continue
                waits = self.conditions.waits_since(edge.child, since)
                if waits is not None:
                    yield pair, self.blame.deadline(waits)

    def _membership(self, attendance: Attendance, kind: StreamKind) -> Membership:
        natives = [m for m in attendance.members.values() if m.native]
        medium = MEDIUM[kind]
        streams = [
            self._stream(attendance, m, kind)
            for m in attendance.members.values()
            if medium in m.participant.publishes
        ]
        shares = self._shares(kind, streams, len(natives))
        blamed = self.blame.blamed
        able = [(m.participant.id, m.relays and m.participant.id not in blamed) for m in natives]
        nodes = [self.conditions.node(Node(who, relays), kind, shares) for who, relays in able]
        if attendance.has_seat:
            nodes.append(Node(SEAT, relays=False))
        return Membership(
            tuple(nodes),
            tuple(streams),
            self.conditions.round_trips(),
            connected=self._connected(kind),
            unreachable=self.blame.unreachable,
        )

    def _shares(
        self, kind: StreamKind, streams: list[Stream], natives: int
    ) -> dict[StreamKind, int]:
        """How many streams each browser has to send on average: of those kinds that are planned
        before `kind`, and of `kind`."""
        shares = {}
        for earlier in StreamKind:
            if earlier is kind:
                break
            sent = sum(len(tree.parent_of) for tree in self._groves[earlier].forest.values())
            shares[earlier] = -(-sent // max(natives, 1))
        sent = sum(natives - len(stream.unwanted) for stream in streams)
        return {**shares, kind: max(1, -(-sent // max(natives, 1)))}

    def _stream(self, attendance: Attendance, member: Member, kind: StreamKind) -> Stream:
        source = member.participant.id
        unwanted = {
            listener
            for listener, other in attendance.members.items()
            if other.native and not self._is_wanted(kind, source, listener, other)
        }
        if not member.native:
            return Stream(source, SEAT, frozenset(unwanted))
        if kind is not StreamKind.AUDIO or not attendance.is_mixed(source):
            # The seat mixes sound and nothing else.
            unwanted.add(SEAT)
        return Stream(source, source, frozenset(unwanted))

    def _is_wanted(
        self, kind: StreamKind, source: ParticipantId, listener: ParticipantId, member: Member
    ) -> bool:
        if member.wants(kind, source):
            return True
        # It goes on showing one layer until the other has come.
        other = _OTHER_LAYER.get(kind)
        return (
            other is not None
            and member.wants(other, source)
            and self._groves[kind].reaches(listener, source)
            and not self._groves[other].reaches(listener, source)
        )

    def _connected(self, kind: StreamKind) -> frozenset[frozenset[ParticipantId]]:
        """Pairs that share edges of the kinds that are planned before `kind`."""
        pairs = set()
        for earlier in StreamKind:
            if earlier is kind:
                break
            for one, others in neighbours(self._groves[earlier].forest).items():
                pairs |= {frozenset({one, other}) for other in others if SEAT not in (one, other)}
        return frozenset(pairs)
