"""One conference: who is in, who hears whom, over which edges; RFC 4353's focus without I/O.

Call a method, then drain `events()`. Time comes in as `now` in seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.conference.blame import Blame, Pair
from gateway.conference.conditions import Conditions
from gateway.conference.grove import Grove
from gateway.conference.permissions import Permissions, Rules
from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.conference.settling import MOVES, Settling
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Detach,
    Edge,
    MediaKind,
    Muted,
    Participant,
    ParticipantId,
    Roster,
    RosterChanged,
    Standby,
    StreamKind,
)
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.topology import Forest, neighbours

DEPARTURE_TIMEOUT = 2.0
"""Seconds that a leaver is kept at most for those it sends streams to."""


@dataclass(frozen=True, slots=True)
class Departed:
    """Nobody depends any more on this participant, who wants to leave; `leave` is next."""

    leaver: ParticipantId


ConferenceEvent = RosterChanged | Attach | Detach | Standby | Departed

Shown = Mapping[ParticipantId, frozenset[StreamKind]]
"""The pictures that somebody shows, by source."""

_PICTURES = (StreamKind.LOW, StreamKind.HIGH, StreamKind.SCREEN)
_SHOWN_UNASKED = frozenset({StreamKind.HIGH, StreamKind.SCREEN})
_MEDIUM = {
    StreamKind.AUDIO: MediaKind.AUDIO,
    StreamKind.LOW: MediaKind.VIDEO,
    StreamKind.HIGH: MediaKind.VIDEO,
    StreamKind.SCREEN: MediaKind.SCREEN,
}
_OTHER_LAYER = {StreamKind.LOW: StreamKind.HIGH, StreamKind.HIGH: StreamKind.LOW}


@dataclass(frozen=True, slots=True)
class _Member:
    participant: Participant
    native: bool
    """Sends and receives its own media; the others' media ends at the seat."""
    relays: bool = True
    shows: Shown | None = None
    """None: it has not said."""
    blocks: frozenset[ParticipantId] = frozenset()
    """Of whom it wants nothing at all."""
    leaves_at: float | None = None
    """When it goes at the latest, of one who is about to."""

    def wants(self, kind: StreamKind, source: ParticipantId) -> bool:
        if source in self.blocks or self.leaves_at is not None:
            return False
        if kind is StreamKind.AUDIO:
            return True
        shown = _SHOWN_UNASKED if self.shows is None else self.shows.get(source, frozenset())
        return kind in shown


