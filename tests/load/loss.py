"""`make bench-loss`: what is left of a stream at the end of a chain whose every link loses packets.

Four Chromiums, each on a host of its own; each of the three links loses the same part of its
packets in each direction, by chance. On the same links once by exchanging payloads ("swap"), once
by encoding anew at each relay ("reforward"). At the leaf every picture that is shown is compared
with the one that the source painted at its time.
"""

import argparse
import asyncio
import statistics
import sys
from contextlib import AsyncExitStack, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise

from load.chain import NO_TRANSFORMS, chain, concealed, methods, open_server, received, since
from load.chain import watched as watched_by
from load.results import FOLDER, Figure, load, put, say
from support.browser import Browser, Camera, Listener
from support.namespaces import Host, Network, unavailable
from support.scripted_page import join

CAMERA = Camera(height=180, rate=15, timed=True)
"""Small, so that four browsers on one machine lose nothing to a lack of processor time."""

SECONDS = {0.0: 20.0, 0.02: 60.0, 0.05: 60.0}
"""How long for each part that is lost: chance has to even out."""

SCRIPTS = {"swap": "", "reforward": NO_TRANSFORMS}

BEGINNING = 10.0
"""Seconds until bandwidth estimates have grown and jitter buffers have settled."""
SETTLING = 4.0

CORRUPTED = 33.0
"""dB: a shown picture that is further from its original was decoded wrongly."""

_WATCH = "timed.watch('web-1', 1)"
_CLEAR = "timed.clear()"


@dataclass(frozen=True, slots=True)
class Case:
    """What one run came to, at the leaf."""

    method: str
    loss: float
    frames: int
    """Pictures shown."""
    worst_db: float
    median_db: float
    corrupted: int
    freezes: float
    frozen_ms: float
    """By the browser: W3C WebRTC Statistics, freezeCount."""
    concealed: float
    """Part of the sound that was made up: at the leaf, or, encoded anew, at any hop."""
    dropped: int
    """Packets, by the router."""

    @property
    def row(self) -> str:
        cells = (
            self.method,
            f"{self.loss:.0%}",
            self.dropped,
            self.frames,
            f"{self.worst_db:.1f}",
            f"{self.median_db:.1f}",
            self.corrupted,
            f"{self.freezes:.0f}",
            f"{self.frozen_ms:.0f}",
            f"{self.concealed:.2%}",
        )
        return "| " + " | ".join(map(str, cells)) + " |"


HEAD = (
    "| method | loss | packets dropped | pictures | worst dB | median dB | under 33 dB | freezes"
    " | frozen ms | concealed |"
)


async def cases(method: str, length: float) -> list[Case]:
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(Network())
        server = await open_server(stack, network.address)
        hosts = [await network.host() for _ in range(4)]
        people = []
        for person, host in enumerate(hosts):
            browser = await stack.enter_async_context(Browser(CAMERA, host, server.url))
            people.append(await join(browser, server, person, SCRIPTS[method]))
        await chain(server, people)
        await asyncio.sleep(BEGINNING)
        used = [await methods(relay) for relay in people[1:3]]
        if used != [[method]] * 2:
            raise RuntimeError(f"the relays' methods are {used}, not {method}")
        await people[3].page.evaluate(_WATCH)
        return [
            await case(method, loss, length * seconds, network, hosts, people)
            for loss, seconds in SECONDS.items()
        ]


async def case(
    method: str,
    loss: float,
    seconds: float,
    network: Network,
    hosts: list[Host],
    people: list[Listener],
) -> Case:
    for one, other in pairwise(hosts):
        await network.lose(one, other, loss)
    await asyncio.sleep(SETTLING)
    await people[3].page.evaluate(_CLEAR)
    lost = await network.dropped()
    before = [await received(listener) for listener in people[1:]]
    await asyncio.sleep(seconds)
    after = [await received(listener) for listener in people[1:]]
    hops = [since(old, new) for old, new in zip(before, after, strict=True)]
    leaf = hops[-1]
    results = await watched_by(people[3])
    heard = 1.0
    for hop in hops if method == "reforward" else hops[-1:]:
        heard *= 1 - concealed(hop)
    outcome = Case(
        method,
        loss,
        len(results["psnr"]),
        min(results["psnr"]),
        statistics.median(results["psnr"]),
        sum(psnr < CORRUPTED for psnr in results["psnr"]),
        leaf["video freezeCount"],
        1000 * leaf["video totalFreezesDuration"],
        1 - heard,
        await network.dropped() - lost,
    )
    say(outcome.row)
    print(method, loss, hops)  # noqa: T201  # all that the browsers count
    return outcome


def figures(outcomes: list[Case]) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    by = {(case.method, case.loss): case for case in outcomes}
    for (method, loss), one in by.items():
        name = f"{method}_{loss * 100:.0f}"
        found[f"{name}_worst_db"] = round(one.worst_db, 1)
        found[f"{name}_corrupted"] = one.corrupted
        found[f"{name}_freezes"] = one.freezes
        found[f"{name}_frozen_ms"] = round(one.frozen_ms)
        found[f"{name}_concealed_ratio"] = round(one.concealed, 4)
        other = by.get(("reforward", loss))
        if method == "swap" and loss > 0 and other is not None:
            found[f"frozen_ratio_{loss * 100:.0f}"] = _ratio(one.frozen_ms, other.frozen_ms)
            found[f"concealed_vs_reforward_{loss * 100:.0f}"] = _ratio(
                one.concealed, other.concealed
            )
    return found


def _ratio(ours: float, theirs: float) -> Figure:
    """None where there is nothing to compare with."""
    return round(ours / theirs, 2) if theirs > 0 else None


async def measured(only: list[str], length: float) -> list[Case]:
    say(f"{load()} before\n\n{HEAD}\n{'|---' * 10}|")
    outcomes = [case for method in only for case in await cases(method, length)]
    say(f"\n{load()} after")
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the time")
    parser.add_argument("method", nargs="*", choices=[*SCRIPTS, []], help="one of them only")
    given = parser.parse_args()
    only = given.method or list(SCRIPTS)
    if why := unavailable():
        sys.exit(f"cannot measure: {why}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "loss.log").open("w") as log, redirect_stdout(log):
        outcomes = asyncio.run(measured(only, 0.25 if given.quick else 1.0))
    for key, value in figures(outcomes).items():
        say(f"{key:<32} {value}")
    say(f"\n{put('loss', figures(outcomes))} is written")


if __name__ == "__main__":
    main()
