"""A real TURN server, which knows the secret that the gateway makes passwords with."""

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from support.processes import Process, find_program
from support.sockets import free_port, free_ports

SECRET = "logen"


class Coturn:
    """Listens on loopback, and relays to this machine only."""

    def __init__(self, port: int | None = None) -> None:
        """`port` None: any free one."""
        self.port = port or free_port()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trestle-test-")))
            relayed = free_ports(100)
            command = [
                find_program("turnserver"),
                *("-n", "--no-cli", "--no-tls", "--no-dtls", "--relay-threads=1"),
                *("--listening-ip=127.0.0.1", f"--listening-port={self.port}"),
                *("--relay-ip=127.0.0.1", "--allow-loopback-peers"),
                *(f"--min-port={relayed.start}", f"--max-port={relayed.stop - 1}"),
                *("--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=trestle.test"),
                *("--log-file=stdout", "--verbose", f"--pidfile={folder / 'pid'}"),
                f"--userdb={folder / 'users'}",
            ]
            self.process = await stack.enter_async_context(Process(*command, cwd=folder))
            await self.process.line(r"IPv4\. (UDP|TCP) listener opened on")
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
    def uri(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"

    @property
    def log(self) -> list[str]:
        return self.process.output
