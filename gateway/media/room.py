"""One conference's audio: the legs, the connections with browsers, and the clock that mixes them.

Every 20 ms each leg's and each browser's next frame is taken, the legs get the mix without
themselves, and each leg's own audio goes to the browsers that the edges name. A fault in one leg
ends that leg; the clock goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import Reason
from gateway.media.codecs import Encoder, encoder
from gateway.media.leg import MediaLeg
from gateway.media.mixer import SILENCE, TICK, Frame, mix_minus
from gateway.media.seat import Seat
from gateway.ports import (
    SEAT,
    Edge,
    LegFailed,
    MediaEvent,
    ParticipantId,
    RoomName,
    SeatReceiving,
)

log = logging.getLogger("trestle.media")

_MAX_LATENESS = 0.100
"""A clock that is later than that does not catch up: the missed ticks are left out."""

_COMPLAINT_INTERVAL = 10.0


class Room:
    """Runs from the first leg or browser to the last."""

    def __init__(self, name: RoomName, emit: Callable[[MediaEvent], None]) -> None:
        self.name = name
        self._emit = emit
        self._legs: dict[ParticipantId, MediaLeg] = {}
        self._muted: set[ParticipantId] = set()
        self._seats: dict[ParticipantId, Seat] = {}
        self._edges: dict[Edge, bool] = {}
        """In order of attaching; whether the seat was heard to receive them."""
        self._encoders: dict[tuple[ParticipantId, str], Encoder] = {}
        self._clock: asyncio.Task[None] | None = None
        self._missed = 0
        self._next_complaint = 0.0

    # --- who is in ---------------------------------------------------------------------------

    def add_leg(self, leg: MediaLeg) -> None:
        self._legs[leg.id] = leg
        self._start()

    def remove_leg(self, leg: ParticipantId) -> None:
        self._legs.pop(leg, None)
        self._muted.discard(leg)
        self.forget(leg)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        if muted:
            self._muted.add(leg)
        else:
            self._muted.discard(leg)

    def seat(self, peer: ParticipantId) -> Seat | None:
        return self._seats.get(peer)

    def add_seat(self, seat: Seat) -> None:
        self._seats[seat.peer] = seat
        self._start()

    def remove_seat(self, peer: ParticipantId) -> Seat | None:
        """The connection alone; the edges wait for the browser's next one."""
        for edge in self._edges:
            if edge.parent == peer:
                self._edges[edge] = False
        return self._seats.pop(peer, None)

    @property
    def peers(self) -> tuple[ParticipantId, ...]:
        """The browsers with a connection to the seat."""
        return tuple(self._seats)

    def attach(self, edge: Edge) -> None:
        """Attached again, an edge is the newest of its source's again."""
        self._edges.pop(edge, None)
        self._edges[edge] = False

    def detach(self, edge: Edge) -> None:
        self._edges.pop(edge, None)
        self._forget_encoders()

    @property
    def is_empty(self) -> bool:
        return not self._legs and not self._seats

    def close(self) -> "asyncio.Task[None] | None":
        """Stops the clock; gives the task that ends by that."""
        if self._clock is not None:
            self._clock.cancel()
        return self._clock

    def forget(self, gone: ParticipantId) -> None:
        """A participant has left, and its edges with it."""
        for edge in tuple(self._edges):
            if gone in (edge.source, edge.parent, edge.child):
                del self._edges[edge]
        self._forget_encoders()

    def _forget_encoders(self) -> None:
        sent = {edge.source for edge in self._edges if edge.parent == SEAT}
        for key in tuple(self._encoders):
            if key[0] not in sent:
                del self._encoders[key]

    # --- the clock ---------------------------------------------------------------------------

    def _start(self) -> None:
        if self._clock is None:
            self._clock = asyncio.create_task(self._run(), name=f"room {self.name}")

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        start, tick = loop.time(), 0
        while True:
            tick += 1
            late = loop.time() - (start + tick * TICK)
            if late > _MAX_LATENESS:
                missed = int(late / TICK)
                tick += missed
                late -= missed * TICK
                self._complain(missed, loop.time())
            await asyncio.sleep(max(0.0, -late))
            await self._mix(tick)
            await self._keep_house(loop.time())

    def _complain(self, missed: int, now: float) -> None:
        """On a machine that is too busy this happens several times a second: says so rarely."""
        self._missed += missed
        if now >= self._next_complaint:
            self._next_complaint = now + _COMPLAINT_INTERVAL
            log.warning(
                "%s the mixer is held up, the machine is too busy: %d ms of sound left out",
                self.name,
                self._missed * TICK * 1000,
            )
            self._missed = 0

    async def _mix(self, tick: int) -> None:
        own = {leg.id: self._spoken(leg) for leg in tuple(self._legs.values())}
        others = list(self._browsers())
        mix = mix_minus(own, others)
        for leg in tuple(self._legs.values()):
            # A leg that came while another one was being sent to hears the next tick.
            if leg.id in mix:
                with self._fault_of(leg.id):
                    await leg.send(mix[leg.id], tick)
        await self._feed_browsers(own, tick)

    def _spoken(self, leg: MediaLeg) -> Frame | None:
        frame = None
        with self._fault_of(leg.id):
            # A muted leg is read all the same, so that it comes back without delay.
            frame = leg.pull()
        return None if leg.id in self._muted else frame

    def _browsers(self) -> Iterator[Frame]:
        """Each source once, from the newest parent that delivers it (make before break)."""
        played: set[ParticipantId] = set()
        for edge in reversed(tuple(self._edges)):
            frame = self._received(edge) if edge.child == SEAT else None
            if frame is None:
                continue
            if not self._edges[edge]:
                self._edges[edge] = True
                self._emit(SeatReceiving(self.name, edge))
            if edge.source not in played:
                played.add(edge.source)
                yield frame

    def _received(self, edge: Edge) -> Frame | None:
        seat = self._seats.get(edge.parent)
        if seat is not None:
            with self._fault_of_seat(seat):
                section = seat.receiving(edge.source)
                return section.inlet.pull() if section is not None else None
        return None

    async def _feed_browsers(self, own: dict[ParticipantId, Frame | None], tick: int) -> None:
        encoded: dict[tuple[ParticipantId, str], bytes] = {}
        for edge in tuple(self._edges):
            seat = self._seats.get(edge.child)
            if edge.parent != SEAT or edge.source not in own or seat is None:
                continue
            section = seat.sending(edge.source)
            if section is None:
                continue
            # One encoding serves all browsers that get this leg from us.
            key = (edge.source, section.offer.codec.name)
            if key not in encoded:
                frame = own[edge.source]
                encoded[key] = self._encode(key, SILENCE if frame is None else frame)
            with self._fault_of_seat(seat):
                await seat.connection.send(section, encoded[key], tick)

    def _encode(self, key: tuple[ParticipantId, str], frame: Frame) -> bytes:
        if key not in self._encoders:
            self._encoders[key] = encoder(key[1])
        return self._encoders[key].encode(frame)

    async def _keep_house(self, now: float) -> None:
        for leg in tuple(self._legs.values()):
            with self._fault_of(leg.id):
                await leg.handle_timeout(now)
        for seat in tuple(self._seats.values()):
            with self._fault_of_seat(seat):
                await seat.handle_timeout(now)

    @contextmanager
    def _fault_of(self, leg: ParticipantId) -> Iterator[None]:
        try:
            yield
        except Exception:
            log.exception("%s media ends by a fault of ours", leg)
            self._legs.pop(leg, None)
            self._emit(LegFailed(leg, Reason.FAILURE, "the media failed by a fault of ours"))

    @contextmanager
    def _fault_of_seat(self, seat: Seat) -> Iterator[None]:
        try:
            yield
        except Exception:
            log.exception("%s connection with the seat ends by a fault of ours", seat.peer)
            seat.fail("a fault of ours")
