"""An XMPP server of our own: Prosody as a supervised, unprivileged child.

For one machine and its users. Whoever has an XMPP server already connects Trestle to that one.
The child never outlives us: the kernel ends it (PR_SET_PDEATHSIG) even if we are killed.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from gateway.errors import TrestleError
from xmppbridge.jid import Jid
from xmppbridge.prosody_files import BASE, CONFIGURATION, NOBODY, ProsodyFiles, ProsodySettings

_log = logging.getLogger("trestle.prosody")

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
ACCOUNT_TIMEOUT = 20.0

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
"""Seconds before a Prosody that died is started again; the first is doubled up to the longest."""

_FIRST_UNPRIVILEGED_PORT = 1024


class EmbeddedProsody:
    """Starts, watches and ends one Prosody. `secret` is the component's."""

    def __init__(
        self,
        *,
        state_dir: Path,
        domain: str,
        component: str,
        listen: str = "0.0.0.0",
        c2s_port: int = 5222,
        component_port: int = 5347,
        http_port: int = 5280,
    ) -> None:
        self._settings = ProsodySettings(
            domain, component, listen, c2s_port, component_port, http_port
        )
        self._files = ProsodyFiles(state_dir)
        self._tail: deque[str] = deque(maxlen=20)
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def secret(self) -> str:
        with _explained(self._files):
            return self._files.secret()

    @property
    def certificate(self) -> Path:
        """What clients are to trust; PEM."""
        return self._files.certificate

    async def start(self) -> None:
        """Returns when clients and the component can connect. Raises `TrestleError`."""
        self._check_ports()
        with _explained(self._files):
            self._files.write(self._settings)
        try:
            await self._spawn()
        except BaseException:
            await self._end()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="prosody supervisor")
        _log.info("Prosody serves %s", self._settings.domain)

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        await self._end()

    def account(self, jid: str) -> Jid:
        """The account that `jid` names, made or not. Raises `TrestleError` for any other JID."""
        account = Jid.parse(jid)
        if not account.user or account.resource or account.host != self._settings.domain:
            raise TrestleError(f"{jid!r} is no account here: write name@{self._settings.domain}")
        return account

    async def add_account(self, jid: str, password: str) -> None:
        """Makes an account, or gives it a new password; also while the server runs."""
        account = self.account(jid)
        if not password or not password.isprintable():
            raise TrestleError("the password is empty, or has characters that cannot be typed")
        with _explained(self._files):
            self._files.write(self._settings)
        program = _find("prosodyctl")
        # Not as an argument: command lines can be read by everyone on the machine.
        typed = f"{password}\n{password}\n".encode()
        async with self._run(program, "register", account.user, account.host, stdin=PIPE) as child:
            try:
                async with asyncio.timeout(ACCOUNT_TIMEOUT):
                    printed, _ = await child.communicate(typed)
            except TimeoutError:
                raise TrestleError("prosodyctl did not end; see whether Prosody works") from None
        if child.returncode != 0:
            raise TrestleError(f"prosodyctl made no account: {_last_line(printed)}")

    # --- the child --------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _run(self, *command: str, stdin: int = DEVNULL) -> AsyncIterator[Process]:
        """A child that is killed if the block ends before it does."""
        child = await self._exec(*command, stdin=stdin)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def _exec(self, program: str, *arguments: str, stdin: int) -> Process:
        directory = os.open(self._files.directory, os.O_RDONLY | os.O_DIRECTORY)
        base = f"/proc/self/fd/{directory}"
        command = (program, "--config", f"{base}/{CONFIGURATION}", *arguments)
        as_root = os.geteuid() == 0
        try:
            return await asyncio.create_subprocess_exec(
                *(_find("setpriv"), "--pdeathsig", "TERM", "--", *command),
                stdin=stdin,
                stdout=PIPE,
                stderr=STDOUT,
                cwd="/",
                env={"PATH": os.defpath, "LANG": "C.UTF-8", BASE: base},
                pass_fds=(directory,),
                # Ctrl-C is for us: we end the calls first, then the server.
                start_new_session=True,
                user=NOBODY if as_root else None,
                group=NOBODY if as_root else None,
                extra_groups=[] if as_root else None,
            )
        finally:
            os.close(directory)

    async def _spawn(self) -> None:
        self._process = await self._exec(_find("prosody"), "-F", stdin=DEVNULL)
        self._reader = asyncio.create_task(self._read(self._process), name="prosody log")
        try:
            async with asyncio.timeout(START_TIMEOUT):
                for host, port, _ in self._listeners():
                    await self._answers(self._process, _reachable(host), port)
        except TimeoutError:
            raise TrestleError(
                f"Prosody did not come up in {START_TIMEOUT:.0f} s; it said: {self._last_words()}"
            ) from None

    async def _answers(self, process: Process, host: str, port: int) -> None:
        while True:
            if process.returncode is not None:
                raise TrestleError(f"Prosody did not start; it said: {self._last_words()}")
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            text = line.decode(errors="replace").rstrip()
            if not text:
                continue
            self._tail.append(text)
            _log.log(logging.WARNING if "\terror\t" in text else logging.DEBUG, "%s", text)

    async def _supervise(self) -> None:
        assert self._process is not None
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            code = await self._process.wait()
            if loop.time() - started > LONGEST_DELAY:
                delay = FIRST_DELAY
            _log.error(
                "Prosody ended with code %d, next start in %.0f s; it said: %s",
                *(code, delay, self._last_words()),
            )
            await self._end()
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
            try:
                await self._spawn()
                _log.info("Prosody is back")
            except TrestleError as error:
                _log.error("%s", error)
                await self._end()

    async def _end(self) -> None:
        """Asks the child to end, then makes it."""
        process, reader = self._process, self._reader
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if reader is not None:
            await reader

    def _last_words(self) -> str:
        return " | ".join(list(self._tail)[-5:]) or "nothing"

    # --- ports ------------------------------------------------------------------------------

    def _listeners(self) -> Iterator[tuple[str, int, str]]:
        """(interface, port, key of the configuration)"""
        yield self._settings.listen, self._settings.c2s_port, "xmpp.c2s_port"
        yield "127.0.0.1", self._settings.component_port, "xmpp.component_port"
        yield "127.0.0.1", self._settings.http_port, "xmpp.http_port"

    def _check_ports(self) -> None:
        """Prosody itself only logs that it could not listen."""
        for host, port, key in self._listeners():
            if port < _FIRST_UNPRIVILEGED_PORT:
                raise TrestleError(
                    f"{key}: Prosody runs unprivileged and cannot listen on port {port}: "
                    f"choose one from {_FIRST_UNPRIVILEGED_PORT} on"
                )
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                except OSError as error:
                    raise TrestleError(
                        f"{key}: cannot listen on {host} port {port}: {error.strerror}; "
                        "end the program that has it, or choose another port"
                    ) from error


@contextlib.contextmanager
def _explained(files: ProsodyFiles) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"state_dir: cannot keep Prosody's files in {files.directory}: {error.strerror}"
        raise TrestleError(text) from error


def _find(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        package = "util-linux" if program == "setpriv" else "prosody"
        raise TrestleError(f"there is no {program} program here: apt-get install {package}")
    return path


def _reachable(host: str) -> str:
    """An address to reach who listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _last_line(printed: bytes) -> str:
    lines = [line.strip() for line in printed.decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing")
