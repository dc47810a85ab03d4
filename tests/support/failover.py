"""A relay that fails, with another that stands by: a root, two relays and a leaf below them.

The relay that fails has a browser of its own, so that its processes are known. Of a network that is
cut nobody hears, the server neither: the relay's web socket stays.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from load.process import family
from playwright.async_api import Page

from support.browser import Browser, Camera, Listener
from support.scripted_page import join
from support.scripted_signalling import ScriptedServer
from support.until import until

FAILURES = ("closed", "killed", "frozen", "cut")

ROOT, RELAY, SPARE, LEAF = "web-1", "web-2", "web-3", "web-4"

ARRIVALS = """
const arrivals = new BroadcastChannel("arrivals");
const take = Exchange.prototype.payload;
Exchange.prototype.payload = function (id, payload, now) {
  if (payload.stamp === null) arrivals.postMessage(performance.timeOrigin + performance.now());
  return take.call(this, id, payload, now);
};
"""
"""A page whose worker tells of each frame of sound; page/gaps.js."""

_CHANNELS = """
globalThis.channels = [];
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...options) {
  const channel = create.apply(this, options);
  globalThis.channels.push(channel);
  return channel;
};
"""
"""A page whose data channels a test can use."""

_SETTLING = 3.0
"""Seconds in which jitter buffers and pages come to rest."""
_AFTER = 1.0
"""Seconds after the repair in which gaps still count."""

_PORTS = """async () => (await connections.reports())
  .filter(({ type, port }) => type === "local-candidate" && port)
  .map(({ port }) => port)"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Milliseconds."""

    frames: float
    """The longest time in which no frame of sound came; 20 when all is well."""
    heard: float
    """The longest time in which nothing was heard: jitter buffers fill in for some of it."""


class Failover:
    """The leaf gets the root's streams through the relay; the spare one has them, too."""

    def __init__(self, *kinds: str) -> None:
        self.server = ScriptedServer()
        self.server.chained = False
        self.server.kinds = kinds

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._begin(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _begin(self, stack: AsyncExitStack) -> None:
        await self.server.start()
        stack.push_async_callback(self.server.stop)
        camera = Camera(height=90, rate=10)
        staying = await stack.enter_async_context(Browser(camera))
        await join(staying, self.server)
        known = set(family(os.getpid()))
        failing = await stack.enter_async_context(Browser(camera))
        self.relay = await join(failing, self.server, 1, _CHANNELS)
        self._renderers = [pid for pid in family(os.getpid()) if pid not in known and _renders(pid)]
        self.spare = await join(staying, self.server, 2)
        self.server.append_to["exchange.js"] = ARRIVALS
        self.leaf: Listener = await join(staying, self.server, 3)
        for parent, child in ((ROOT, RELAY), (ROOT, SPARE), (RELAY, LEAF)):
            edges = await self.server.link(ROOT, parent, child)
            await self.server.until(lambda edges=edges: set(edges) <= self.server.ready, 20)
        for edge in self.server.streams(ROOT, SPARE, LEAF):
            await self.server.standby(edge)

    @property
    def page(self) -> Page:
        """The leaf's."""
        return self.leaf.page

    async def ready(self) -> None:
        """Waits for the connection that stands by, and for quiet."""
        script = """async () => (await connections.reports())
            .filter(({ type, state }) => type === "data-channel" && state === "open")
            .length === 2"""
        await until(self.page, script)
        await self.page.evaluate("root => gaps.watch(root)", ROOT)
        await asyncio.sleep(_SETTLING)

    async def relay_says(self, word: str) -> None:
        """To all its neighbours, and goes on sending as before."""
        script = "word => channels.forEach((one) => one.send(word))"
        await self.relay.page.evaluate(script, word)

    async def gap(self, how: str) -> Gap:
        """The relay fails; for how long the leaf gets no sound of the root's."""
        await self.page.evaluate("gaps.reset()")
        async with AsyncExitStack() as stack:
            match how:
                case "closed":
                    await self.relay.page.close()
                case "killed":
                    self._signal(signal.SIGKILL)
                case "frozen":
                    self._signal(signal.SIGSTOP)
                    stack.callback(self._signal, signal.SIGCONT)
                case "cut":
                    ports = set(await self.relay.page.evaluate(_PORTS))
                    await stack.enter_async_context(Cut(sorted(ports)))
                case _:
                    raise ValueError(how)
            wanted = set(self.server.streams(ROOT, SPARE, LEAF))
            await self.server.until(lambda: wanted <= self.server.ready, 20)
            await asyncio.sleep(_AFTER)
            return Gap(**await self.page.evaluate("gaps.longest()"))

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._renderers:
            os.kill(pid, number)


class Cut:
    """Drops what comes from UDP ports of this machine, and goes there; needs root."""

    _TABLE = f"trestle_cut_{os.getpid()}"

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ", ".join(map(str, ports))

    async def __aenter__(self) -> None:
        rules = "".join(f"udp {end}port {{ {self._ports} }} drop;" for end in "sd")
        chain = f"chain cut {{ type filter hook output priority 0; policy accept; {rules} }}"
        await self._nft(f"table inet {self._TABLE} {{ {chain}; }}\n")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._nft(f"delete table inet {self._TABLE}\n")

    async def _nft(self, commands: str) -> None:
        process = await asyncio.create_subprocess_exec(
            "nft", "-f", "-", stdin=asyncio.subprocess.PIPE
        )
        await process.communicate(commands.encode())
        assert process.returncode == 0, commands


def _renders(pid: int) -> bool:
    try:
        return b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return False
