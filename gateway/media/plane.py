"""The media plane inside the signalling process: the first one, and the one for tests.

Routes what the conference says to rooms, legs and seats; what happens there is told in `room`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway.errors import Reason, Refused
from gateway.media.negotiation import Choice, Transport, choose
from gateway.media.room import Room
from gateway.media.rtp_leg import RtpLeg
from gateway.media.rtp_ports import RtpPorts, address_towards, family_of
from gateway.media.seat import Seat
from gateway.media.webrtc_leg import WebRtcLeg
from gateway.ports import (
    Answer,
    Candidate,
    Edge,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
    Track,
)
from gateway.sdp import SessionDescription

log = logging.getLogger("trestle.media")

_LAST_WORDS = 5.0
"""Seconds that `stop` gives connections to say goodbye."""


@dataclass(frozen=True, slots=True)
class _OpenLeg:
    leg: RtpLeg | WebRtcLeg
    room: RoomName


class InlinePlane:
    """Implements `ports.MediaPlane` on the running event loop."""

    def __init__(
        self,
        *,
        rtp_ports: range = range(20_000, 30_000),
        address: str | None = None,
        rtp_timeout: float = 60.0,
    ) -> None:
        """`address` stands in descriptions for phones; None: that of the way to each of them.

        A leg fails when no RTP came from it for `rtp_timeout` seconds, unless it is on hold.
        """
        self._ports = RtpPorts(rtp_ports)
        self._address = address
        self._rtp_timeout = rtp_timeout
        self._on_event: Callable[[MediaEvent], None] = lambda _: None
        self._rooms: dict[RoomName, Room] = {}
        self._legs: dict[ParticipantId, _OpenLeg] = {}
        self._closing: set[asyncio.Task[None]] = set()
        """Connections that say goodbye; they count as open until they have."""
        self._stopping: set[asyncio.Task[None]] = set()
        """Clocks of rooms that have ended."""

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        self._on_event = on_event

    async def stop(self) -> None:
        for leg in tuple(self._legs):
            self.close(leg)
        for room in tuple(self._rooms.values()):
            for peer in room.peers:
                self.drop_peer(room.name, peer)
        ending = self._closing | self._stopping
        if ending:
            await asyncio.wait(ending, timeout=_LAST_WORDS)

    def inventory(self) -> Mapping[str, int]:
        webrtc_legs = sum(isinstance(one.leg, WebRtcLeg) for one in self._legs.values())
        seats = sum(len(room.peers) for room in self._rooms.values())
        return {
            "rtp_legs": len(self._legs) - webrtc_legs,
            "peer_connections": webrtc_legs + seats + len(self._closing),
            "mixers": len(self._rooms),
        }

    # --- legs --------------------------------------------------------------------------------

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        description = SessionDescription.parse(offer.sdp)
        choice = choose(description)
        known = self._legs.get(leg)
        if known is not None:
            return Answer(str(await _answer(known.leg, description, choice)))
        try:
            opened = await self._open(room, leg, choice)
            answer = await _answer(opened, description, choice)
            self._check_open(leg, opened)
        except BaseException:
            self.close(leg)
            raise
        return Answer(str(answer))

    async def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        try:
            opened = await self._open_rtp(room, leg, self._address or address_towards(None))
        except BaseException:
            self.close(leg)
            raise
        return Offer(str(opened.offer()))

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        known = self._legs.get(leg)
        if known is None or not isinstance(known.leg, RtpLeg):
            raise Refused(Reason.BAD_REQUEST, "an answer to an offer that was not made")
        known.leg.accept(SessionDescription.parse(answer.sdp))

    def confirm(self, leg: ParticipantId) -> None:
        known = self._legs.get(leg)
        if known is not None:
            self._room(known.room).add_leg(known.leg)

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        known = self._legs.get(leg)
        if known is not None and isinstance(known.leg, WebRtcLeg):
            known.leg.add_candidate(candidate.line)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        known = self._legs.get(leg)
        if known is not None and known.room in self._rooms:
            self._rooms[known.room].mute(leg, muted)

    def close(self, leg: ParticipantId) -> None:
        known = self._legs.pop(leg, None)
        if known is None:
            return
        if known.room in self._rooms:
            self._rooms[known.room].remove_leg(leg)
            self._tidy(known.room)
        if isinstance(known.leg, WebRtcLeg):
            self._watch(known.leg.close())
        else:
            known.leg.close()

    # --- the seat ----------------------------------------------------------------------------

    async def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        description = SessionDescription.parse(offer.sdp)
        seat = self._seat(room, peer, connection)
        if seat is not None:
            return Answer(str(await seat.answer(description, tracks)))
        self._end_seat(room, peer)
        seat = Seat(peer, connection, partial(self._seat_failed, room, peer, connection))
        self._room(room).add_seat(seat)
        try:
            answer = await seat.answer(description, tracks)
        except BaseException:
            if self._seat(room, peer, connection) is seat:
                self._end_seat(room, peer)
                self._tidy(room)
            raise
        return Answer(str(answer))

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None:
        seat = self._seat(room, peer, connection)
        if seat is not None:
            seat.set_tracks(tracks)

    def seat_candidate(
        self, room: RoomName, peer: ParticipantId, connection: str, candidate: Candidate
    ) -> None:
        seat = self._seat(room, peer, connection)
        if seat is not None:
            seat.connection.add_candidate(candidate.line)

    def attach(self, room: RoomName, edge: Edge) -> None:
        self._room(room).attach(edge)

    def detach(self, room: RoomName, edge: Edge) -> None:
        if room in self._rooms:
            self._rooms[room].detach(edge)
            self._tidy(room)

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None:
        if room not in self._rooms:
            return
        self._end_seat(room, peer)
        if room in self._rooms:
            self._rooms[room].forget(peer)
            self._tidy(room)

    # --- inside ------------------------------------------------------------------------------

    async def _open(self, room: RoomName, leg: ParticipantId, choice: Choice) -> RtpLeg | WebRtcLeg:
        if choice.transport is Transport.WEBRTC:
            webrtc = WebRtcLeg(leg, self._emit)
            self._legs[leg] = _OpenLeg(webrtc, room)
            return webrtc
        address = self._address or address_towards(choice.section.connection)
        return await self._open_rtp(room, leg, address)

    async def _open_rtp(self, room: RoomName, leg: ParticipantId, address: str) -> RtpLeg:
        opened = RtpLeg(leg, address, self._rtp_timeout, self._emit)
        self._legs[leg] = _OpenLeg(opened, room)
        await opened.open(self._ports.bind(family_of(address)))
        return opened

    def _check_open(self, leg: ParticipantId, opened: RtpLeg | WebRtcLeg) -> None:
        """Raises `Refused` if the leg was closed while it was being opened."""
        known = self._legs.get(leg)
        if known is None or known.leg is not opened:
            raise Refused(Reason.CANCELLED, "the caller has gone")

    def _room(self, name: RoomName) -> Room:
        if name not in self._rooms:
            self._rooms[name] = Room(name, self._emit)
        return self._rooms[name]

    def _tidy(self, name: RoomName) -> None:
        """Ends a room that holds nothing any more."""
        if self._rooms[name].is_empty:
            clock = self._rooms.pop(name).close()
            if clock is not None:
                self._stopping.add(clock)
                clock.add_done_callback(self._stopping.discard)

    def _seat(self, room: RoomName, peer: ParticipantId, connection: str) -> Seat | None:
        seat = self._rooms[room].seat(peer) if room in self._rooms else None
        return seat if seat is not None and seat.name == connection else None

    def _end_seat(self, room: RoomName, peer: ParticipantId) -> None:
        """The connection only; the peer's edges wait for its next one."""
        seat = self._rooms[room].remove_seat(peer) if room in self._rooms else None
        if seat is not None:
            self._watch(seat.close())

    def _seat_failed(self, room: RoomName, peer: ParticipantId, connection: str, why: str) -> None:
        if self._seat(room, peer, connection) is not None:
            log.info("%s lost its connection with the seat: %s", peer, why)
            self._end_seat(room, peer)
            self._tidy(room)

    def _watch(self, closing: "asyncio.Task[None]") -> None:
        self._closing.add(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, task: "asyncio.Task[None]") -> None:
        self._closing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a connection did not close cleanly", exc_info=task.exception())

    def _emit(self, event: MediaEvent) -> None:
        """From outside of whatever happens now: the listener may call us back."""
        asyncio.get_running_loop().call_soon(self._on_event, event)


async def _answer(
    leg: RtpLeg | WebRtcLeg, offer: SessionDescription, choice: Choice
) -> SessionDescription:
    """Raises `Refused`: media where a later offer asks for another kind of transport."""
    match leg, choice.transport:
        case RtpLeg(), Transport.RTP:
            return leg.answer(offer, choice)
        case WebRtcLeg(), Transport.WEBRTC:
            return await leg.answer(offer)
    raise Refused(Reason.MEDIA, f"a call cannot change over to {choice.transport.value}")
