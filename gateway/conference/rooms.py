"""All conferences of this gateway: carries out what each `Conference` decides.

Implements `ports.Focus` for the bridges and offers native participants (web sockets) the same with
edges and negotiation in place of an offer. Runs on the event loop but knows nothing of it: the
clock and the timer come in.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Protocol

from gateway.address import Address
from gateway.conference.announcements import Announcements, Play, StopPlaying
from gateway.conference.focus import Conference, Departed
from gateway.conference.injection import Injection, Injector
from gateway.conference.member import Shown
from gateway.conference.monitor import Monitor, TreeFigures
from gateway.conference.permissions import Rules
from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.conference.seat_signal import SeatSignal
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import (
    SEAT,
    Answer,
    Attach,
    Candidate,
    Detach,
    DigitPressed,
    Edge,
    Leg,
    LegEvent,
    LegFailed,
    Measured,
    MediaEvent,
    MediaKind,
    MediaPlane,
    Muted,
    Offer,
    Participant,
    ParticipantId,
    PlayEnded,
    QualityTold,
    RecordingStarted,
    RecordingStopped,
    RoomName,
    RosterChanged,
    SeatReceiving,
    Signal,
    Standby,
)
from gateway.statistics import LegStatistics
from gateway.trees.planner import TreePolicy

_log = logging.getLogger("trestle.rooms")

RECORDINGS_APART = 5.0
"""Seconds between the end of a recording and the next one of the same room: more than both notices
last, or they would be heard later and later."""


class Destination(Protocol):
    """Where the dial plan sends a call."""

    @property
    def room(self) -> RoomName: ...

    @property
    def open(self) -> bool:
        """Whether the call may open a room that nobody declared and nobody is in."""
        ...


class DialPlan(Protocol):
    """What an address means; implemented by `gateway.dialplan`."""

    def resolve(self, to: Address, caller: Address) -> Destination: ...

    def is_declared(self, room: RoomName) -> bool: ...

    def is_lab(self, room: RoomName) -> bool: ...


class Handle(Protocol):
    """Of a timer; asyncio's TimerHandle is one."""

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, as the rooms see it: `clock` in seconds, `call_at` like the event loop's."""

    clock: Callable[[], float]
    call_at: Callable[[float, Callable[[], None]], Handle]


@dataclass(slots=True)
class _Seated:
    """A leg with what the rooms know about it."""

    leg: Leg
    room: RoomName
    native: bool
    since: float
    hushed: bool = False
    """Nobody hears it: it muted itself, or may not speak. Only of those on the mix."""
    statistics: LegStatistics | None = None
    """The latest, of one whose media ends at the gateway."""


@dataclass(slots=True)
class _Room:
    conference: Conference
    announcements: Announcements
    legs: dict[ParticipantId, Leg] = field(default_factory=dict)
    timer: Handle | None = None
    injector: Injector | None = None
    may_record_again: float = 0.0


