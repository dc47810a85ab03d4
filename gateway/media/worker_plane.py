"""The media plane in processes of its own: one worker for each core, each room in one of them.

A worker that dies takes its calls with it; they are told to have failed, and another worker takes
its place. The edges of its rooms are told to the new one, so that browsers, which come back by
themselves, find the seat as it was.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gateway.errors import Reason, Refused, TrestleError
from gateway.media.control import (
    AnswerSeat,
    Asked,
    AttachEdge,
    CloseLeg,
    ConfirmLeg,
    DetachEdge,
    DropPeer,
    Happened,
    Message,
    MuteLeg,
    Reader,
    Ready,
    Reply,
    Told,
    frame,
)
from gateway.media.plane import Plane
from gateway.media.settings import Settings
from gateway.ports import (
    Answer,
    Edge,
    LegFailed,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
)

log = logging.getLogger("trestle.media")

_START_TIMEOUT = 20.0
_LAST_WORDS = 5.0
_PAUSE = 1.0
"""Seconds before a worker that died soon after its start is started again."""

_INVENTORY = ("rtp_legs", "peer_connections", "mixers")


@dataclass(slots=True)
class _Worker:
    """A place for a process, which may be another one tomorrow."""

    number: int
    settings: Settings
    process: asyncio.subprocess.Process | None = None
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    inventory: Mapping[str, int] = field(default_factory=dict)
    legs: set[ParticipantId] = field(default_factory=set)
    rooms: set[RoomName] = field(default_factory=set)
    replies: dict[int, "asyncio.Future[Reply]"] = field(default_factory=dict)

    def say(self, message: Message) -> None:
        if self.writer is not None:
            self.writer.write(frame(message))


class WorkerPlane(Plane):
    """Implements `ports.MediaPlane` over worker processes."""

    def __init__(self, settings: Settings, workers: int) -> None:
        """The ports of `settings` are shared out among the workers."""
        super().__init__()
        self._workers = [
            _Worker(number, _share(settings, number, workers)) for number in range(workers)
        ]
        self._worker_of_room: dict[RoomName, _Worker] = {}
        self._room_of_leg: dict[ParticipantId, RoomName] = {}
        self._edges: dict[RoomName, dict[Edge, None]] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Raises `TrestleError` when a worker cannot start; then none is left."""
        self._on_event = on_event
        try:
            for worker in self._workers:
                await self._spawn(worker)
        except BaseException:
            await self.stop()
            raise
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in self._workers]

    async def stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        self._keepers = []
        for worker in self._workers:
            await self._end(worker)

    def inventory(self) -> Mapping[str, int]:
        return {
            name: sum(worker.inventory.get(name, 0) for worker in self._workers)
            for name in _INVENTORY
        }

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers that run."""
        ready = (worker.process for worker in self._workers if worker.writer is not None)
        return tuple(process.pid for process in ready if process is not None)

    # --- requests ----------------------------------------------------------------------------

    async def _ask(self, room: RoomName | None, request: Asked) -> Answer | Offer | None:
        if isinstance(request, AnswerSeat):
            return await self._request(self._worker(request.room), request)
        leg = request.leg
        is_new = leg not in self._room_of_leg
        room = self._room_of_leg.get(leg, room)
        if room is None:
            raise Refused(Reason.BAD_REQUEST, "an answer to an offer that was not made")
        worker = self._worker(room)
        self._room_of_leg[leg] = room
        worker.legs.add(leg)
        try:
            return await self._request(worker, request)
        except Refused:
            if is_new and leg in self._room_of_leg:
                self._forget_leg(leg, worker)
                self._forget_room(room, worker)
            raise

    async def _request(self, worker: _Worker, request: Asked) -> Answer | Offer | None:
        """Raises `Refused`."""
        if worker.writer is None:
            raise Refused(Reason.OVERLOADED, "the media worker is being started again")
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        worker.replies[request.number] = reply
        worker.say(request)
        try:
            said = await reply
        finally:
            worker.replies.pop(request.number, None)
        if said.refused is not None:
            raise Refused(said.refused, said.text)
        return said.result

    def _tell(self, request: Told) -> None:
        match request:
            case ConfirmLeg() | MuteLeg() | CloseLeg():
                room = self._room_of_leg.get(request.leg)
                if room is None:
                    return
            case _:
                room = request.room
        worker = self._worker(room)
        self._remember(request, worker)
        worker.say(request)
        self._forget_room(room, worker)

    def _remember(self, request: Told, worker: _Worker) -> None:
        """What a new worker has to be told."""
        match request:
            case CloseLeg():
                self._forget_leg(request.leg, worker)
            case AttachEdge():
                edges = self._edges.setdefault(request.room, {})
                edges.pop(request.edge, None)
                edges[request.edge] = None
            case DetachEdge():
                self._edges.get(request.room, {}).pop(request.edge, None)
            case DropPeer():
                self._drop_edges(request.room, request.peer)

    def _forget_leg(self, leg: ParticipantId, worker: _Worker) -> None:
        worker.legs.discard(leg)
        self._drop_edges(self._room_of_leg.pop(leg), leg)

    def _drop_edges(self, room: RoomName, gone: ParticipantId) -> None:
        edges = self._edges.get(room, {})
        for edge in [e for e in edges if gone in (e.source, e.parent, e.child)]:
            del edges[edge]

    # --- workers -----------------------------------------------------------------------------

    def _worker(self, room: RoomName) -> _Worker:
        """A room stays where it is; a new one goes where the fewest are."""
        worker = self._worker_of_room.get(room)
        if worker is None:
            worker = min(self._workers, key=lambda one: (len(one.legs), len(one.rooms)))
            self._worker_of_room[room] = worker
            worker.rooms.add(room)
        return worker

    def _forget_room(self, room: RoomName, worker: _Worker) -> None:
        if room not in self._room_of_leg.values() and not self._edges.get(room):
            self._edges.pop(room, None)
            self._worker_of_room.pop(room, None)
            worker.rooms.discard(room)

    async def _spawn(self, worker: _Worker) -> None:
        """Raises `TrestleError`."""
        ours, theirs = socket.socketpair()
        with theirs:
            worker.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.media.worker"),
                stdin=theirs.fileno(),
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        worker.reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(frame(worker.settings))
        messages = Reader()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                while not (said := list(messages.feed(await self._read(worker)))):
                    pass
        except (TimeoutError, EOFError):
            writer.close()
            raise TrestleError(f"media worker {worker.number} did not start") from None
        assert isinstance(said[0], Ready)
        if said[0].problem:
            writer.close()
            raise TrestleError(f"media worker {worker.number}: {said[0].problem}")
        # Nothing is asked of it before it is ready.
        worker.writer = writer
        log.info("media worker %d runs as process %d", worker.number, worker.process.pid)

    async def _read(self, worker: _Worker) -> bytes:
        """Raises `EOFError`."""
        try:
            data = await worker.reader.read(65_536) if worker.reader is not None else b""
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        return data

    async def _keep(self, worker: _Worker) -> None:
        """Listens to a worker, and to the next one in its place when it has died."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            if worker.process is None:
                await self._restart(worker)
            await self._listen(worker)
            cause = _cause(await self._end(worker))
            log.error(
                "media worker %d died (%s), %d legs end", worker.number, cause, len(worker.legs)
            )
            self._lose(worker, f"the media worker died ({cause})")
            if loop.time() - started < _PAUSE:
                await asyncio.sleep(_PAUSE)

    async def _listen(self, worker: _Worker) -> None:
        messages = Reader()
        while True:
            try:
                data = await self._read(worker)
            except EOFError:
                return
            for message in messages.feed(data):
                self._take(worker, message)

    def _take(self, worker: _Worker, message: Message) -> None:
        match message:
            case Reply():
                reply = worker.replies.get(message.number)
                if reply is not None and not reply.done():
                    reply.set_result(message)
            case Happened():
                worker.inventory = message.inventory
                for event in message.events:
                    self._on_event(event)
            case _:
                raise AssertionError(f"a worker said {message}")

    def _lose(self, worker: _Worker, why: str) -> None:
        """Everything that was in a worker's hands."""
        worker.inventory = {}
        for reply in tuple(worker.replies.values()):
            if not reply.done():
                reply.set_result(Reply(0, None, Reason.OVERLOADED, why))
        for leg in tuple(worker.legs):
            self._on_event(LegFailed(leg, Reason.FAILURE, why))

    async def _restart(self, worker: _Worker) -> None:
        """If that fails too, there is nobody to listen to, and it is tried again."""
        try:
            await self._spawn(worker)
        except TrestleError as error:
            log.error("%s", error)
            return
        for room in worker.rooms:
            for edge in self._edges.get(room, {}):
                worker.say(AttachEdge(room, edge))

    async def _end(self, worker: _Worker) -> int:
        """Closes the socket, which ends the process, and waits for that; gives its exit code."""
        process, writer = worker.process, worker.writer
        worker.process = worker.reader = worker.writer = None
        worker.inventory = {}
        if writer is not None:
            writer.close()
        if process is None:
            return 0
        try:
            async with asyncio.timeout(_LAST_WORDS):
                return await process.wait()
        except TimeoutError:
            process.kill()
            return await process.wait()


def _share(settings: Settings, number: int, workers: int) -> Settings:
    """One worker's part of the ports."""
    ports = settings.rtp_ports
    size = len(ports) // workers // 2 * 2
    start = ports.start + number * size
    ice_port = settings.ice_port + number if settings.ice_port else 0
    return replace(settings, rtp_ports=range(start, start + size), ice_port=ice_port)


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
