"""Pages in a row, each the child of the one before; the first is the source of all."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

from support.browser import Listener
from support.scripted_page import pictures
from support.scripted_signalling import ScriptedServer

SOURCE = "web-1"

NO_TRANSFORMS = "delete globalThis.RTCRtpScriptTransform"
"""For a page that encodes anew what it passes on."""

_COUNTERS = """async () => {
  const sums = {};
  for (const report of await connections.reports()) {
    if (report.type !== "inbound-rtp") continue;
    for (const [name, value] of Object.entries(report)) {
      if (typeof value !== "number") continue;
      sums[`${report.kind} ${name}`] = (sums[`${report.kind} ${name}`] ?? 0) + value;
    }
  }
  return sums;
}"""

Counters = Mapping[str, float]
"""By kind and name, as in "audio concealedSamples": W3C WebRTC Statistics, section 8.1."""


async def open_server(stack: AsyncExitStack, listen: str = "127.0.0.1") -> ScriptedServer:
    """Its trees are those that are told it."""
    server = ScriptedServer(listen)
    server.chained = False
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def attach(server: ScriptedServer, parent: int, child: int) -> None:
    """Pages are numbered from 1, as they joined; returns when the stream has come."""
    await server.link(SOURCE, f"web-{parent}", f"web-{child}")
    await server.until(lambda: server.settled, seconds=20)


async def chain(server: ScriptedServer, people: Sequence[Listener]) -> None:
    """Returns when all show the first one's picture."""
    for parent, child in pairwise(range(1, len(people) + 1)):
        await attach(server, parent, child)
    for listener in people[1:]:
        await pictures(listener.page, 2)


async def methods(listener: Listener) -> list[str]:
    """How a page passes on what it passes on."""
    return sorted({edge["method"] for edge in await listener.page.evaluate("trestle.stats()")})


async def received(listener: Listener) -> Counters:
    """What came in at a page up to now, the sums over all streams."""
    counters: Counters = await listener.page.evaluate(_COUNTERS)
    return counters


def since(before: Counters, after: Counters) -> Counters:
    return {name: value - before.get(name, 0) for name, value in after.items()}


def concealed(counts: Counters) -> float:
    """Which part of the sound was made up and could be heard, 0 to 1.

    A packet that is lost where a pause (DTX) begins is missed only when the next one comes, and the
    400 ms between them are silent.
    """
    heard = counts["audio concealedSamples"] - counts["audio silentConcealedSamples"]
    return heard / counts["audio totalSamplesReceived"]


async def watched(listener: Listener) -> dict[str, Any]:
    """What page/timed.js has seen and heard since `timed.watch`."""
    results: dict[str, Any] = await listener.page.evaluate("timed.results")
    return results
