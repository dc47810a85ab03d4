"""One room: a conference with its legs, its seat, its timer; carries out what is decided."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.conference.description import describe
from gateway.conference.experiment import Experiment
from gateway.conference.focus import Conference, Departed
from gateway.conference.injection import Injection
from gateway.conference.member import Shown
from gateway.conference.monitor import Monitor
from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.conference.seat import Seat
from gateway.conference.seat_signal import SeatSignal
from gateway.conference.surroundings import Handle, Surroundings
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Detach,
    Edge,
    Leg,
    LegEvent,
    Measured,
    MediaKind,
    Muted,
    Participant,
    ParticipantId,
    QualityTold,
    RecordingStopped,
    RoomName,
    RosterChanged,
    SeatReceiving,
    Signal,
    Standby,
)
from gateway.statistics import LegStatistics

_log = logging.getLogger("trestle.rooms")

RECORDINGS_APART = 5.0
"""Seconds between the end of a recording and the next one of the same room: more than both notices
last, or they would be heard later and later."""


@dataclass(slots=True)
class _Seated:
    """A leg with what the room knows about it."""

    leg: Leg
    native: bool
    since: float
    statistics: LegStatistics | None = None
    """The latest, of one whose media ends at the gateway."""


class Room:
    """From its first leg to its last. Participants act by its methods: native ones themselves, the
    others through `ports.Focus`. What somebody says who has left is passed over."""

    def __init__(
        self,
        name: RoomName,
        conference: Conference,
        seat: Seat,
        monitor: Monitor,
        surroundings: Surroundings,
        leave: Callable[[ParticipantId, Reason, str], None],
        *,
        may_record: bool,
    ) -> None:
        """`leave` takes a leg out of this room, and the room down if that was the last one."""
        self.name = name
        self.conference = conference
        self.may_record = may_record
        """Whether its participants may."""
        self._seat = seat
        self._monitor = monitor
        self._time = surroundings
        self._leave = leave
        self._experiment = Experiment(name, monitor)
        self._seated: dict[ParticipantId, _Seated] = {}
        self._timer: Handle | None = None
        self._may_record_again = 0.0

    @property
    def is_empty(self) -> bool:
        return not self._seated

    def leg(self, leg: ParticipantId) -> Leg | None:
        return self._seated[leg].leg if leg in self._seated else None

    # --- who is in --------------------------------------------------------------------------

    def admit(
        self,
        leg: Leg,
        publishes: frozenset[MediaKind],
        *,
        native: bool,
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> None:
        """As `Conference.join`; `carry_out` tells everybody. Raises `Refused`: busy, forbidden."""
        now = self._time.clock()
        participant = Participant(leg.id, leg.kind, leg.name, publishes)
        self.conference.join(
            participant, native=native, now=now, key=key, former=former, device=device
        )
        self._seated[leg.id] = _Seated(leg, native, now)
        self._seat.joined(leg.id, now, native=native)
        _log.info(
            "%s joined %s by %s as %r from %s", leg.id, self.name, leg.kind, leg.name, leg.address
        )

    def take_out(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        seated = self._seated.pop(leg)
        now = self._time.clock()
        _log.info(
            "%s left %s after %.0f s: %s (%s)", leg, self.name, now - seated.since, reason, text
        )
        had_seat = self.conference.has_seat
        self.conference.leave(leg, now)
        self._seat.left(leg, now)
        self._end_seat(had_seat)
        if self.is_empty and self._is_recorded:
            self._seat.stop_recording()
        self.carry_out()

    def withdraw(self, leg: ParticipantId) -> None:
        """It is hung up as soon as nobody depends on it any more."""
        self._act(leg, lambda now: self.conference.withdraw(leg, now))

    # --- what participants do ---------------------------------------------------------------

    def publish(self, leg: ParticipantId, publishes: frozenset[MediaKind]) -> None:
        """Raises `Refused` (forbidden) for what it may not publish; the rest holds."""
        self._act(leg, lambda now: self.conference.publish(leg, publishes, now))

    def grant(self, leg: ParticipantId, who: ParticipantId, kinds: frozenset[MediaKind]) -> None:
        """`who` may publish these kinds and no others. Raises `Refused`: forbidden, not-found."""
        self._act(leg, lambda now: self.conference.grant(leg, who, kinds, now))
        _log.info("%s lets %s publish %s", leg, who, ", ".join(sorted(kinds)) or "nothing")

    def raise_hand(self, leg: ParticipantId) -> None:
        self._act(leg, lambda now: self.conference.raise_hand(leg, now))

    def lower_hand(self, leg: ParticipantId, who: ParticipantId) -> None:
        """Raises `Refused` (forbidden) for another's where `leg` does not moderate."""
        self._act(leg, lambda now: self.conference.lower_hand(leg, who, now))

    def block(self, leg: ParticipantId, source: ParticipantId, blocked: bool) -> None:
        """`leg`, whatever it joined with, wants nothing of `source`, or everything again.

        Raises `Refused` (not-found) where `source` is not in the room.
        """
        self._act(leg, lambda now: self.conference.block(leg, source, blocked, now))
        self._seat.block(leg, source, blocked)

    def set_muted(self, leg: ParticipantId, muted: Muted) -> None:
        self._act(leg, lambda _: self.conference.mute(leg, muted))

    def view(self, leg: ParticipantId, shows: Shown) -> None:
        self._act(leg, lambda now: self.conference.view(leg, shows, now))

    def unreachable(self, leg: ParticipantId, neighbour: ParticipantId) -> None:
        _log.info("%s finds no network path to %s", leg, neighbour, extra=BY_STRANGERS)
        self._act(leg, lambda now: self.conference.unreachable(leg, neighbour, now))

    def report(self, leg: ParticipantId, report: Report) -> None:
        if leg in self._seated:
            now = self._time.clock()
            self._monitor.reported(self.name, leg, report, now)
            if self.conference.report(leg, report, now):
                self.carry_out()

    def ready(self, edge: Edge) -> None:
        """The edge's child has the stream."""
        if edge.child in self._seated:
            self._is_ready(edge)

    def record(self, leg: ParticipantId, recorded: bool) -> None:
        """A participant wishes that all of the room is recorded from now on, or not any more.

        Raises `Refused`: forbidden where nobody may record, overloaded right after the last one
        ended: each is a file, and everybody hears of each.
        """
        if not self.may_record:
            raise Refused(Reason.FORBIDDEN, "recording is switched off on this server")
        if leg not in self._seated or self._is_recorded == recorded:
            return
        now = self._time.clock()
        if recorded and now < self._may_record_again:
            raise Refused(Reason.OVERLOADED, "the last recording has only just ended")
        self._may_record_again = now + RECORDINGS_APART
        _log.info("%s %s the recording of %s", leg, "starts" if recorded else "stops", self.name)
        if recorded:
            self._seat.record()
        else:
            self._seat.stop_recording()
        self._set_recorded(recorded)

    def signal(self, leg: ParticipantId, to: ParticipantId, body: Mapping[str, object]) -> None:
        """Passes a negotiation message to a neighbour. Raises `Refused`: not-found if it left,
        overloaded where the two negotiate without end."""
        if leg in self._seated:
            describes = "description" in body
            try:
                self.conference.negotiate(leg, to, self._time.clock(), describes=describes)
            except Refused:
                self.carry_out()
                raise
            self._seated[to].leg.notify(Signal(leg, body))

    async def seat_signal(
        self, leg: ParticipantId, body: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """A negotiation message to the seat; gives the message to send back, if there is one.

        Raises `Refused`: bad-request for what is malformed, media for what cannot be accepted.
        """
        message = SeatSignal.parse(body)
        if not self._meets_seat(leg):
            raise Refused(Reason.NOT_FOUND, "the seat takes no part now")
        reply = await self._seat.receive(leg, message)
        if reply is not None and not self._meets_seat(leg):
            self._seat.drop([leg])
            return None
        return reply

    # --- the media plane --------------------------------------------------------------------

    def on_media_event(self, event: SeatReceiving | Measured | RecordingStopped) -> None:
        match event:
            case SeatReceiving(_, edge):
                self._is_ready(edge)
            case Measured(_, legs):
                self._tell_quality(legs)
            case RecordingStopped(_, _, why):
                # Without a reason it was stopped here, and may have been started again since.
                if why:
                    self._set_recorded(False)

    def _tell_quality(self, legs: Mapping[ParticipantId, LegStatistics]) -> None:
        """To those who have a screen, about those who are still here."""
        here = {leg: one for leg, one in legs.items() if leg in self._seated}
        for leg, statistics in here.items():
            self._seated[leg].statistics = statistics
        self._monitor.measured(self.name, here, self._time.clock())
        if here:
            for seated in list(self._seated.values()):
                if seated.native:
                    seated.leg.notify(QualityTold(here))

    # --- experiments and status -------------------------------------------------------------

    def inject(self, injection: Injection) -> None:
        """Failures come from now on, in place of those that came so far."""
        self._experiment.begin(injection, self._time.clock())
        self._set_timer()

    def stop_injecting(self) -> None:
        self._experiment.end(self._time.clock())
        self._set_timer()

    def describe(self) -> Mapping[str, object]:
        """Its roster, its trees and its media, as plain values for JSON."""
        measured = {leg: one.statistics for leg, one in self._seated.items() if one.statistics}
        return describe(self.conference, measured)

    # --- carrying out -----------------------------------------------------------------------

    def carry_out(self) -> None:
        """Tells everyone concerned what the conference decided, and sets the timer anew."""
        now, has_seat = self._time.clock(), self.conference.has_seat
        for event in self.conference.events():
            self._monitor.told(self.name, event, now, seat=has_seat)
            match event:
                case RosterChanged(roster):
                    for seated in list(self._seated.values()):
                        seated.leg.notify(event)
                    for participant in roster.participants:
                        self._seat.heed(participant)
                case Attach(edge) | Detach(edge) | Standby(edge):
                    _log.debug("%s: %s", self.name, event)
                    for end in (edge.parent, edge.child):
                        self._tell(end, event)
                case Departed(leaver) if leaver in self._seated:
                    leg = self._seated[leaver].leg
                    self._leave(leaver, Reason.NORMAL, "left")
                    leg.hang_up(Reason.NORMAL, "you left")
        self._seat.announce()
        self._set_timer()

    def _tell(self, end: ParticipantId, event: LegEvent) -> None:
        if end == SEAT:
            self._seat.notify(event)
        elif end in self._seated:
            self._seated[end].leg.notify(event)

    def _act(self, leg: ParticipantId, act: Callable[[float], None]) -> None:
        if leg in self._seated:
            try:
                act(self._time.clock())
            finally:
                # Of what is refused a part may hold.
                self.carry_out()

    def _is_ready(self, edge: Edge) -> None:
        now = self._time.clock()
        self._monitor.ready(self.name, edge, now)
        self.conference.ready(edge, now)
        self.carry_out()

    @property
    def _is_recorded(self) -> bool:
        return self.conference.roster.recorded

    def _set_recorded(self, recorded: bool) -> None:
        had_seat = self.conference.has_seat
        self.conference.record(recorded, self._time.clock())
        self._seat.recorded(recorded)
        self._end_seat(had_seat)
        self.carry_out()

    def _meets_seat(self, leg: ParticipantId) -> bool:
        return leg in self._seated and self.conference.has_seat

    def _end_seat(self, had_seat: bool) -> None:
        """Browsers' connections with a seat that nobody needs any more are closed."""
        if had_seat and not self.conference.has_seat:
            self._seat.drop(self._seated)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        parts = (self.conference, self._seat, self._experiment)
        deadlines = [part.next_timeout() for part in parts]
        deadline = min((one for one in deadlines if one is not None), default=None)
        if deadline is not None and self._seated:
            self._timer = self._time.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = self._time.clock()
        self.conference.handle_timeout(now)
        self._seat.handle_timeout(now)
        native = [leg for leg, seated in self._seated.items() if seated.native]
        for victim, fault in self._experiment.strike(self.conference.forests, native, now):
            self._tell(victim, fault)
        self.carry_out()
