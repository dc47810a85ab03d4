"""The place of one media worker: its process, which may be another one tomorrow.

A process that dies, or that says nothing for `SILENCE` seconds and so must hang, is replaced: at
once if it had run well, else after a pause that doubles.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Final

from gateway.errors import Reason, Refused, TrestleError
from gateway.media.control import Asked, Happened, Message, Reader, Ready, Reply, frame
from gateway.media.settings import Settings

log = logging.getLogger("trestle.media")

SILENCE: Final = 10
"""Seconds; a worker tells how it is twice in each."""

ANSWER_TIMEOUT: Final = 5.0
"""Seconds for one request; it takes milliseconds."""

PATIENCE: Final = 8.0
"""Seconds that a request waits for a process that is being started; it takes one, or more where the
machine has no time. Callers hear "trying" meanwhile."""

ENVIRONMENT: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    # Keys and codec states lie in thousands of small places and are out of the processor's caches
    # after 20 ms: on huge pages they are found with a tenth less time for all, for 20 kB a leg.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Of a worker, unless ours says otherwise."""

_COMMAND = (sys.executable, "-m", "gateway.media.worker")
_START_TIMEOUT = 20.0
_LAST_WORDS = 5.0
_RAN_WELL = 30.0
_LONGEST_PAUSE = 30.0


class WorkerProcess:
    """`start`, then `keep` as a task, then `stop`. Whatever happens comes by the callbacks."""

    def __init__(
        self,
        number: int,
        settings: Settings,
        on_happened: Callable[[Happened], None],
        on_up: Callable[[], None],
        on_down: Callable[[str], None],
    ) -> None:
        """`on_up`: another process has taken the place; `on_down`: it is gone, and why."""
        self.number = number
        self._settings = settings
        self._on_happened = on_happened
        self._on_up = on_up
        self._on_down = on_down
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._up = asyncio.Event()
        self._is_pausing = False
        self._has_spoken = False
        self._why = ""
        """It was killed by us."""

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.is_up and self._process is not None else None

    def say(self, message: Message) -> None:
        """Lost where there is no process."""
        if self._writer is not None and self.is_up:
            self._writer.write(frame(message))

    async def ask(self, request: Asked) -> Reply:
        """Raises `Refused` (overloaded) where nothing answers."""
        if not self.is_up and not self._is_pausing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._up.wait(), PATIENCE)
        if not self.is_up:
            raise Refused(Reason.OVERLOADED, "the media process is being started again")
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[request.number] = reply
        self.say(request)
        try:
            return await asyncio.wait_for(reply, ANSWER_TIMEOUT)
        except TimeoutError:
            raise Refused(Reason.OVERLOADED, "the media process does not answer") from None
        finally:
            del self._replies[request.number]

    async def start(self) -> None:
        """Raises `TrestleError`, and then no process is left."""
        try:
            await self._spawn()
        except BaseException:
            await self.stop()
            raise

    async def keep(self) -> None:
        """Listens to the process, and to the next one when it has died; never ends by itself."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            try:
                if self._process is None:
                    await self.start()
                    self._on_up()
            except TrestleError as error:
                failures += 1
                log.error("%s; next try in %.0f s", error, _pause(failures))
            else:
                why = await self._life()
                failures = 0 if loop.time() - started > _RAN_WELL else failures + 1
                self._on_down(why)
            if failures > 1:
                self._is_pausing = True
                await asyncio.sleep(_pause(failures))
                self._is_pausing = False

    async def stop(self) -> int:
        """Closes the socket, which ends the process, and waits for that; gives its exit code."""
        process, writer = self._process, self._writer
        self._process = self._reader = self._writer = None
        self._up.clear()
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

    async def _spawn(self) -> None:
        """Raises `TrestleError`."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *_COMMAND,
                    stdin=theirs.fileno(),
                    env={**ENVIRONMENT, **os.environ},
                )
            except OSError as error:
                ours.close()
                raise TrestleError(
                    f"media worker {self.number} cannot be started: {error.strerror}"
                ) from None
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._writer.write(frame(self._settings))
        messages = Reader()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                while not (said := list(messages.feed(await self._read()))):
                    pass
        except (TimeoutError, EOFError):
            raise TrestleError(f"media worker {self.number} did not start") from None
        assert isinstance(said[0], Ready)
        if said[0].problem:
            raise TrestleError(f"media worker {self.number}: {said[0].problem}")
        # Nothing is asked of it before it is ready.
        self._up.set()
        log.info("media worker %d runs as process %d", self.number, self._process.pid)

    async def _life(self) -> str:
        """Until the process is gone; gives the cause."""
        self._why = ""
        watch = asyncio.create_task(self._watch())
        try:
            await self._listen()
        except Exception:
            log.exception("media worker %d is not understood", self.number)
        finally:
            watch.cancel()
        code = await self.stop()
        why = self._why or (f"signal {-code}" if code < 0 else f"exit code {code}")
        for reply in self._replies.values():
            if not reply.done():
                text = f"the media process died ({why})"
                reply.set_result(Reply(0, None, Reason.OVERLOADED, text))
        return why

    async def _listen(self) -> None:
        messages = Reader()
        with contextlib.suppress(EOFError):
            while True:
                for message in messages.feed(await self._read()):
                    self._take(message)

    async def _watch(self) -> None:
        """Counts seconds and does not look at the clock: a machine that slept blames nobody."""
        silent = 0
        while silent < SILENCE:
            self._has_spoken = False
            await asyncio.sleep(1.0)
            silent = 0 if self._has_spoken else silent + 1
        self._why = f"it said nothing for {SILENCE} s"
        if self._process is not None:
            self._process.kill()

    async def _read(self) -> bytes:
        """Raises `EOFError`."""
        try:
            data = await self._reader.read(65_536) if self._reader is not None else b""
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError
        self._has_spoken = True
        return data

    def _take(self, message: Message) -> None:
        match message:
            case Reply():
                reply = self._replies.get(message.number)
                if reply is not None and not reply.done():
                    reply.set_result(message)
            case Happened():
                self._on_happened(message)
            case _:
                raise AssertionError(f"a worker said {message}")


def _pause(failures: int) -> float:
    return float(min(2.0 ** (failures - 1), _LONGEST_PAUSE))
