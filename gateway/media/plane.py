"""`ports.MediaPlane`: the verbs that both planes share, and the plane on the running event loop."""

import asyncio
import itertools
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from gateway.errors import Reason, Refused
from gateway.media import dispatch
from gateway.media.control import (
    AcceptLeg,
    AnswerLeg,
    AnswerSeat,
    Asked,
    AttachEdge,
    CloseLeg,
    ConfirmLeg,
    DetachEdge,
    DropPeer,
    MuteLeg,
    OfferLeg,
    Play,
    Record,
    SendDigits,
    SetGain,
    SetTracks,
    StopPlaying,
    StopRecording,
    Told,
)
from gateway.media.metronome import Metronome
from gateway.media.settings import Settings
from gateway.media.switchboard import Switchboard
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
from gateway.statistics import EngineStatistics

log = logging.getLogger("trestle.media")


class Plane(ABC):
    """Turns the verbs into requests; a leg that is closed meanwhile gets no answer."""

    def __init__(self) -> None:
        self._on_event: Callable[[MediaEvent], None] = lambda _: None
        self._numbers = itertools.count(1)
        self._awaited: dict[ParticipantId, object] = {}

    @abstractmethod
    async def _ask(self, room: RoomName | None, request: Asked) -> Answer | Offer | None:
        """Raises `Refused`. `room` is None for a leg that is known already."""

    @abstractmethod
    def _tell(self, request: Told) -> None: ...

    @abstractmethod
    def inventory(self) -> Mapping[str, int]: ...

    @abstractmethod
    def statistics(self) -> Mapping[int, EngineStatistics]: ...

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        asked = AnswerLeg(next(self._numbers), room, leg, offer)
        result = await self._ask_for(leg, room, asked)
        assert isinstance(result, Answer)
        return result

    async def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        result = await self._ask_for(leg, room, OfferLeg(next(self._numbers), room, leg))
        assert isinstance(result, Offer)
        return result

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        await self._ask_for(leg, None, AcceptLeg(next(self._numbers), leg, answer))

    def confirm(self, leg: ParticipantId) -> None:
        self._tell(ConfirmLeg(leg))

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        """ICE-lite waits for the peer's checks and needs no candidates; RFC 8445, section 2.5."""
        log.debug("%s < candidate, not needed", leg)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        self._tell(MuteLeg(leg, muted))

    def set_gain(self, listener: ParticipantId, source: ParticipantId, gain: float) -> None:
        self._tell(SetGain(listener, source, gain))

    async def send_digits(self, leg: ParticipantId, digits: str) -> None:
        await self._ask(None, SendDigits(next(self._numbers), leg, digits))

    def close(self, leg: ParticipantId) -> None:
        self._awaited.pop(leg, None)
        self._tell(CloseLeg(leg))

    async def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        asked = AnswerSeat(next(self._numbers), room, peer, connection, offer, tracks)
        result = await self._ask(room, asked)
        assert isinstance(result, Answer)
        return result

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None:
        self._tell(SetTracks(room, peer, connection, tracks))

    def seat_candidate(
        self, room: RoomName, peer: ParticipantId, connection: str, candidate: Candidate
    ) -> None:
        """As with legs."""
        log.debug("%s < candidate, not needed", peer)

    def attach(self, room: RoomName, edge: Edge) -> None:
        self._tell(AttachEdge(room, edge))

    def detach(self, room: RoomName, edge: Edge) -> None:
        self._tell(DetachEdge(room, edge))

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None:
        self._tell(DropPeer(room, peer))

    def play(self, room: RoomName, leg: ParticipantId | None, prompts: tuple[str, ...]) -> None:
        self._tell(Play(room, leg, prompts))

    def stop_playing(self, room: RoomName, leg: ParticipantId | None) -> None:
        self._tell(StopPlaying(room, leg))

    def record(self, room: RoomName) -> None:
        self._tell(Record(room))

    def stop_recording(self, room: RoomName) -> None:
        self._tell(StopRecording(room))

    async def _ask_for(
        self, leg: ParticipantId, room: RoomName | None, request: Asked
    ) -> Answer | Offer | None:
        token = self._awaited[leg] = object()
        try:
            result = await self._ask(room, request)
            if self._awaited.get(leg) is not token:
                raise Refused(Reason.CANCELLED, "the caller has gone")
            return result
        finally:
            if self._awaited.get(leg) is token:
                del self._awaited[leg]


class InlinePlane(Plane):
    """The engine on the running event loop: for tests and small machines."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._switchboard: Switchboard | None = None
        self._metronome = Metronome(time.monotonic())
        self._clock: asyncio.Task[None] | None = None

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Raises `OSError` where the ICE port is taken."""
        self._on_event = on_event
        self._switchboard = Switchboard(self._settings, time.monotonic())
        self._clock = asyncio.create_task(self._run(self._switchboard), name="media")

    async def stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.wait((self._clock,))
        if self._switchboard is not None:
            self._switchboard.close()
            self._switchboard = None

    def inventory(self) -> Mapping[str, int]:
        if self._switchboard is None:
            return {"rtp_legs": 0, "peer_connections": 0, "mixers": 0}
        return self._switchboard.inventory()

    def statistics(self) -> Mapping[int, EngineStatistics]:
        if self._switchboard is None:
            return {}
        return {0: self._switchboard.statistics(self._metronome)}

    async def _ask(self, room: RoomName | None, request: Asked) -> Answer | Offer | None:
        # As with a worker: what the caller does meanwhile comes first.
        await asyncio.sleep(0)
        if self._switchboard is None:
            raise Refused(Reason.OVERLOADED, "the media plane is not running")
        if isinstance(request, (AnswerLeg, OfferLeg)) and request.leg not in self._awaited:
            raise Refused(Reason.CANCELLED, "the caller has gone")
        return dispatch.ask(self._switchboard, request)

    def _tell(self, request: Told) -> None:
        if self._switchboard is not None:
            dispatch.tell(self._switchboard, request)

    async def _run(self, switchboard: Switchboard) -> None:
        metronome = self._metronome = Metronome(time.monotonic())
        while True:
            await asyncio.sleep(max(0.0, metronome.due - time.monotonic()))
            number, due = metronome.begin(time.monotonic())
            switchboard.step(number, due)
            for event in switchboard.events():
                # From outside of the step: the listener may call us back.
                asyncio.get_running_loop().call_soon(self._on_event, event)
