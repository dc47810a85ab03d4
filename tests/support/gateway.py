"""The real gateway, started by its own command on a site of its own, with its own Prosody."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import aiohttp

from support.processes import Process
from support.site import Site

LINGERING = frozenset({"sip_transactions"})
"""What protocols keep after a call on purpose: RFC 3261, section 17, a transaction over UDP for
32 s. The unit tests of `sipbridge` see its end."""

STARTING = 25.0
"""Seconds until it must be ready: Prosody makes keys and a certificate on its first start."""


class Gateway:
    """`python -m gateway run`, from ready to stopped."""

    def __init__(self, more: str = "", log_level: str = "debug") -> None:
        """`more` are further lines of its configuration."""
        self.site = Site(more=more, log_level=log_level)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(self.site)
            command = ("-m", "gateway", "run", "--config", str(self.site.config))
            self.process = await stack.enter_async_context(Process(sys.executable, *command))
            await self.process.line(r"^Trestle is ready\.", within=STARTING)
            assert (await self.get("/health"))["status"] == "ok"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    @property
    def log(self) -> list[str]:
        return self.process.output

    async def get(self, path: str) -> Mapping[str, Any]:
        """JSON from the gateway's own web server."""
        url = f"{self.site.web_url}{path}"
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert response.status == 200, (path, response.status)
            return cast("Mapping[str, Any]", await response.json())

    async def add_account(self, jid: str, password: str) -> None:
        """An XMPP account, by the gateway's own command."""
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "account", "add", jid, "--password-stdin"),
            *("--config", str(self.site.config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(10):
            output, _ = await program.communicate(password.encode())
        assert program.returncode == 0, output.decode()

    async def inventory(self) -> dict[str, int]:
        """All that is open now: as the gateway counts it, and its sockets as the kernel does."""
        sockets = await asyncio.to_thread(_open_sockets, self.process.pid)
        return {**(await self.get("/api/status"))["open"], **sockets}

    async def settles(self, before: Mapping[str, int], within: float = 5.0) -> None:
        """Waits until no more of anything is open than then; what is left over fails the test."""
        deadline = asyncio.get_running_loop().time() + within
        while left := _more(await self.inventory(), before):
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"still open: {left}, where there was {dict(before)}"
            await asyncio.sleep(0.1)


def _more(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    kept = {name: count for name, count in now.items() if name not in LINGERING}
    return {name: count for name, count in kept.items() if count > before.get(name, 0)}


def _open_sockets(pid: int) -> dict[str, int]:
    """Sockets of a process by kind; UDP is media and SIP, TCP also browsers' idle connections."""
    held = {_target(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    counts = {}
    for kind in ("udp", "tcp"):
        tables = (Path(f"/proc/net/{name}").read_text() for name in (kind, f"{kind}6"))
        rows = [row.split() for table in tables for row in table.splitlines()[1:]]
        counts[f"{kind}_sockets"] = sum(f"socket:[{row[9]}]" in held for row in rows)
    return counts


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed between listing and reading
        return ""