class Rooms:
    """The focus of every room. A room exists from its first leg to its last."""

    def __init__(
        self,
        plan: DialPlan,
        plane: MediaPlane,
        policy: TreePolicy,
        surroundings: Surroundings,
        max_participants: int,
        *,
        announcements: bool = True,
        recording: bool = False,
        rules: Callable[[RoomName], Rules] = lambda _: Rules(),
    ) -> None:
        """`announcements`: whether those on the mix are told who comes and goes; `recording`:
        whether native participants may record; `rules` of who may publish in a room."""
        self._plan = plan
        self._plane = plane
        self._policy = policy
        self._time = surroundings
        self._max_participants = max_participants
        self._announces = announcements
        self._rules = rules
        self.may_record = recording
        """Whether native participants may."""
        self.monitor = Monitor()
        self._rooms: dict[RoomName, _Room] = {}
        self._seated: dict[ParticipantId, _Seated] = {}
        self._opening: dict[ParticipantId, tuple[RoomName, Leg]] = {}
        """Legs whose media is being negotiated; they are in no roster yet."""

    # --- ports.Focus ------------------------------------------------------------------------

    def route(self, to: Address, caller: Address) -> RoomName:
        destination = self._plan.resolve(to, caller)
        room = destination.room
        if destination.open or room in self._rooms or self._plan.is_declared(room):
            return room
        raise Refused(Reason.NOT_FOUND, f"there is no conference {room!r} now")

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        self._open(room, leg)
        try:
            answer = await self._plane.answer(room, leg.id, offer)
        except BaseException:
            self._abandon(leg.id)
            raise
        self._check_still_opening(leg.id)
        return answer

    def confirm(self, leg: ParticipantId) -> None:
        opening = self._opening.pop(leg, None)
        if opening is None:
            return
        room, attachment = opening
        try:
            self._enter(room, attachment, native=False, publishes=_AUDIO)
        except Refused as refused:
            _log.info("%s cannot join: %s", leg, refused.text, extra=BY_STRANGERS)
            attachment.hang_up(refused.reason, refused.text)
            return
        self._plane.confirm(leg)

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        self._open(room, leg)
        try:
            return await self._plane.offer(room, leg.id)
        except BaseException:
            self._abandon(leg.id)
            raise

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        if leg not in self._opening:
            raise Refused(Reason.CANCELLED, "the caller has gone")
        try:
            await self._plane.accept(leg, answer)
        except BaseException:
            self._abandon(leg)
            raise
        self._check_still_opening(leg)
        self.confirm(leg)

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        seated = self._seated.get(leg)
        if seated is None:
            raise Refused(Reason.NOT_FOUND, "the leg has left")
        return await self._plane.answer(seated.room, leg, offer)

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        self._plane.add_candidate(leg, candidate)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        if leg in self._seated:
            self.set_muted(leg, Muted(audio=muted))

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        if leg in self._opening:
            self._abandon(leg)
            _log.info("%s gave up before joining: %s (%s)", leg, reason, text, extra=BY_STRANGERS)
            return
        seated = self._seated.pop(leg, None)
        if seated is None:
            return
        now = self._time.clock()
        room = self._rooms[seated.room]
        _log.info(
            "%s left %s after %.0f s: %s (%s)", leg, seated.room, now - seated.since, reason, text
        )
        del room.legs[leg]
        had_seat = room.conference.has_seat
        room.conference.leave(leg, now)
        if seated.native:
            self._plane.drop_peer(seated.room, leg)
        else:
            self._plane.close(leg)
        room.announcements.left(leg, now)
        self._end_seat(seated.room, room, had_seat)
        if not room.legs and self._is_recorded(seated.room):
            self._plane.stop_recording(seated.room)
        self._drain(seated.room, room)
        if not room.legs:
            del self._rooms[seated.room]
            self.monitor.closed(seated.room)
            _log.info("room %s is empty and closed", seated.room)

    # --- native participants ----------------------------------------------------------------

    def enter(
        self,
        room: RoomName,
        leg: Leg,
        publishes: frozenset[MediaKind],
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> None:
        """A native participant joins; `leg` hears of the roster first and of its edges then.

        `key` is a moderator's; `former` the participant that has just left to come back so.
        Raises `Refused`: busy, forbidden for a wrong key.
        """
        self._enter(
            room, leg, native=True, publishes=publishes, key=key, former=former, device=device
        )

    def withdraw(self, leg: ParticipantId) -> None:
        """A native participant leaves; it is hung up as soon as nobody depends on it any more."""
        now = self._time.clock()
        self._act(leg, lambda conference: conference.withdraw(leg, now))

    def publish(self, leg: ParticipantId, publishes: frozenset[MediaKind]) -> None:
        """Raises `Refused` (forbidden) for what it may not publish; the rest holds."""
        now = self._time.clock()
        self._act(leg, lambda conference: conference.publish(leg, publishes, now))

    def grant(self, leg: ParticipantId, who: ParticipantId, kinds: frozenset[MediaKind]) -> None:
        """`who` may publish these kinds and no others. Raises `Refused`: forbidden, not-found."""
        now = self._time.clock()
        self._act(leg, lambda conference: conference.grant(leg, who, kinds, now))
        _log.info("%s lets %s publish %s", leg, who, ", ".join(sorted(kinds)) or "nothing")

    def raise_hand(self, leg: ParticipantId) -> None:
        now = self._time.clock()
        self._act(leg, lambda conference: conference.raise_hand(leg, now))

    def lower_hand(self, leg: ParticipantId, who: ParticipantId) -> None:
        """Raises `Refused` (forbidden) for another's where `leg` does not moderate."""
        now = self._time.clock()
        self._act(leg, lambda conference: conference.lower_hand(leg, who, now))

    def block(self, leg: ParticipantId, source: ParticipantId, blocked: bool) -> None:
        """`leg`, whatever it joined with, wants nothing of `source`, or everything again.

        Raises `Refused` (not-found) where `source` is not in the room.
        """
        now = self._time.clock()
        self._act(leg, lambda conference: conference.block(leg, source, blocked, now))
        if leg in self._seated and not self._seated[leg].native:
            self._plane.set_gain(leg, source, 0.0 if blocked else 1.0)

    def set_muted(self, leg: ParticipantId, muted: Muted) -> None:
        self._act(leg, lambda conference: conference.mute(leg, muted))

    def record(self, leg: ParticipantId, recorded: bool) -> None:
        """A participant wishes that all of the room is recorded from now on, or not any more.

        Raises `Refused`: forbidden where nobody may record, overloaded right after the last one
        ended: each is a file, and everybody hears of each.
        """
        if not self.may_record:
            raise Refused(Reason.FORBIDDEN, "recording is switched off on this server")
        seated = self._seated.get(leg)
        if seated is None or self._is_recorded(seated.room) == recorded:
            return
        name, now = seated.room, self._time.clock()
        room = self._rooms[name]
        if recorded and now < room.may_record_again:
            raise Refused(Reason.OVERLOADED, "the last recording has only just ended")
        room.may_record_again = now + RECORDINGS_APART
        _log.info("%s %s the recording of %s", leg, "starts" if recorded else "stops", name)
        if recorded:
            self._plane.record(name)
        else:
            self._plane.stop_recording(name)
        self._set_recorded(name, recorded)

    def view(self, leg: ParticipantId, shows: Shown) -> None:
        now = self._time.clock()
        self._act(leg, lambda conference: conference.view(leg, shows, now))

    def unreachable(self, leg: ParticipantId, neighbour: ParticipantId) -> None:
        now = self._time.clock()
        _log.info("%s finds no network path to %s", leg, neighbour, extra=BY_STRANGERS)
        self._act(leg, lambda conference: conference.unreachable(leg, neighbour, now))

    def report(self, leg: ParticipantId, report: Report) -> None:
        seated = self._seated.get(leg)
        if seated is not None:
            room, now = self._rooms[seated.room], self._time.clock()
            self.monitor.reported(seated.room, leg, report, now)
            if room.conference.report(leg, report, now):
                self._drain(seated.room, room)

    def ready(self, edge: Edge) -> None:
        now = self._time.clock()
        if edge.child in self._seated:
            self.monitor.ready(self._seated[edge.child].room, edge, now)
        self._act(edge.child, lambda conference: conference.ready(edge, now))

    def signal(self, leg: ParticipantId, to: ParticipantId, body: Mapping[str, object]) -> None:
        """Passes a negotiation message to a neighbour. Raises `Refused` (not-found) if it left."""
        sender, receiver = self._seated.get(leg), self._seated.get(to)
        if (
            sender is None
            or receiver is None
            or not receiver.native
            or receiver.room != sender.room
        ):
            raise Refused(Reason.NOT_FOUND, f"{to[:64]!r} is no neighbour of yours")
        receiver.leg.notify(Signal(leg, body))

    async def seat_signal(
        self, leg: ParticipantId, body: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """A negotiation message to the seat; gives the message to send back, if there is one.

        Raises `Refused`: bad-request for what is malformed, media for what cannot be accepted.
        """
        message = SeatSignal.parse(body)
        seated = self._seated.get(leg)
        if seated is None or not self._rooms[seated.room].conference.has_seat:
            raise Refused(Reason.NOT_FOUND, "the seat takes no part now")
        room = seated.room
        if message.candidate is not None:
            self._plane.seat_candidate(room, leg, message.connection, message.candidate)
        if message.offer is None:
            if message.tracks is not None:
                self._plane.seat_tracks(room, leg, message.connection, message.tracks)
            return None
        answer = await self._plane.seat_answer(
            room, leg, message.connection, message.offer, message.tracks or {}
        )
        if self._seated.get(leg) is not seated or not self._rooms[room].conference.has_seat:
            self._plane.drop_peer(room, leg)
            return None
        return message.reply(answer)

    # --- the media plane --------------------------------------------------------------------

    def on_media_event(self, event: MediaEvent) -> None:
        match event:
            case DigitPressed(leg, digit):
                _log.info("%s pressed %s", leg, digit, extra=BY_STRANGERS)
            case SeatReceiving(room, edge):
                if room in self._rooms:
                    now = self._time.clock()
                    conference = self._rooms[room].conference
                    self.monitor.ready(room, edge, now)
                    conference.ready(edge, now)
                    self._drain(room, self._rooms[room])
            case Measured(room, legs):
                self._tell_quality(room, legs)
            case LegFailed(leg, reason, text):
                attachment = self._attachment(leg)
                self.leave(leg, reason, text)
                if attachment is not None:
                    attachment.hang_up(reason, text)
            case RecordingStopped(room, _, why):
                # Without a reason it was stopped here, and may have been started again since.
                if why and room in self._rooms:
                    self._set_recorded(room, False)
            case RecordingStarted() | PlayEnded():
                _log.debug("%s", event)

    def _tell_quality(self, name: RoomName, legs: Mapping[ParticipantId, LegStatistics]) -> None:
        """To those who have a screen, about those who are still here."""
        here = {leg: one for leg, one in legs.items() if leg in self._seated}
        for leg, measured in here.items():
            self._seated[leg].statistics = measured
        self.monitor.measured(name, here, self._time.clock())
        if here and name in self._rooms:
            for listener in list(self._rooms[name].legs.values()):
                if self._seated[listener.id].native:
                    listener.notify(QualityTold(here))

    # --- experiments ------------------------------------------------------------------------

    def clock(self) -> float:
        """The time of the monitor's entries."""
        return self._time.clock()

    def is_lab(self, room: RoomName) -> bool:
        return self._plan.is_lab(room)

    def inject(self, name: RoomName, injection: Injection) -> None:
        """Failures come to this room from now on, in place of those that came so far.

        Raises `Refused`: not-found where nobody is in it, forbidden where it is not for this.
        """
        if not self.is_lab(name):
            text = f"no failures for {name!r}: its dial plan does not say 'lab: yes' of this room"
            raise Refused(Reason.FORBIDDEN, text)
        room = self._rooms.get(name)
        if room is None:
            raise Refused(Reason.NOT_FOUND, f"nobody is in {name!r} now")
        now = self._time.clock()
        room.injector = Injector(injection, now)
        _log.info("%s: %s", name, injection)
        self.monitor.watches[name].injecting(room.injector.describe(), now)
        self._set_timer(name, room)

    def stop_injecting(self, name: RoomName) -> None:
        room = self._rooms.get(name)
        if room is not None and room.injector is not None:
            room.injector = None
            _log.info("%s: no failures are injected any more", name)
            self.monitor.watches[name].injecting(None, self._time.clock())
            self._set_timer(name, room)

    def _inject(self, name: RoomName, room: _Room, now: float) -> None:
        if room.injector is None:
            return
        native = [leg for leg in room.legs if self._seated[leg].native]
        fault = room.injector.injection.fault
        for victim in room.injector.victims(room.conference.forests, native, now):
            _log.info("%s: %s strikes %s", name, fault.fault, victim)
            self.monitor.totals.faults += 1
            self._tell(name, room, victim, fault)
        self.monitor.watches[name].injecting(room.injector.describe(), now)
        if room.injector.has_ended(now):
            self.stop_injecting(name)

    # --- for status and shutdown ------------------------------------------------------------

    def inventory(self) -> Mapping[str, int]:
        return {
            "rooms": len(self._rooms),
            "participants": len(self._seated),
            "legs_opening": len(self._opening),
        }

    def tree_figures(self) -> TreeFigures:
        return self.monitor.figures(room.conference.forests for room in self._rooms.values())

    def describe(self) -> Mapping[str, object]:
        """Every room with its roster and its trees, as plain values for JSON."""
        return {
            name: {**_describe(room.conference), "media": self._describe_media(room)}
            for name, room in self._rooms.items()
        }

    def _describe_media(self, room: _Room) -> Mapping[str, object]:
        measured = {leg: self._seated[leg].statistics for leg in room.legs}
        return {
            leg: {"quality": one.quality, **asdict(one)}
            for leg, one in measured.items()
            if one is not None
        }

    # --- inside -----------------------------------------------------------------------------

    def _open(self, room: RoomName, leg: Leg) -> None:
        if room in self._rooms and self._rooms[room].conference.is_full:
            raise Refused(Reason.BUSY, f"conference {room!r} is full")
        self._opening[leg.id] = (room, leg)

    def _attachment(self, leg: ParticipantId) -> Leg | None:
        if leg in self._opening:
            return self._opening[leg][1]
        return self._seated[leg].leg if leg in self._seated else None

    def _check_still_opening(self, leg: ParticipantId) -> None:
        """Raises `Refused` if the leg has left while its media was being negotiated."""
        if leg not in self._opening:
            self._plane.close(leg)
            raise Refused(Reason.CANCELLED, "the caller has gone")

    def _abandon(self, leg: ParticipantId) -> None:
        self._opening.pop(leg, None)
        self._plane.close(leg)

    def _enter(
        self,
        name: RoomName,
        leg: Leg,
        *,
        native: bool,
        publishes: frozenset[MediaKind],
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> None:
        now = self._time.clock()
        room = self._rooms.get(name) or _Room(
            Conference(self._policy, self._max_participants, self._rules(name)),
            Announcements(enabled=self._announces),
        )
        participant = Participant(leg.id, leg.kind, leg.name, publishes)
        try:
            room.conference.join(
                participant, native=native, now=now, key=key, former=former, device=device
            )
        except Refused:
            if not native:
                self._plane.close(leg.id)
            raise
        self._rooms[name] = room
        room.legs[leg.id] = leg
        self._seated[leg.id] = _Seated(leg, name, native, now)
        room.announcements.joined(leg.id, now, listens=not native)
        _log.info("%s joined %s by %s as %r from %s", leg.id, name, leg.kind, leg.name, leg.address)
        self._drain(name, room)

    def _act(self, leg: ParticipantId, act: Callable[[Conference], None]) -> None:
        seated = self._seated.get(leg)
        if seated is not None:
            room = self._rooms[seated.room]
            try:
                act(room.conference)
            finally:
                # Of what is refused a part may hold.
                self._drain(seated.room, room)

    def _is_recorded(self, name: RoomName) -> bool:
        return self._rooms[name].conference.roster.recorded

    def _set_recorded(self, name: RoomName, recorded: bool) -> None:
        room = self._rooms[name]
        had_seat = room.conference.has_seat
        room.conference.record(recorded, self._time.clock())
        room.announcements.recorded(recorded)
        self._end_seat(name, room, had_seat)
        self._drain(name, room)

    def _end_seat(self, name: RoomName, room: _Room, had_seat: bool) -> None:
        """Browsers' connections with a seat that nobody needs any more are closed."""
        if had_seat and not room.conference.has_seat:
            for peer in room.legs:
                self._plane.drop_peer(name, peer)

    def _drain(self, name: RoomName, room: _Room) -> None:
        """Tells everyone concerned what the conference decided, and sets its timer anew."""
        now, has_seat = self._time.clock(), room.conference.has_seat
        for event in room.conference.events():
            self.monitor.told(name, event, now, seat=has_seat)
            match event:
                case RosterChanged(roster):
                    for leg in list(room.legs.values()):
                        leg.notify(event)
                    for participant in roster.participants:
                        self._hush(participant)
                case Attach(edge) | Detach(edge) | Standby(edge):
                    _log.debug("%s: %s", name, event)
                    for end in (edge.parent, edge.child):
                        self._tell(name, room, end, event)
                case Departed(leaver) if leaver in room.legs:
                    attachment = room.legs[leaver]
                    self.leave(leaver, Reason.NORMAL, "left")
                    attachment.hang_up(Reason.NORMAL, "you left")
        self._announce(name, room)
        self._set_timer(name, room)

    def _hush(self, participant: Participant) -> None:
        """The mixer leaves out who muted itself, and who may not speak."""
        seated = self._seated.get(participant.id)
        if seated is None or seated.native:
            return
        hushed = participant.muted.audio or MediaKind.AUDIO not in participant.publishes
        if hushed != seated.hushed:
            seated.hushed = hushed
            self._plane.mute(participant.id, hushed)

    def _announce(self, name: RoomName, room: _Room) -> None:
        for said in room.announcements.events():
            match said:
                case Play(to, prompts):
                    self._plane.play(name, to, prompts)
                case StopPlaying(to):
                    self._plane.stop_playing(name, to)

    def _set_timer(self, name: RoomName, room: _Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
            room.timer = None
        injecting = None if room.injector is None else room.injector.next_timeout()
        deadlines = (
            room.conference.next_timeout(),
            room.announcements.next_timeout(),
            injecting,
        )
        deadline = min((one for one in deadlines if one is not None), default=None)
        if deadline is not None and room.legs:
            room.timer = self._time.call_at(deadline, lambda: self._on_timer(name, room))

    def _tell(self, name: RoomName, room: _Room, end: ParticipantId, event: LegEvent) -> None:
        if end == SEAT:
            match event:
                case Attach(edge):
                    self._plane.attach(name, edge)
                case Detach(edge):
                    self._plane.detach(name, edge)
        elif end in room.legs:
            room.legs[end].notify(event)

    def _on_timer(self, name: RoomName, room: _Room) -> None:
        room.timer = None
        now = self._time.clock()
        room.conference.handle_timeout(now)
        room.announcements.handle_timeout(now)
        self._inject(name, room, now)
        self._drain(name, room)


_AUDIO = frozenset({MediaKind.AUDIO})


def _describe(conference: Conference) -> Mapping[str, object]:
    participants = [
        {
            "id": p.id,
            "kind": p.kind,
            "name": p.name,
            "publishes": sorted(p.publishes),
            "muted": {"audio": p.muted.audio, "video": p.muted.video},
            "may": sorted(p.may),
            "moderator": p.moderator,
            "online": p.online,
            "hears": sorted(conference.hears(p.id)),
        }
        for p in conference.roster.participants
    ]
    trees = {
        kind: {
            source: {"root": tree.root, "parent_of": tree.parent_of}
            for source, tree in forest.items()
        }
        for kind, forest in conference.forests.items()
    }
    return {
        "version": conference.roster.version,
        "recorded": conference.roster.recorded,
        "participants": participants,
        "trees": trees,
    }
