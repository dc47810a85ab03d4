"""The media plane's answers to the conference, without an event loop: see `ports.MediaPlane`.

Holds the rooms, legs and seats of one engine and the ports they use. Whoever drives it calls
`step` every 5 ms with the time, and takes `events`.
"""

import datetime
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.errors import Reason, Refused
from gateway.media.connection import Connection
from gateway.media.dtls import DtlsIdentity
from gateway.media.engine import PHASES, Engine, FirstFrame, RoomFailed
from gateway.media.ice_port import IcePort
from gateway.media.intake import Digit
from gateway.media.metronome import Metronome
from gateway.media.negotiation import Choice, Transport, choose
from gateway.media.phone_leg import PhoneLeg
from gateway.media.phone_ports import PhonePorts
from gateway.media.playing import PlayingEnded
from gateway.media.prompts import load
from gateway.media.recorders import Recorders
from gateway.media.reports import Reporter
from gateway.media.rtp_ports import RtpPorts, address_towards, own_addresses
from gateway.media.seats import Seat, Seats
from gateway.media.settings import Settings
from gateway.media.statistics import Statistics
from gateway.media.webrtc_negotiation import MAX_AUDIO_SECTIONS
from gateway.ports import (
    Answer,
    DigitPressed,
    Edge,
    LegFailed,
    Measured,
    MediaEvent,
    Offer,
    ParticipantId,
    PlayEnded,
    RoomName,
    SeatReceiving,
    Track,
)
from gateway.sdp import SessionDescription
from gateway.statistics import EngineStatistics

log = logging.getLogger("trestle.media")

_HOUSEKEEPING = 0.05
_MEASURED_AT_ONCE = 20
_SILENCE_TURNS = 20


@dataclass(slots=True)
class _Room:
    name: RoomName
    number: int
    seats: Seats
    legs: dict[ParticipantId, "PhoneLeg | Connection"] = field(default_factory=dict)
    admitted: set[ParticipantId] = field(default_factory=set)
    failed: set[ParticipantId] = field(default_factory=set)
    """Legs whose end was told."""


FAREWELL_TIMEOUT = 2.0
"""Seconds after the peer closed DTLS in which its signalling should say goodbye: browsers close
their connection first, and a hang-up shall not be taken for a broken path."""


