"""Programs that a test starts: each is ended by its handle, and what it printed is kept."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE = 5.0
"""Seconds between asking a program to end and making it."""


def find_program(name: str) -> str:
    """A missing peer fails the test: a skip would hide that nothing was proven."""
    path = shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is not installed; run scripts/install-packages peers as root")
    return path


class Process:
    """A program in a process group of its own.

    Use as an async context manager: at the end the program is asked to end, then made to, with
    all that it started. If this test run is killed, the kernel ends the program (pdeathsig).
    """

    def __init__(
        self, *command: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = Path(command[0]).name
        self.output: list[str] = []
        self._command = command
        self._cwd = cwd
        self._environ = {**os.environ, **(environ or {})}
        self._grown = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", "--", *self._command),
            cwd=self._cwd,
            env=self._environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            limit=1 << 20,
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.end()
        # pytest shows it only where a test failed.
        print(f"--- what {self.name} printed ---", self.text, sep="\n")  # noqa: T201

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        return "\n".join(self.output)

    @property
    def tail(self) -> str:
        return "\n".join(self.output[-20:])

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.output.append(line.decode(errors="replace").rstrip())
            self._wake()
        self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    async def line(self, pattern: str, within: float = 10.0, since: int = 0) -> str:
        """The first line of output from number `since` on that matches; waits for it."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for line in self.output[since:]:
                        if re.search(pattern, line):
                            return line
                    if self._reader.done():
                        raise AssertionError(f"{self.name} ended before {pattern!r}:\n{self.tail}")
                    since = len(self.output)
                    await self._grown.wait()
        except TimeoutError:
            raise AssertionError(
                f"{self.name} did not print {pattern!r} within {within} s:\n{self.tail}"
            ) from None

    async def exit_code(self, within: float = 10.0) -> int:
        """Waits for the program to end by itself, with all its output read."""
        async with asyncio.timeout(within):
            await asyncio.shield(self._reader)
            return await self._process.wait()

    async def end(self, grace: float = GRACE) -> int:
        """Asks the program to end, makes it after `grace`, and then ends what it left behind."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self._reader
        return await self._process.wait()
