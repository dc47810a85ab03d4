"""A network of its own for a test: hosts are network namespaces, joined by a router that loses.

Nothing of it has a name that could be left behind: a namespace lives as long as the process that
holds it, which ends with the test run whatever happens, and both ends of a cable go with either
of its namespaces. The router drops what it forwards, as a network does: a sender is told nothing.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from support.processes import Process, find_program

PROGRAMS = ("ip", "nft", "nsenter", "tc", "unshare")

PER_MILLE = 1000

_FORWARD = "echo 1 >/proc/sys/net/ipv4/ip_forward"

_HOLD = """
for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do
    [ ! -e "$file" ] || echo 1 >"$file"
done
ip link set lo up
echo held
exec sleep infinity
"""
"""No IPv6: its addresses come seconds after the cable, and Chromium fails what it loads just then
(ERR_NETWORK_CHANGED)."""

Link = tuple[str, str]
"""Two hosts' names; each direction of a link is one."""


def unavailable() -> str:
    """Why there can be no such network here; empty where there can."""
    return "" if os.geteuid() == 0 else "network namespaces need root"


@dataclass(frozen=True, slots=True)
class Host:
    """`pid` is that of the process that holds the namespace: nsenter(1), `--target`."""

    name: str
    address: str
    pid: int


class Network:
    """Hosts that reach each other, and this process at `address`."""

    def __init__(self) -> None:
        # RFC 2544, appendix C.2.2: addresses for benchmarks, which lead nowhere. 128 hosts.
        self._prefix = f"198.18.{os.getpid() % 256}"
        self._hosts = 0
        self._loss: dict[Link, float] = {}
        self._cut: set[str] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for program in PROGRAMS:
            find_program(program)
        async with AsyncExitStack() as stack:
            self._router = await _namespace(stack)
            await _inside(self._router, "sh", "-c", _FORWARD)
            own = f"lab{os.getpid()}"
            self.address = await self._cable(os.getpid(), own)
            # The kernel would do it, too, but in its own time.
            stack.push_async_callback(_run, "ip", "link", "delete", own)
            away = self._gateway(self.address)
            await _run("ip", "route", "add", f"{self._prefix}.0/24", "via", away)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def host(self) -> Host:
        """One more, which exists as long as the network. What runs on it has to end first."""
        pid = await _namespace(self._stack)
        address = await self._cable(pid, "eth0")
        await _inside(pid, "ip", "route", "add", "default", "via", self._gateway(address))
        return Host(f"host{self._hosts - 1}", address, pid)

    async def lose(self, one: Host, other: Host, ratio: float) -> None:
        """From now on this part, 0 to 1 in thousandths, of the packets between two is lost, by
        chance and in each direction."""
        for link in ((one.name, other.name), (other.name, one.name)):
            self._loss[link] = ratio
        await self._apply()

    async def narrow(self, host: Host, kilobits: int) -> None:
        """From now on so many kbit/s come to a host; what is more queues up, and then is lost."""
        queue = ("tbf", "rate", f"{kilobits}kbit", "burst", "4kb", "latency", "500ms")
        device = ("tc", "qdisc", "replace", "dev", host.name, "root")
        await _inside(self._router, *device, *queue)

    async def cut(self, host: Host) -> None:
        """Nothing comes from or to a host any more, until `mend`."""
        self._cut.add(host.name)
        await self._apply()

    async def mend(self, host: Host) -> None:
        self._cut.discard(host.name)
        await self._apply()

    async def dropped(self) -> int:
        """Packets since the last change of what is lost."""
        text = await _inside(self._router, "nft", "list", "table", "inet", "loss")
        return sum(int(count) for count in re.findall(r"packets (\d+)", text))

    async def _apply(self) -> None:
        await _inside(self._router, "nft", "-f", "-", given=rules(self._loss, self._cut))

    async def _cable(self, pid: int, name: str) -> str:
        """Between the router and a namespace, where its end is called `name`."""
        number, self._hosts = self._hosts, self._hosts + 1
        address = f"{self._prefix}.{2 * number}"
        ends = ("type", "veth", "peer", "name", name, "netns", str(pid))
        await _inside(self._router, "ip", "link", "add", f"host{number}", *ends)
        for where, device, own in (
            (self._router, f"host{number}", self._gateway(address)),
            (pid, name, address),
        ):
            # RFC 3021: a line between two needs no more than two addresses.
            await _inside(where, "ip", "address", "add", f"{own}/31", "dev", device)
            await _inside(where, "ip", "link", "set", device, "up")
        return address

    def _gateway(self, address: str) -> str:
        return f"{self._prefix}.{int(address.rpartition('.')[2]) + 1}"


def rules(loss: Mapping[Link, float], cut: set[str]) -> str:
    """The router's rules, which take the place of the earlier ones all at once; nft(8)."""
    drops = [f'{end} "{name}" counter drop' for name in sorted(cut) for end in ("iif", "oif")]
    drops += [
        f'iif "{one}" oif "{other}" '
        f"numgen random mod {PER_MILLE} < {round(ratio * PER_MILLE)} counter drop"
        for (one, other), ratio in sorted(loss.items())
        if ratio > 0
    ]
    head = "type filter hook forward priority filter; policy accept;"
    return "\n".join(
        [
            "table inet loss",
            "delete table inet loss",
            "table inet loss {",
            "chain forward {",
            *(head, *drops),
            "}",
            "}",
            "",
        ]
    )


async def _namespace(stack: AsyncExitStack) -> int:
    """The process that holds a new one."""
    process = await stack.enter_async_context(Process("unshare", "--net", "sh", "-c", _HOLD))
    await process.line("^held$")
    return process.pid


async def _inside(pid: int, *command: str, given: str = "") -> str:
    return await _run("nsenter", "--target", str(pid), "--net", *command, given=given)


async def _run(*command: str, given: str = "") -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    out, wrong = await process.communicate(given.encode())
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {wrong.decode().strip()}")
    return out.decode()