class Switchboard:
    """One engine with everything around it."""

    def __init__(self, settings: Settings, now: float) -> None:
        """Opens the ICE port. Raises `OSError`."""
        self.engine = Engine(settings.capacity, secrets.randbits, speakers=settings.speakers)
        self._settings = settings
        self._identity = DtlsIdentity(datetime.datetime.now(datetime.UTC))
        ours = (settings.address, *own_addresses())
        hosts = settings.ice_addresses or tuple(dict.fromkeys(one for one in ours if one))
        own = Path(settings.sounds) if settings.sounds is not None else None
        self._sounds = load(settings.language, own)
        self._recorders = Recorders(self.engine, Path(settings.recordings))
        self._reporter = Reporter(self.engine)
        self._statistics = Statistics(self.engine, self._reporter)
        self._ice = IcePort(self.engine, self._identity, hosts, settings.ice_port, now)
        self._phones = PhonePorts(self.engine)
        self._free_ports = RtpPorts(settings.rtp_ports)
        self._rooms: dict[RoomName, _Room] = {}
        self._room_of: dict[ParticipantId, _Room] = {}
        self._events: list[MediaEvent] = []
        self._lost: dict[ParticipantId, tuple[float, str]] = {}
        """When to give them up, and why."""
        self._next_housekeeping = now
        self._report_turns = max(1, round(settings.report_interval / _HOUSEKEEPING))
        self._turn = 0
        """Reports are sent a few at a time."""

    def close(self) -> None:
        self._recorders.close(time.monotonic())
        for leg in tuple(self._room_of):
            self.close_leg(leg)
        for room in tuple(self._rooms.values()):
            for peer, _ in room.seats:
                self.drop_peer(room.name, peer)
        self._ice.close()
        self._phones.close()
        self.engine.close()

    def inventory(self) -> Mapping[str, int]:
        return {
            "rtp_legs": len(self._phones),
            "peer_connections": len(self._ice),
            "mixers": len(self._rooms),
        }

    def events(self) -> list[MediaEvent]:
        """What has happened since the last time."""
        drained, self._events = self._events, []
        return drained + self._recorders.events()

    # --- time --------------------------------------------------------------------------------

    def step(self, number: int, due: float) -> None:
        """Step `number`, every 5 ms: receives, and mixes the rooms of one phase."""
        now, phase = time.monotonic(), number % PHASES
        self._guarded(self._ice.drain, now)
        self._guarded(self._phones.drain, now)
        self.engine.tick(phase, due)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _HOUSEKEEPING
            self._keep_house(now)
        self._tell()

    def _guarded(self, drain: Callable[..., None], *arguments: float) -> None:
        """What strangers send must never stop the clock, not even by a fault of ours."""
        try:
            drain(*arguments)
        except Exception:
            log.exception("received packets are lost by a fault of ours")

    def _keep_house(self, now: float) -> None:
        self._ice.handle_timeout(now)
        self._phones.handle_timeout(now)
        self.engine.handle_timeout(now)
        self._reporter.renew()
        self._recorders.handle_timeout(now)
        self._tell_lost(now)
        turn = self._turn = (self._turn + 1) % self._report_turns
        for room in self._rooms.values():
            room.seats.prefer_living(now)
            for number, (_, seat) in enumerate(room.seats):
                if number % self._report_turns == turn:
                    seat.connection.report(time.time())
        # Some of the legs each time, so that all have their turn within the interval.
        legs = tuple(self._room_of.items())
        for leg, room in legs[turn :: self._report_turns]:
            room.legs[leg].report(time.time())
        self._measure(turn, now)
        for leg, room in legs[turn % _SILENCE_TURNS :: _SILENCE_TURNS]:
            known, limit = room.legs.get(leg), self._settings.rtp_timeout
            if isinstance(known, PhoneLeg) and known.silence(now) > limit:
                self._fail(leg, f"no RTP came for {limit:.0f} s")

    def _measure(self, turn: int, now: float) -> None:
        """Of each room a few legs at a time, so that no step takes long."""
        parts = [
            (room, start)
            for room in self._rooms.values()
            for start in range(0, len(room.admitted), _MEASURED_AT_ONCE)
        ]
        for room, start in parts[turn :: self._report_turns]:
            legs = {}
            for leg in sorted(room.admitted)[start : start + _MEASURED_AT_ONCE]:
                row = self.row_of(leg)
                if row is not None:
                    legs[leg] = measured = self._statistics.measure(leg, row, now)
                    self._statistics.observe(measured)
            if legs:
                self._events.append(Measured(room.name, legs))

    def statistics(self, metronome: Metronome) -> EngineStatistics:
        """How the engine does, driven by `metronome`."""
        refused = Counter(self._ice.refused())
        refused.update(self._phones.refused())
        return self._statistics.of_engine(metronome, len(self._rooms), refused)

    def _tell(self) -> None:
        for event in self.engine.events():
            match event:
                case Digit():
                    leg = self._leg_of(event.row)
                    if leg is not None:
                        log.debug("%s < digit %s", leg, event.digit)
                        self._events.append(DigitPressed(leg, event.digit))
                case FirstFrame():
                    self._tell_received(event.row)
                case PlayingEnded():
                    self._tell_played(event)
                case RoomFailed():
                    self._give_up(event.number)

    def _give_up(self, number: int) -> None:
        """A room that cannot be mixed ends, by its legs."""
        for room in self._rooms.values():
            if room.number == number:
                for leg in room.legs:
                    self._fail(leg, "the media failed by a fault of ours", Reason.FAILURE)

    def _tell_received(self, row: int) -> None:
        for room in self._rooms.values():
            edge = room.seats.first_frame(row)
            if edge is not None:
                self._events.append(SeatReceiving(room.name, edge))
                return

    def _tell_played(self, ended: PlayingEnded) -> None:
        leg = self._leg_of(ended.row) if ended.row is not None else None
        for room in self._rooms.values():
            if room.number == ended.room and (leg is not None or ended.row is None):
                self._events.append(PlayEnded(room.name, leg))

    def _leg_of(self, row: int) -> ParticipantId | None:
        return next((leg for leg in self._room_of if self.row_of(leg) == row), None)

    # --- legs --------------------------------------------------------------------------------

    def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        now = time.monotonic()
        description = SessionDescription.parse(offer.sdp)
        choice = choose(description)
        known = self._room_of.get(leg)
        if known is not None:
            return Answer(str(self._answer(known.legs[leg], description, choice, now)))
        try:
            opened = self._open(room, leg, choice)
            answer = self._answer(opened, description, choice, now)
        except BaseException:
            self.close_leg(leg)
            raise
        return Answer(str(answer))

    def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        try:
            opened = self._open_phone(room, leg, self._settings.address or address_towards(None))
            return Offer(str(opened.offer()))
        except BaseException:
            self.close_leg(leg)
            raise

    def accept(self, leg: ParticipantId, answer: Answer) -> None:
        room = self._room_of.get(leg)
        known = room.legs[leg] if room is not None else None
        if not isinstance(known, PhoneLeg):
            raise Refused(Reason.BAD_REQUEST, "an answer to an offer that was not made")
        known.accept(SessionDescription.parse(answer.sdp), time.monotonic())

    def confirm(self, leg: ParticipantId) -> None:
        """Nothing is sent to a leg before; RTP that comes earlier is not heard."""
        room = self._room_of.get(leg)
        if room is None:
            return
        known = room.legs[leg]
        room.admitted.add(leg)
        self._statistics.begin(leg, time.monotonic())
        if isinstance(known, PhoneLeg):
            known.admit()
        else:
            for section in known.sections.values():
                self.engine.set_source(section.row, True)
        room.seats.apply()

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        row = self.row_of(leg)
        if row is not None:
            self.engine.mute(row, muted)

    def set_gain(self, listener: ParticipantId, source: ParticipantId, gain: float) -> None:
        room = self._room_of.get(listener)
        if room is not None:
            room.seats.set_gain(listener, source, gain)

    def send_digits(self, leg: ParticipantId, digits: str) -> None:
        row = self.row_of(leg)
        if row is None:
            raise Refused(Reason.NOT_FOUND, f"{leg} has no media here")
        try:
            self.engine.send_digits(row, digits)
        except ValueError as problem:
            raise Refused(Reason.BAD_REQUEST, str(problem)) from None
        except LookupError as problem:
            raise Refused(Reason.MEDIA, f"{leg} hears no keys: {problem}") from None
        log.info("%s > digits %s", leg, digits)

    def close_leg(self, leg: ParticipantId) -> None:
        room = self._room_of.get(leg)
        if room is None:
            return
        self._sum_up(leg, room)
        del self._room_of[leg]
        self._lost.pop(leg, None)
        room.admitted.discard(leg)
        room.failed.discard(leg)
        room.seats.forget(leg)
        known = room.legs.pop(leg)
        known.close()
        self._tidy(room)

    def _sum_up(self, leg: ParticipantId, room: _Room) -> None:
        row = self._admitted_row(room.name, leg)
        if row is not None:
            measured = self._statistics.measure(leg, row, time.monotonic())
            log.info("%s had %s", leg, measured)
        self._statistics.end(leg)

    # --- the seat ----------------------------------------------------------------------------

    def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        now = time.monotonic()
        description = SessionDescription.parse(offer.sdp)
        held = self._room(room)
        seat = held.seats.get(peer)
        if seat is not None and seat.name == connection:
            answer = seat.answer(description, tracks, now)
            held.seats.apply()
            return Answer(str(answer))
        held.seats.remove(peer)
        seat = Seat(connection, self._seat_connection(held, peer, connection))
        held.seats.add(peer, seat)
        try:
            answer = seat.answer(description, tracks, now)
        except BaseException:
            held.seats.remove(peer)
            self._tidy(held)
            raise
        held.seats.apply()
        return Answer(str(answer))

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None:
        held = self._rooms.get(room)
        seat = held.seats.get(peer) if held is not None else None
        if held is not None and seat is not None and seat.name == connection:
            seat.set_tracks(tracks)
            held.seats.apply()

    def attach(self, room: RoomName, edge: Edge) -> None:
        self._room(room).seats.attach(edge)

    def detach(self, room: RoomName, edge: Edge) -> None:
        held = self._rooms.get(room)
        if held is not None:
            held.seats.detach(edge)
            self._tidy(held)

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None:
        held = self._rooms.get(room)
        if held is not None:
            held.seats.remove(peer)
            held.seats.forget(peer)
            self._tidy(held)

    # --- prompts and recordings --------------------------------------------------------------

    def play(self, room: RoomName, leg: ParticipantId | None, prompts: tuple[str, ...]) -> None:
        held, row = self._rooms.get(room), self.row_of(leg) if leg is not None else None
        unknown = [name for name in prompts if name not in self._sounds]
        if unknown:
            log.warning("there is no prompt %s", ", ".join(unknown))
        if held is not None and (leg is None) == (row is None):
            sounds = [self._sounds[name] for name in prompts if name in self._sounds]
            self.engine.play(held.number, row, sounds)

    def stop_playing(self, room: RoomName, leg: ParticipantId | None) -> None:
        held, row = self._rooms.get(room), self.row_of(leg) if leg is not None else None
        if held is not None and (leg is None) == (row is None):
            self.engine.stop_playing(held.number, row)

    def record(self, room: RoomName) -> None:
        date = datetime.datetime.now(datetime.UTC)
        self._recorders.start(room, self._room(room).number, time.monotonic(), date)

    def stop_recording(self, room: RoomName) -> None:
        self._recorders.stop(room, time.monotonic())
        held = self._rooms.get(room)
        if held is not None:
            self._tidy(held)

    # --- inside ------------------------------------------------------------------------------

    def _room(self, name: RoomName) -> _Room:
        room = self._rooms.get(name)
        if room is None:
            number = self.engine.open_room()
            room = _Room(
                name, number, Seats(self.engine, number, partial(self._admitted_row, name))
            )
            self._rooms[name] = room
        return room

    def _tidy(self, room: _Room) -> None:
        """Ends a room that holds nothing any more."""
        is_used = room.legs or len(room.seats) or room.name in self._recorders
        if not is_used and self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self.engine.close_room(room.number)

    def _open(self, room: RoomName, leg: ParticipantId, choice: Choice) -> PhoneLeg | Connection:
        if choice.transport is not Transport.WEBRTC:
            address = self._settings.address or address_towards(choice.section.connection)
            return self._open_phone(room, leg, address)
        held = self._room(room)
        opened = Connection(
            held.number,
            self.engine,
            self._ice,
            self._reporter,
            partial(self._lose, leg),
            lambda: None,
            is_leg=True,
            max_audio=1,
        )
        held.legs[leg] = opened
        self._room_of[leg] = held
        return opened

    def _open_phone(self, room: RoomName, leg: ParticipantId, address: str) -> PhoneLeg:
        held = self._room(room)
        try:
            opened = PhoneLeg(
                leg,
                address,
                held.number,
                self.engine,
                self._phones,
                self._free_ports,
                self._reporter,
                partial(self._lose, leg),
            )
        except BaseException:
            self._tidy(held)
            raise
        held.legs[leg] = opened
        self._room_of[leg] = held
        return opened

    def _answer(
        self, leg: PhoneLeg | Connection, offer: SessionDescription, choice: Choice, now: float
    ) -> SessionDescription:
        """Raises `Refused`: media where a later offer asks for another kind of transport."""
        is_webrtc = choice.transport is Transport.WEBRTC
        match leg:
            case PhoneLeg() if not is_webrtc:
                return leg.answer(offer, choice, self._identity, now)
            case Connection() if is_webrtc:
                return leg.answer(offer, now)
        raise Refused(Reason.MEDIA, f"a call cannot change over to {choice.transport.value}")

    def row_of(self, leg: ParticipantId) -> int | None:
        """Its stream in the engine."""
        room = self._room_of.get(leg)
        if room is None:
            return None
        known = room.legs[leg]
        if isinstance(known, PhoneLeg):
            return known.row
        return next((section.row for section in known.sections.values()), None)

    def _admitted_row(self, name: RoomName, leg: ParticipantId) -> int | None:
        room = self._rooms.get(name)
        return self.row_of(leg) if room is not None and leg in room.admitted else None

    def _seat_connection(self, room: _Room, peer: ParticipantId, name: str) -> Connection:
        return Connection(
            room.number,
            self.engine,
            self._ice,
            self._reporter,
            partial(self._seat_failed, room, peer, name),
            room.seats.apply,
            is_leg=False,
            max_audio=MAX_AUDIO_SECTIONS,
        )

    def _seat_failed(self, room: _Room, peer: ParticipantId, name: str, why: str) -> None:
        seat = room.seats.get(peer)
        if seat is not None and seat.name == name:
            log.info("%s lost its connection with the seat: %s", peer, why)
            room.seats.remove(peer)
            self._tidy(room)

    def _lose(self, leg: ParticipantId, why: str) -> None:
        """The way to the peer is gone; told after `FAREWELL_TIMEOUT`, unless it is closed first."""
        self._lost.setdefault(leg, (time.monotonic() + FAREWELL_TIMEOUT, why))

    def _tell_lost(self, now: float) -> None:
        for leg, (due, why) in tuple(self._lost.items()):
            if now >= due:
                del self._lost[leg]
                self._fail(leg, why)

    def _fail(self, leg: ParticipantId, why: str, reason: Reason = Reason.CONNECTIVITY) -> None:
        """The media is gone; the leg's signalling ends it, by `close_leg`."""
        room = self._room_of.get(leg)
        if room is not None and leg not in room.failed:
            room.failed.add(leg)
            self._events.append(LegFailed(leg, reason, why))
