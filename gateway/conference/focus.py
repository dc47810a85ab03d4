"""One conference: who is in, who hears whom, over which edges; RFC 4353's focus without I/O.

Call a method, then drain `events()`. Time comes in as `now` in seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.conference.forests import Forests
from gateway.conference.loops import Loops
from gateway.conference.member import PICTURES, Attendance, Member, Shown
from gateway.conference.permissions import Permissions, Rules
from gateway.conference.report import ANY_DEVICE, Device, Report
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
from gateway.trees.planner import TreePolicy
from gateway.trees.topology import Forest

DEPARTURE_TIMEOUT = 2.0
"""Seconds that a leaver is kept at most for those it sends streams to."""

VIEW_TIMEOUT = 2.0
"""Seconds in which a newcomer says which pictures it shows. Until then it is sent none: large ones
for all would be taken back a moment later, each of them a transceiver."""


@dataclass(frozen=True, slots=True)
class Departed:
    """Nobody depends any more on this participant, who wants to leave; `leave` is next."""

    leaver: ParticipantId


ConferenceEvent = RosterChanged | Attach | Detach | Standby | Departed


class Conference:
    """One room from its first participant to its last."""

    def __init__(
        self, policy: TreePolicy, max_participants: int, rules: Rules | None = None
    ) -> None:
        """`rules` of who may publish and who moderates; None: the defaults."""
        self._permissions = Permissions(rules or Rules())
        self._max_participants = max_participants
        self._members: dict[ParticipantId, Member] = {}
        self._forests = Forests(policy)
        self._loops = Loops()
        self._version = 0
        self._recorded = False
        self._events: list[ConferenceEvent] = []

    @property
    def roster(self) -> Roster:
        participants = tuple(m.participant for m in self._members.values())
        return Roster(self._version, participants, self._recorded)

    @property
    def has_seat(self) -> bool:
        """Whether the gateway takes part in the trees."""
        return self._attendance.has_seat

    @property
    def forests(self) -> Mapping[StreamKind, Forest]:
        """The plan; what stands may be on the way to it still."""
        return self._forests.planned

    @property
    def _attendance(self) -> Attendance:
        return Attendance(self._members, self._recorded)

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
        says_by = now + VIEW_TIMEOUT if native else None
        self._members[participant.id] = Member(participant, native, says_by=says_by)
        self._forests.conditions.join(participant.id, device)
        self._apply_permissions()
        self._roster_changed()
        self._replan(now)

    def leave(self, leaver: ParticipantId, now: float) -> None:
        if self._members.pop(leaver, None) is None:
            return
        self._permissions.leave(leaver)
        self._forests.forget(leaver)
        self._loops.forget(leaver)
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
        if native and len(pair) == 2 and self._forests.blame.failed(who, neighbour):
            self._replan(now)

    def negotiate(
        self, who: ParticipantId, neighbour: ParticipantId, now: float, *, describes: bool
    ) -> None:
        """`who` has a signal for `neighbour`, both native; `describes`: with a description.

        Raises `Refused`: not-found where the two cannot be neighbours; overloaded where they do
        nothing but negotiate. Then streams are led around the pair, and who is in several such
        pairs relays nothing.
        """
        here = neighbour in self._members and self._members[neighbour].native
        if not here or who == neighbour:
            raise Refused(Reason.NOT_FOUND, f"{neighbour[:64]!r} is no neighbour of yours")
        if not self._loops.passes(who, neighbour, now, describes=describes):
            if self._forests.blame.loops(who, neighbour):
                self._replan(now)
            raise Refused(Reason.OVERLOADED, "one of the others negotiates without end with you")

    def view(self, viewer: ParticipantId, shows: Shown | None, now: float) -> None:
        """These are all the pictures that `viewer` shows from now on; None: as `Member.shows`."""
        before = self._members[viewer]
        after = self._members[viewer] = replace(before, shows=shows, says_by=None)
        for kind in PICTURES:
            if any(before.wants(kind, s) != after.wants(kind, s) for s in self._members):
                self._events += self._forests.replan(self._attendance, now, only=kind)

    def report(self, who: ParticipantId, report: Report, now: float) -> bool:
        """How a native participant does, by its own word.

        Whether there are events now, or an earlier timeout than before: mostly there are not, and
        nobody has to look.
        """
        is_first = not self._forests.conditions.knows(who)
        changed = self._forests.receive(who, report, now)
        if changed:
            self._conditions_changed(now)
        return changed or is_first

    def ready(self, edge: Edge, now: float) -> None:
        """The edge's child receives the stream."""
        self._events += self._forests.ready(edge, now)
        self._see_off(now)

    def hears(self, listener: ParticipantId) -> frozenset[ParticipantId]:
        """Whom the trees bring to `listener` now; for a legacy participant what the seat mixes."""
        member = self._members[listener]
        node = listener if member.native else SEAT
        carried = self._forests.carried(StreamKind.AUDIO)
        heard = {edge.source for edge in carried if edge.child == node}
        if not member.native:
            others = (m.participant for m in self._members.values() if not m.native)
            heard |= {one.id for one in others if MediaKind.AUDIO in one.publishes}
        # Who blocks may still have to pass on for a moment.
        return frozenset(heard - member.blocks - {listener})

    def next_timeout(self) -> float | None:
        members = self._members.values()
        timeouts = [at for member in members for at in (member.leaves_at, member.says_by)]
        timeouts.append(self._forests.next_timeout(self._members))
        return min((timeout for timeout in timeouts if timeout is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        if self._forests.conditions.handle_timeout(now):
            self._conditions_changed(now)
        for who, member in self._members.items():
            if member.says_by is not None and member.says_by <= now:
                self.view(who, None, now)
        self._events += self._forests.handle_timeout(self._attendance, now)
        self._see_off(now)

    def events(self) -> list[ConferenceEvent]:
        events, self._events = self._events, []
        return events

    def _see_off(self, now: float) -> None:
        for who, member in self._members.items():
            if member.leaves_at is None:
                continue
            if member.leaves_at <= now or not self._forests.feeds_from(who):
                self._events.append(Departed(who))

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
            self._change(who, online=self._forests.conditions.is_online(who))
        self._replan(now)

    def _replan(self, now: float) -> None:
        self._events += self._forests.replan(self._attendance, now)
        self._see_off(now)
