"""`make bench-churn`: the OwnStream experiment, with our trees and our repair.

The real gateway, one publisher and 80 receivers that speak docs/protocol.md over real web sockets
and relay UDP packets of real size and rate. Receivers fail without a word, at places that five
distributions draw, and come back as new ones. A stall: more than 200 ms between packets of sound,
without the time in which this program, which plays them all, got no processor.
"""

import argparse
import asyncio
import json
import os
import pathlib
import sys
import time
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass

import numpy as np

from gateway.trees.failures import Distribution, victim
from gateway.trees.topology import Tree
from load.churn_client import Client
from load.churn_peer import TICK
from load.own_time import OwnTime
from load.process import family_cpu_seconds
from load.real_tree import deepest, real_tree
from load.stalls import PACKET, STALL, Stalls
from support.gateway import Gateway

_REPORT = pathlib.Path("build/bench/churn.json")
_LOG = pathlib.Path("build/bench/churn.log")
_ROOM = "churn"
_RATES = (1, 2, 3, 4, 5)
_SETTLING = 11.0
"""Seconds between cells: after ten the server may move again whom repairs have moved."""

_PUBLISHED = {
    ("uniform", 1): "36 / 28 / 780",
    ("uniform", 4): "152 / 127 / 840",
    ("binomial", 2): "0 / 0 / -",
    ("binomial", 4): "0 / 0 / -",
}
"""Stalls / total s / average ms, as far as they are told."""


@dataclass(frozen=True)
class Options:
    receivers: int
    seconds: float
    picture_packets: int
    connecting: float
    silently: bool
    seed: int


class Room:
    """The publisher and its receivers, who come and go."""

    def __init__(self, gateway: Gateway, options: Options) -> None:
        self._url = gateway.site.signalling_url
        self._options = options
        self._random = np.random.default_rng(options.seed)
        self._alive: dict[str, Client] = {}
        self._gone: list[Client] = []
        self._joining: set[asyncio.Task[None]] = set()
        self._pauses: list[float] = []
        self._listened = 0.0
        self.time = OwnTime()

    async def fill(self) -> None:
        self.source = Client(self._options.connecting, self.time)
        await self.source.join(self._url, _ROOM, ["audio", "video"])
        self._beats = [asyncio.create_task(self._speak()), asyncio.create_task(self._tick())]
        for _ in range(self._options.receivers):
            await self._join()

    async def empty(self) -> None:
        for task in (*self._beats, *self._joining):
            task.cancel()
        await asyncio.gather(*self._beats, *self._joining, return_exceptions=True)
        clients = [self.source, *self._alive.values(), *self._gone]
        await asyncio.gather(*(client.close() for client in clients))

    async def cell(self, distribution: Distribution, rate: int) -> Stalls:
        """`rate` failures a second, for as long as the options say."""
        await self._quiet()
        self._pauses.clear()
        self._listened = self.time.longest = 0.0
        for client in self._alive.values():
            client.hearing.begin_anew()
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in range(round(rate * self._options.seconds)):
            await asyncio.sleep(begin + number / rate - loop.time())
            self._fail(distribution)
        await asyncio.sleep(begin + self._options.seconds - loop.time())
        for client in self._alive.values():
            self._end(client)
        return Stalls.of(self._pauses, self._listened)

    async def _join(self) -> None:
        client = Client(self._options.connecting, self.time)
        try:
            await client.join(self._url, _ROOM, [])
        except BaseException:
            await client.close()
            raise
        self._alive[client.id] = client

    async def _quiet(self) -> None:
        """Until everybody has sound, and the server has had time to put all in order."""
        await asyncio.gather(*self._joining)
        async with asyncio.timeout(60):
            for client in list(self._alive.values()):
                await client.began.wait()
        await asyncio.sleep(_SETTLING if self._gone else 2.0)

    def _fail(self, distribution: Distribution) -> None:
        tree = self._tree()
        name = victim([tree], tree.parent_of, distribution, self._random)
        if name is None:
            return
        client = self._alive.pop(name)
        self._end(client)
        client.fail(silently=self._options.silently)
        self._gone.append(client)
        task = asyncio.create_task(self._join())
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    def _end(self, client: Client) -> None:
        self._listened += client.hearing.end(self.time.now())
        self._pauses += client.hearing.pauses

    def _tree(self) -> Tree:
        began = {n: c.peer.parent(0) for n, c in self._alive.items() if c.began.is_set()}
        return real_tree(self.source.id, {self.source.id: None, **began})

    def depth(self) -> int:
        return deepest(self._tree())

    async def _speak(self) -> None:
        begin, number = self.time.now(), 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, begin + number * PACKET - self.time.now()))
            self.source.speak(number, self._options.picture_packets)

    async def _tick(self) -> None:
        while True:
            now = self.time.now()
            for client in (self.source, *self._alive.values()):
                client.tick(now)
            await asyncio.sleep(TICK)