class Conference:
    """One room from its first participant to its last."""

    def __init__(
        self, policy: TreePolicy, max_participants: int, rules: Rules | None = None
    ) -> None:
        """`rules` of who may publish and who moderates; None: the defaults."""
        self._permissions = Permissions(rules or Rules())
        self._max_participants = max_participants
        self._members: dict[ParticipantId, _Member] = {}
        self._groves = {kind: Grove(kind, policy) for kind in StreamKind}
        self._conditions = Conditions()
        self._settling = Settling()
        self._blame = Blame()
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
    def forests(self) -> Mapping[StreamKind, Forest]:
        """The plan; what stands may be on the way to it still."""
        return {kind: grove.forest for kind, grove in self._groves.items()}

    @property
    def is_full(self) -> bool:
        return len(self._members) >= self._max_participants

    def join(
        self,
        participant: Participant,
        *,
        native: bool,
        now: float,
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> None:
        """`key` is a moderator's; `former` has just left to come back as this one, which has its
        rights. What the participant may not publish, it does not publish.

        Raises `Refused`: busy where the conference is full, forbidden for a wrong key.
        """
        if self.is_full:
            most = self._max_participants
            raise Refused(Reason.BUSY, f"the conference is full: {most} participants are in")
        assert participant.id not in {SEAT, *self._members}
        self._permissions.join(participant.id, native=native, key=key, former=former)
        self._members[participant.id] = _Member(participant, native)
        self._conditions.join(participant.id, device)
        self._apply_permissions()
        self._roster_changed()
        self._replan(now)

    def leave(self, leaver: ParticipantId, now: float) -> None:
        if self._members.pop(leaver, None) is None:
            return
        self._permissions.leave(leaver)
        self._conditions.forget(leaver)
        self._blame.forget(leaver)
        for who, member in self._members.items():
            self._members[who] = replace(member, blocks=member.blocks - {leaver})
        self._apply_permissions()
        self._roster_changed()
        self._replan(now)

    def withdraw(self, leaver: ParticipantId, now: float) -> None:
        """`leaver` goes as soon as those it sends streams to have them from others: `Departed`
        tells when. Until then it is in the roster, and neither shows nor wants anything."""
        member = self._members[leaver]
        if member.leaves_at is not None:
            return
        self._change(leaver, publishes=frozenset())
        changed = self._members[leaver]
        self._members[leaver] = replace(changed, relays=False, leaves_at=now + DEPARTURE_TIMEOUT)
        self._replan(now)

    def publish(self, source: ParticipantId, publishes: frozenset[MediaKind], now: float) -> None:
        """`source` sends these kinds from now on, as far as it may.

        Raises `Refused` (forbidden) where there are others among them; the rest holds.
        """
        may = self._permissions.standing(source).may
        if self._change(source, publishes=publishes & may):
            self._replan(now)
        if publishes - may:
            kinds = " and ".join(sorted(publishes - may))
            raise Refused(Reason.FORBIDDEN, f"a moderator has to let you publish {kinds} first")

    def grant(
        self, by: ParticipantId, who: ParticipantId, kinds: frozenset[MediaKind], now: float
    ) -> None:
        """`who` may publish these kinds and no others; what it may no more ends at once.

        Raises `Refused` as `Permissions.grant` does.
        """
        self._permissions.grant(by, who, kinds)
        self._settle_permissions(now)

    def raise_hand(self, who: ParticipantId, now: float) -> None:
        self._permissions.raise_hand(who)
        self._settle_permissions(now)

    def lower_hand(self, by: ParticipantId, who: ParticipantId, now: float) -> None:
        """Raises `Refused` (forbidden) where it is another's, and `by` does not moderate."""
        self._permissions.lower_hand(by, who)
        self._settle_permissions(now)

    def block(
        self, listener: ParticipantId, source: ParticipantId, blocked: bool, now: float
    ) -> None:
        """`listener` wants nothing of `source`, or everything again.

        Raises `Refused` (not-found) where `source` is not here.
        """
        if source not in self._members or source == listener:
            raise Refused(Reason.NOT_FOUND, f"{source[:64]!r} is nobody whom you can block")
        member = self._members[listener]
        blocks = member.blocks | {source} if blocked else member.blocks - {source}
        if blocks != member.blocks:
            self._members[listener] = replace(member, blocks=blocks)
            self._replan(now)

    def mute(self, who: ParticipantId, muted: Muted) -> None:
        self._change(who, muted=muted)

    def record(self, recorded: bool, now: float) -> None:
        """It is recorded from now on, or not any more."""
        if recorded != self._recorded:
            self._recorded = recorded
            self._roster_changed()
            self._replan(now)

    def unreachable(self, who: ParticipantId, neighbour: ParticipantId, now: float) -> None:
        """`who` has found no network path to `neighbour`."""
        pair = frozenset({who, neighbour})
        native = all(node in self._members and self._members[node].native for node in pair)
        if native and len(pair) == 2 and pair not in self._blame.unreachable:
            self._blame.failed(who, neighbour)
            self._replan(now)

    def view(self, viewer: ParticipantId, shows: Shown, now: float) -> None:
        """These are all the pictures that `viewer` shows from now on."""
        before = self._members[viewer]
        after = self._members[viewer] = replace(before, shows=shows)
        for kind in _PICTURES:
            if any(before.wants(kind, s) != after.wants(kind, s) for s in self._members):
                self._replan_kind(kind, now)

    def report(self, who: ParticipantId, report: Report, now: float) -> bool:
        """How a native participant does, by its own word.

        Whether there are events now, or an earlier timeout than before: mostly there are not, and
        nobody has to look.
        """
        is_first = not self._conditions.knows(who)
        changed = self._conditions.receive(who, report, now)
        if changed:
            self._conditions_changed(now)
        return changed or is_first

    def ready(self, edge: Edge, now: float) -> None:
        """The edge's child receives the stream."""
        grove = self._groves[edge.kind]
        before = grove.forest
        if grove.stands(edge):
            self._blame.worked(edge.parent, edge.child)
        self._events += grove.ready(edge, now)
        if grove.forest is not before:
            self._settling.changed(now)
        other = _OTHER_LAYER.get(edge.kind)
        if other is not None and self._groves[other].reaches(edge.child, edge.source):
            # It had the other layer for as long as this one was on its way.
            self._replan_kind(other, now)
        self._see_off(now)

    def hears(self, listener: ParticipantId) -> frozenset[ParticipantId]:
        """Whom the trees bring to `listener` now; for a legacy participant what the seat mixes."""
        member = self._members[listener]
        node = listener if member.native else SEAT
        carried = self._groves[StreamKind.AUDIO].carried()
        heard = {edge.source for edge in carried if edge.child == node}
        if not member.native:
            others = (m.participant for m in self._members.values() if not m.native)
            heard |= {one.id for one in others if MediaKind.AUDIO in one.publishes}
        # Who blocks may still have to pass on for a moment.
        return frozenset(heard - member.blocks - {listener})

    def next_timeout(self) -> float | None:
        timeouts = [self._conditions.next_timeout(), self._settling.next_timeout()]
        timeouts += [grove.next_timeout() for grove in self._groves.values()]
        timeouts += [member.leaves_at for member in self._members.values()]
        timeouts += [deadline for _, deadline in self._deadlines()]
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        late = {pair for pair, deadline in self._deadlines() if deadline <= now}
        self._blame.late(late, now)
        if self._conditions.handle_timeout(now):
            self._conditions_changed(now)
            late.clear()  # That was a plan for all kinds.
        for kind, grove in self._groves.items():
            due = grove.next_timeout()
            if late or (due is not None and due <= now):
                self._replan_kind(kind, now)
        if self._settling.is_due(now):
            self._rebalance(now)
        self._see_off(now)

    def events(self) -> list[ConferenceEvent]:
        events, self._events = self._events, []
        return events

    def _see_off(self, now: float) -> None:
        for who, member in self._members.items():
            if member.leaves_at is None:
                continue
            if member.leaves_at <= now or not any(g.feeds_from(who) for g in self._groves.values()):
                self._events.append(Departed(who))

    def _deadlines(self) -> Iterator[tuple[Pair, float]]:
        """Of pairs with an edge that nothing has come over; known faults are left alone."""
        known, blamed = self._blame.unreachable, self._blame.blamed
        for grove in self._groves.values():
            for edge, since in grove.waiting():
                pair = frozenset({edge.parent, edge.child})
                if edge.child not in self._members or pair in known or pair & blamed:
                    continue
                waits = self._conditions.waits_since(edge.child, since)
                if waits is not None:
                    yield pair, self._blame.deadline(waits)

    def _change(
        self,
        who: ParticipantId,
        *,
        publishes: frozenset[MediaKind] | None = None,
        muted: Muted | None = None,
        online: bool | None = None,
    ) -> bool:
        member = self._members[who]
        was = member.participant
        becomes = replace(
            was,
            publishes=was.publishes if publishes is None else publishes,
            muted=was.muted if muted is None else muted,
            online=was.online if online is None else online,
        )
        if becomes == was:
            return False
        self._members[who] = replace(member, participant=becomes)
        self._roster_changed()
        return True

    def _settle_permissions(self, now: float) -> None:
        if self._apply_permissions():
            self._roster_changed()
            self._replan(now)

    def _apply_permissions(self) -> bool:
        """Brings all participants in step with how they stand; tells whether any changed."""
        before = dict(self._members)
        for who, member in before.items():
            stands = self._permissions.apply(member.participant)
            self._members[who] = replace(member, participant=stands)
        return self._members != before

    def _roster_changed(self) -> None:
        self._version += 1
        self._events.append(RosterChanged(self.roster))

    def _conditions_changed(self, now: float) -> None:
        for who in self._members:
            self._change(who, online=self._conditions.is_online(who))
        self._replan(now)

    def _rebalance(self, now: float) -> None:
        self._settling.settled()
        for kind, grove in self._groves.items():
            before, members = grove.forest, self._membership(kind)
            self._events += grove.rebalance(members, self._members, MOVES, now)
            if grove.forest != before:
                self._settling.changed(now)

    def _replan(self, now: float) -> None:
        for kind in StreamKind:
            self._replan_kind(kind, now)
        self._see_off(now)

    def _replan_kind(self, kind: StreamKind, now: float) -> None:
        grove, members = self._groves[kind], self._membership(kind)
        if members.streams or grove.forest:
            before = grove.forest
            self._events += grove.replan(members, self._members, now)
            if grove.forest != before:
                self._settling.changed(now)

    def _membership(self, kind: StreamKind) -> Membership:
        natives = [m for m in self._members.values() if m.native]
        medium = _MEDIUM[kind]
        streams = [
            self._stream(m, kind)
            for m in self._members.values()
            if medium in m.participant.publishes
        ]
        shares = self._shares(kind, streams, len(natives))
        blamed = self._blame.blamed
        able = [(m.participant.id, m.relays and m.participant.id not in blamed) for m in natives]
        nodes = [self._conditions.node(Node(who, relays), kind, shares) for who, relays in able]
        if self.has_seat:
            nodes.append(Node(SEAT, relays=False))
        return Membership(
            tuple(nodes),
            tuple(streams),
            self._conditions.round_trips(),
            connected=self._connected(kind),
            unreachable=self._blame.unreachable,
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

    def _stream(self, member: _Member, kind: StreamKind) -> Stream:
        source = member.participant.id
        unwanted = {
            listener
            for listener, other in self._members.items()
            if other.native and not self._is_wanted(kind, source, listener, other)
        }
        if not member.native:
            return Stream(source, SEAT, frozenset(unwanted))
        if kind is not StreamKind.AUDIO or not self._is_mixed(source):
            # The seat mixes sound and nothing else.
            unwanted.add(SEAT)
        return Stream(source, source, frozenset(unwanted))

    def _is_mixed(self, source: ParticipantId) -> bool:
        """Whether the seat needs a browser's sound: somebody hears it there, or it is recorded."""
        hears = (not m.native and source not in m.blocks for m in self._members.values())
        return self._recorded or any(hears)

    def _is_wanted(
        self, kind: StreamKind, source: ParticipantId, listener: ParticipantId, member: _Member
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
