"""The media plane in processes of its own: one worker for each core, each room in one of them.

A worker that dies takes its calls with it; they are told to have failed, and its rooms go to
another worker, or wait for the one that takes its place. Edges are told again there, so that
browsers, which come back by themselves, find the seat as it was; a recording goes on there in a
file of its own.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from gateway.errors import Reason, Refused
from gateway.media.control import (
    AnswerSeat,
    Asked,
    AttachEdge,
    CloseLeg,
    DetachEdge,
    DropPeer,
    Happened,
    OfLeg,
    Record,
    StopRecording,
    Told,
)
from gateway.media.plane import Plane
from gateway.media.settings import Settings
from gateway.media.worker_process import WorkerProcess
from gateway.ports import (
    Answer,
    Edge,
    LegFailed,
    MediaEvent,
    Offer,
    ParticipantId,
    RecordingStarted,
    RecordingStopped,
    RoomName,
)
from gateway.statistics import EngineStatistics

log = logging.getLogger("trestle.media")

_INVENTORY = ("rtp_legs", "peer_connections", "mixers")


@dataclass(slots=True)
class _Worker:
    """A worker, and what is in its hands."""

    process: WorkerProcess
    inventory: Mapping[str, int] = field(default_factory=dict)
    statistics: EngineStatistics | None = None
    legs: set[ParticipantId] = field(default_factory=set)
    rooms: set[RoomName] = field(default_factory=set)


class WorkerPlane(Plane):
    """Implements `ports.MediaPlane` over worker processes."""

    def __init__(self, settings: Settings, workers: int) -> None:
        """The ports of `settings` are shared out among the workers."""
        super().__init__()
        self._workers: list[_Worker] = []
        for number in range(workers):
            process = WorkerProcess(
                number,
                _share(settings, number, workers),
                partial(self._happened, number),
                partial(self._up, number),
                partial(self._down, number),
            )
            self._workers.append(_Worker(process))
        self._worker_of_room: dict[RoomName, _Worker] = {}
        self._room_of_leg: dict[ParticipantId, RoomName] = {}
        self._lost: set[ParticipantId] = set()
        """Legs that went down with their worker and are not closed yet."""
        self._edges: dict[RoomName, dict[Edge, None]] = {}
        self._recordings: dict[RoomName, str] = {}
        """The rooms that are recorded, and in which file, once that is known."""
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Raises `TrestleError` when a worker cannot start; then none is left."""
        self._on_event = on_event
        try:
            for worker in self._workers:
                await worker.process.start()
        except BaseException:
            await self.stop()
            raise
        self._keepers = [asyncio.create_task(one.process.keep()) for one in self._workers]

    async def stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._keepers = []
        await asyncio.gather(*(worker.process.stop() for worker in self._workers))
        for worker in self._workers:
            worker.inventory = {}

    def inventory(self) -> Mapping[str, int]:
        return {
            name: sum(worker.inventory.get(name, 0) for worker in self._workers)
            for name in _INVENTORY
        }

    def statistics(self) -> Mapping[int, EngineStatistics]:
        return {
            number: worker.statistics
            for number, worker in enumerate(self._workers)
            if worker.statistics is not None
        }

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that run."""
        pids = (worker.process.pid for worker in self._workers)
        return tuple(pid for pid in pids if pid is not None)

    # --- requests ----------------------------------------------------------------------------

    async def _ask(self, room: RoomName | None, request: Asked) -> Answer | Offer | None:
        if isinstance(request, AnswerSeat):
            return await self._request(self._worker(request.room), request)
        leg = request.leg
        if leg in self._lost:
            raise Refused(Reason.OVERLOADED, "the media process of this call has died")
        is_new = leg not in self._room_of_leg
        room = self._room_of_leg.get(leg, room)
        if room is None:
            raise Refused(Reason.NOT_FOUND, f"{leg} has no media here")
        worker = self._worker(room)
        self._room_of_leg[leg] = room
        worker.legs.add(leg)
        try:
            return await self._request(worker, request)
        except Refused:
            if is_new and leg in self._room_of_leg:
                # A worker that was only slow must not open it after all.
                worker.process.say(CloseLeg(leg))
                self._forget_leg(leg)
                self._forget_room(room)
            raise

    async def _request(self, worker: _Worker, request: Asked) -> Answer | Offer | None:
        """Raises `Refused`."""
        said = await worker.process.ask(request)
        if said.refused is not None:
            raise Refused(said.refused, said.text)
        return said.result

    def _tell(self, request: Told) -> None:
        if not isinstance(request, OfLeg):
            room = request.room
        elif request.leg in self._room_of_leg:
            room = self._room_of_leg[request.leg]
        else:
            return
        worker = self._worker(room)
        self._remember(request)
        worker.process.say(request)
        self._forget_room(room)

    def _remember(self, request: Told) -> None:
        """What a new worker has to be told."""
        match request:
            case CloseLeg():
                self._forget_leg(request.leg)
            case AttachEdge():
                edges = self._edges.setdefault(request.room, {})
                edges.pop(request.edge, None)
                edges[request.edge] = None
            case DetachEdge():
                self._edges.get(request.room, {}).pop(request.edge, None)
            case DropPeer():
                self._drop_edges(request.room, request.peer)
            case Record():
                self._recordings.setdefault(request.room, "")
            case StopRecording():
                self._recordings.pop(request.room, None)

    def _forget_leg(self, leg: ParticipantId) -> None:
        room = self._room_of_leg.pop(leg)
        self._lost.discard(leg)
        self._worker(room).legs.discard(leg)
        self._drop_edges(room, leg)

    def _drop_edges(self, room: RoomName, gone: ParticipantId) -> None:
        edges = self._edges.get(room, {})
        for edge in [e for e in edges if gone in (e.source, e.parent, e.child)]:
            del edges[edge]

    # --- workers -----------------------------------------------------------------------------

    def _worker(self, room: RoomName) -> _Worker:
        """A room stays where it is; a new one goes where the fewest are."""
        worker = self._worker_of_room.get(room)
        if worker is None:
            worker = min(self._workers, key=_load)
            self._worker_of_room[room] = worker
            worker.rooms.add(room)
        return worker

    def _forget_room(self, room: RoomName) -> None:
        is_used = room in self._room_of_leg.values() or room in self._recordings
        if not is_used and not self._edges.get(room):
            self._edges.pop(room, None)
            worker = self._worker_of_room.pop(room, None)
            if worker is not None:
                worker.rooms.discard(room)

    def _happened(self, number: int, happened: Happened) -> None:
        worker = self._workers[number]
        worker.inventory = happened.inventory
        worker.statistics = happened.statistics or worker.statistics
        for event in happened.events:
            match event:
                case RecordingStarted(room, path) if room in self._recordings:
                    self._recordings[room] = path
                case RecordingStopped(room, path, why) if why:
                    self._give_up_recording(room, path)
            self._report(event)

    def _give_up_recording(self, room: RoomName, path: str) -> None:
        """It has failed, and not one that has been stopped and followed by another since."""
        if self._recordings.get(room) in ("", path):
            del self._recordings[room]
            self._forget_room(room)

    def _report(self, event: MediaEvent) -> None:
        """From outside of the worker's life: what the listener does wrong shall not end it."""
        asyncio.get_running_loop().call_soon(self._on_event, event)

    def _down(self, number: int, why: str) -> None:
        """Everything that was in a worker's hands is lost."""
        worker = self._workers[number]
        legs = ", ".join(sorted(worker.legs)) or "none"
        log.error("media worker %d died (%s), %d legs end: %s", number, why, len(worker.legs), legs)
        worker.inventory, worker.statistics = {}, None
        self._lost |= worker.legs
        for leg in worker.legs:
            self._report(LegFailed(leg, Reason.FAILURE, f"the media worker died ({why})"))
        worker.legs = set()
        for room in sorted(worker.rooms & self._recordings.keys()):
            log.error("the recording of %s in %s ends there", room, self._recordings[room])
        others = [one for one in self._workers if one.process.is_up]
        for room in tuple(worker.rooms) if others else ():
            heir = min(others, key=_load)
            worker.rooms.discard(room)
            heir.rooms.add(room)
            self._worker_of_room[room] = heir
            self._tell_anew(room, heir)

    def _up(self, number: int) -> None:
        worker = self._workers[number]
        for room in worker.rooms:
            self._tell_anew(room, worker)

    def _tell_anew(self, room: RoomName, worker: _Worker) -> None:
        for edge in self._edges.get(room, {}):
            worker.process.say(AttachEdge(room, edge))
        if room in self._recordings:
            worker.process.say(Record(room))


def _load(worker: _Worker) -> tuple[bool, int, int]:
    return (not worker.process.is_up, len(worker.legs), len(worker.rooms))


def _share(settings: Settings, number: int, workers: int) -> Settings:
    """One worker's part of the ports."""
    ports = settings.rtp_ports
    size = len(ports) // workers // 2 * 2
    start = ports.start + number * size
    ice_port = settings.ice_port + number if settings.ice_port else 0
    return replace(settings, rtp_ports=range(start, start + size), ice_port=ice_port)
