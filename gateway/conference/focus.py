"""One conference: who is in, who hears whom, over which edges; RFC 4353's focus without I/O.

Call a method, then drain `events()`. Time comes in as `now` in seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.conference.wiring import TreeWiring
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Detach,
    MediaKind,
    Muted,
    Participant,
    ParticipantId,
    Roster,
    RosterChanged,
)
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.topology import Forest

READY_TIMEOUT = 10.0
"""Seconds from Attach to ready; whoever takes longer is a leaf from then on, so that nobody waits
behind it."""

ConferenceEvent = RosterChanged | Attach | Detach


@dataclass(frozen=True, slots=True)
class _Member:
    participant: Participant
    native: bool
    """Sends and receives its own media; the others' media ends at the seat."""
    relays: bool = True


class Conference:
    """One room from its first participant to its last."""

    def __init__(self, policy: TreePolicy, max_participants: int) -> None:
        self._policy = policy
        self._max_participants = max_participants
        self._members: dict[ParticipantId, _Member] = {}
        self._forest: Forest = {}
        self._wirings: dict[ParticipantId, TreeWiring] = {}
        self._version = 0
        self._recorded = False
        self._events: list[ConferenceEvent] = []

    @property
    def roster(self) -> Roster:
        participants = tuple(m.participant for m in self._members.values())
        return Roster(self._version, participants, self._recorded)

    @property
    def has_seat(self) -> bool:
        """Whether the gateway takes part: as long as media ends there, somebody's or all for a
        recording."""
        return self._recorded or any(not member.native for member in self._members.values())

    @property
    def forest(self) -> Forest:
        """The plan; `wirings` may be on the way to it still."""
        return self._forest

    @property
    def is_full(self) -> bool:
        return len(self._members) >= self._max_participants

    def join(self, participant: Participant, *, native: bool, now: float) -> None:
        """Raises `Refused` (busy) where the conference is full."""
        if self.is_full:
            most = self._max_participants
            raise Refused(Reason.BUSY, f"the conference is full: {most} participants are in")
        assert participant.id not in {SEAT, *self._members}
        self._members[participant.id] = _Member(participant, native)
        self._roster_changed()
        self._replan(now)

    def leave(self, leaver: ParticipantId, now: float) -> None:
        if self._members.pop(leaver, None) is not None:
            self._roster_changed()
            self._replan(now)

    def publish(self, source: ParticipantId, publishes: frozenset[MediaKind], now: float) -> None:
        """`source` sends these kinds from now on."""
        if self._change(source, publishes=publishes):
            self._replan(now)

    def mute(self, who: ParticipantId, muted: Muted) -> None:
        self._change(who, muted=muted)

    def record(self, recorded: bool, now: float) -> None:
        """It is recorded from now on, or not any more."""
        if recorded != self._recorded:
            self._recorded = recorded
            self._roster_changed()
            self._replan(now)

    def ready(
        self, child: ParticipantId, source: ParticipantId, parent: ParticipantId, now: float
    ) -> None:
        """`child` receives `source`'s stream from `parent`."""
        wiring = self._wirings.get(source)
        if wiring is not None:
            self._events += wiring.ready(child, parent, now)

    def hears(self, listener: ParticipantId) -> frozenset[ParticipantId]:
        """Whom the trees bring to `listener` now; for a legacy participant what the seat mixes."""
        member = self._members[listener]
        node = listener if member.native else SEAT
        heard = {
            edge.source
            for wiring in self._wirings.values()
            for edge in wiring.carried()
            if edge.child == node
        }
        if not member.native:
            heard |= {m.participant.id for m in self._members.values() if not m.native}
        return frozenset(heard - {listener})

    def next_timeout(self) -> float | None:
        return min((deadline for _, deadline in self._deadlines()), default=None)

    def handle_timeout(self, now: float) -> None:
        late = {node for node, deadline in self._deadlines() if deadline <= now}
        for node in late:
            self._members[node] = replace(self._members[node], relays=False)
        if late:
            self._replan(now)

    def events(self) -> list[ConferenceEvent]:
        events, self._events = self._events, []
        return events

    def _deadlines(self) -> Iterator[tuple[ParticipantId, float]]:
        for wiring in self._wirings.values():
            for node, since in wiring.waiting():
                if node in self._members and self._members[node].relays:
                    yield node, since + READY_TIMEOUT

    def _change(
        self,
        who: ParticipantId,
        *,
        publishes: frozenset[MediaKind] | None = None,
        muted: Muted | None = None,
    ) -> bool:
        member = self._members[who]
        was = member.participant
        becomes = replace(
            was,
            publishes=was.publishes if publishes is None else publishes,
            muted=was.muted if muted is None else muted,
        )
        if becomes == was:
            return False
        self._members[who] = replace(member, participant=becomes)
        self._roster_changed()
        return True

    def _roster_changed(self) -> None:
        self._version += 1
        self._events.append(RosterChanged(self.roster))

    def _replan(self, now: float) -> None:
        members = self._membership()
        self._forest = self._policy.plan(members, self._forest)
        present = {node.id for node in members.nodes}
        for source in [s for s in self._wirings if s not in self._forest]:
            edges = self._wirings.pop(source).edges()
            if source in self._members:
                # It is still here and publishes no more; for one who left nobody is told.
                self._events += [Detach(e) for e in edges if {e.parent, e.child} <= present]
        for source, tree in self._forest.items():
            wiring = self._wirings.setdefault(source, TreeWiring(tree))
            self._events += wiring.replan(tree, present, now)

    def _membership(self) -> Membership:
        natives = [m for m in self._members.values() if m.native]
        nodes = [Node(m.participant.id, m.relays) for m in natives]
        if self.has_seat:
            nodes.append(Node(SEAT, relays=False))
        streams = [_stream(m) for m in self._members.values() if m.participant.publishes]
        return Membership(tuple(nodes), tuple(streams))


def _stream(member: _Member) -> Stream:
    participant = member.participant
    if not member.native:
        return Stream(participant.id, SEAT)
    # The seat mixes sound and nothing else.
    silent = MediaKind.AUDIO not in participant.publishes
    return Stream(participant.id, participant.id, frozenset({SEAT}) if silent else frozenset())
