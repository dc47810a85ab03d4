"""All conferences of this gateway: which rooms there are, who is where, and who comes in.

Implements `ports.Focus` for the bridges; native participants (web sockets) `enter`, and then talk
to their `Room`. Runs on the event loop but knows nothing of it: the clock and the timer come in.
"""

import logging
from collections.abc import Callable, Mapping

from gateway.address import Address
from gateway.conference.announcements import Announcements
from gateway.conference.focus import Conference
from gateway.conference.injection import Injection
from gateway.conference.monitor import Monitor, TreeFigures
from gateway.conference.openings import Openings
from gateway.conference.permissions import Rules
from gateway.conference.report import ANY_DEVICE, Device
from gateway.conference.room import Room
from gateway.conference.seat import Seat
from gateway.conference.surroundings import DialPlan, Surroundings
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import (
    Answer,
    Candidate,
    DigitPressed,
    Leg,
    LegFailed,
    Measured,
    MediaEvent,
    MediaKind,
    MediaPlane,
    Muted,
    Offer,
    ParticipantId,
    PlayEnded,
    RecordingStarted,
    RecordingStopped,
    RoomName,
    SeatReceiving,
)
from gateway.trees.planner import TreePolicy

_log = logging.getLogger("trestle.rooms")


class Rooms:
    """A room exists from its first leg to its last."""

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
        self._may_record = recording
        self._rules = rules
        self.monitor = Monitor()
        self._rooms: dict[RoomName, Room] = {}
        self._room_of: dict[ParticipantId, Room] = {}
        self._openings = Openings(plane)

    # --- ports.Focus ------------------------------------------------------------------------

    def route(self, to: Address, caller: Address) -> RoomName:
        destination = self._plan.resolve(to, caller)
        room = destination.room
        if destination.open or room in self._rooms or self._plan.is_declared(room):
            return room
        raise Refused(Reason.NOT_FOUND, f"there is no conference {room!r} now")

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        self._check_space(room)
        return await self._openings.answer(room, leg, offer)

    def confirm(self, leg: ParticipantId) -> None:
        opening = self._openings.take(leg)
        if opening is None:
            return
        name, attachment = opening
        room = self._room(name)
        try:
            room.admit(attachment, _AUDIO, native=False)
        except Refused as refused:
            self._plane.close(leg)
            _log.info("%s cannot join: %s", leg, refused.text, extra=BY_STRANGERS)
            attachment.hang_up(refused.reason, refused.text)
            return
        self._keep(room, leg)
        self._plane.confirm(leg)

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        self._check_space(room)
        return await self._openings.offer(room, leg)

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        await self._openings.accept(leg, answer)
        self.confirm(leg)

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        room = self._room_of.get(leg)
        if room is None:
            raise Refused(Reason.NOT_FOUND, "the leg has left")
        return await self._plane.answer(room.name, leg, offer)

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        self._plane.add_candidate(leg, candidate)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        if leg in self._room_of:
            self._room_of[leg].set_muted(leg, Muted(audio=muted))

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        if self._openings.leg(leg) is not None:
            self._openings.abandon(leg)
            _log.info("%s gave up before joining: %s (%s)", leg, reason, text, extra=BY_STRANGERS)
            return
        room = self._room_of.pop(leg, None)
        if room is None:
            return
        room.take_out(leg, reason, text)
        # Whoever had stayed for this one only has gone by now, and perhaps the room with it.
        if room.is_empty and room.name in self._rooms:
            del self._rooms[room.name]
            self.monitor.closed(room.name)
            _log.info("room %s is empty and closed", room.name)

    # --- native participants ----------------------------------------------------------------

    def enter(
        self,
        name: RoomName,
        leg: Leg,
        publishes: frozenset[MediaKind],
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> Room:
        """A native participant joins; `leg` hears of the roster first and of its edges then. It
        ends by `leave`, as all do.

        `key` is a moderator's; `former` the participant that has just left to come back so.
        Raises `Refused`: busy, forbidden for a wrong key.
        """
        room = self._room(name)
        room.admit(leg, publishes, native=True, key=key, former=former, device=device)
        self._keep(room, leg.id)
        return room

    # --- the media plane --------------------------------------------------------------------

    def on_media_event(self, event: MediaEvent) -> None:
        match event:
            case DigitPressed(leg, digit):
                _log.info("%s pressed %s", leg, digit, extra=BY_STRANGERS)
            case LegFailed(leg, reason, text):
                attachment = self._attachment(leg)
                self.leave(leg, reason, text)
                if attachment is not None:
                    attachment.hang_up(reason, text)
            case SeatReceiving(name) | Measured(name) | RecordingStopped(name):
                if name in self._rooms:
                    self._rooms[name].on_media_event(event)
            case RecordingStarted() | PlayEnded():
                _log.debug("%s", event)

    # --- experiments ------------------------------------------------------------------------

    def clock(self) -> float:
        """The time of the monitor's entries."""
        return self._time.clock()

    def is_lab(self, room: RoomName) -> bool:
        """Whether failures may be injected into this room."""
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
        room.inject(injection)

    def stop_injecting(self, name: RoomName) -> None:
        if name in self._rooms:
            self._rooms[name].stop_injecting()

    # --- for status and shutdown ------------------------------------------------------------

    def inventory(self) -> Mapping[str, int]:
        return {
            "rooms": len(self._rooms),
            "participants": len(self._room_of),
            "legs_opening": len(self._openings),
        }

    def tree_figures(self) -> TreeFigures:
        return self.monitor.figures(room.conference.forests for room in self._rooms.values())

    def describe(self) -> Mapping[str, object]:
        """Every room with its roster and its trees, as plain values for JSON."""
        return {name: room.describe() for name, room in self._rooms.items()}

    # --- inside -----------------------------------------------------------------------------

    def _check_space(self, room: RoomName) -> None:
        if room in self._rooms and self._rooms[room].conference.is_full:
            raise Refused(Reason.BUSY, f"conference {room!r} is full")

    def _attachment(self, leg: ParticipantId) -> Leg | None:
        room = self._room_of.get(leg)
        return self._openings.leg(leg) if room is None else room.leg(leg)

    def _keep(self, room: Room, leg: ParticipantId) -> None:
        """`leg` is in now, and everybody may hear of it."""
        self._rooms[room.name] = self._room_of[leg] = room
        room.carry_out()

    def _room(self, name: RoomName) -> Room:
        """The one that there is, or a new one, to be kept once somebody is in it."""
        if name in self._rooms:
            return self._rooms[name]
        return Room(
            name,
            Conference(self._policy, self._max_participants, self._rules(name)),
            Seat(name, self._plane, Announcements(enabled=self._announces)),
            self.monitor,
            self._time,
            self.leave,
            may_record=self._may_record,
        )


_AUDIO = frozenset({MediaKind.AUDIO})