async def measured(
    cells: list[tuple[Distribution, int]], options: Options
) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    more = f"conference: {{max_participants: {2 * options.receivers + 50}}}"
    async with Gateway(more, log_level="info") as gateway:
        room = Room(gateway, options)
        await room.fill()
        _say(_HEAD)
        try:
            for distribution, rate in cells:
                before = _spent(gateway, room)
                stalls = await room.cell(distribution, rate)
                spent = zip(_spent(gateway, room), before, strict=True)
                server, own, stopped, seconds = (new - old for new, old in spent)
                cpu = f"{server / seconds:.0%}, {own / seconds:.0%}"
                _say(_row(distribution, rate, stalls, room, cpu, stopped))
                key = f"{distribution}_{rate}"
                figures[f"{key}_stalls"] = stalls.stalls
                figures[f"{key}_total_s"] = round(stalls.total_s, 2)
                figures[f"{key}_average_ms"] = round(stalls.average_ms)
        finally:
            await room.empty()
    return figures


def _spent(gateway: Gateway, room: Room) -> tuple[float, ...]:
    """Seconds: the processor's by the gateway and by this program, without it, and of all time."""
    server = family_cpu_seconds(gateway.process.pid)
    return server, time.process_time(), room.time.stopped, time.monotonic()


_HEAD = (
    "| distribution | failures/s | stalls / total s / average ms | published | longest ms"
    " | gaps over 100 ms / total s | listened s | depth at the end | processor: gateway, own"
    " | own stops, total s / longest ms |\n|---|---|---|---|---|---|---|---|---|---|"
)


def _row(
    distribution: Distribution, rate: int, stalls: Stalls, room: Room, cpu: str, stopped: float
) -> str:
    cells = (
        distribution,
        rate,
        f"{stalls.stalls} / {stalls.total_s:.2f} / {stalls.average_ms:.0f}",
        _PUBLISHED.get((distribution, rate), ""),
        f"{stalls.longest_ms:.0f}",
        f"{stalls.gaps} / {stalls.gaps_total_s:.2f}",
        f"{stalls.listened_s:.0f}",
        room.depth(),
        cpu,
        f"{stopped:.1f} / {1000 * room.time.longest:.0f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _say(text: str) -> None:
    print(text, file=sys.__stdout__, flush=True)


def _options() -> tuple[argparse.Namespace, Options]:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [str(one) for one in Distribution]
    parser.add_argument("--distributions", nargs="*", default=names, choices=names)
    parser.add_argument("--rates", nargs="*", type=int, default=_RATES, choices=_RATES)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each cell")
    parser.add_argument("--receivers", type=int, default=80)
    parser.add_argument(
        "--picture-packets",
        type=int,
        default=5,
        help="of 1120 octets in each of 25 frames a second; 5 make 1.16 Mbit/s with the sound",
    )
    parser.add_argument(
        "--connecting",
        type=float,
        default=0.1,
        help="seconds that ICE and DTLS take between two browsers, after their descriptions",
    )
    parser.add_argument(
        "--silently",
        action="store_true",
        help="web sockets of those who fail stay open: only their neighbours can know",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--add", action="store_true", help="keep the report's other cells")
    given = parser.parse_args()
    return given, Options(
        given.receivers,
        given.seconds,
        given.picture_packets,
        given.connecting,
        given.silently,
        given.seed,
    )


def main() -> None:
    given, options = _options()
    _REPORT.parent.mkdir(parents=True, exist_ok=True)
    cells = [(Distribution(name), rate) for name in given.distributions for rate in given.rates]
    figures: dict[str, float | None] = {
        f"{distribution}_{rate}_{what}": None
        for distribution in Distribution
        for rate in _RATES
        for what in ("stalls", "total_s", "average_ms")
    }
    if given.add and _REPORT.exists():
        figures |= json.loads(_REPORT.read_text())
    _say(f"load {os.getloadavg()[0]:.1f}; {options}; a stall is over {1000 * STALL:.0f} ms\n")
    with _LOG.open("w") as log, redirect_stdout(log), suppress(KeyboardInterrupt):
        figures |= asyncio.run(measured(cells, options))
    _REPORT.write_text(json.dumps(figures, indent=2) + "\n")
    _say(f"\nload {os.getloadavg()[0]:.1f}; {_REPORT} is written")


if __name__ == "__main__":
    main()
