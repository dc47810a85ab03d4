"""Fifty thousand datagrams a second of a stranger's at the port where all WebRTC calls are.

`TRESTLE_FLOOD_SECONDS=10 pytest -s tests/scenario/test_media_flood.py` is the long form.
"""

import asyncio
import os
import sys

import pytest
from load.generator import HOST, Job
from load.plane import Generator, generator, join

from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import LegFailed, Measured, MediaEvent, ParticipantId
from gateway.statistics import EngineStatistics, LegStatistics
from support.sockets import free_port, free_ports

RATE = 50_000
SECONDS = float(os.environ.get("TRESTLE_FLOOD_SECONDS", "2"))
CLIENTS, PHONES = 4, 2
STEPS = 4
"""In a tick."""
INTERVAL = 0.5
"""Seconds between two measurements."""


class Watched:
    """A plane with its latest measurements."""

    def __init__(self, port: int) -> None:
        ports = free_ports(20)
        settings = Settings(
            ports, HOST, ice_port=port, ice_addresses=(HOST,), capacity=64, report_interval=INTERVAL
        )
        self.plane = WorkerPlane(settings, 1)
        self.legs: dict[ParticipantId, LegStatistics] = {}
        self.failed: list[LegFailed] = []
        self._measured = asyncio.Event()

    async def start(self) -> None:
        await self.plane.start(self._take)

    def _take(self, event: MediaEvent) -> None:
        match event:
            case Measured():
                self.legs.update(event.legs)
                self._measured.set()
            case LegFailed():
                self.failed.append(event)

    async def measured(self) -> tuple[dict[ParticipantId, LegStatistics], EngineStatistics]:
        """Of all legs and the engine, anew."""
        self.legs.clear()
        before = self.plane.statistics().get(0)
        async with asyncio.timeout(20):
            while len(self.legs) < CLIENTS + PHONES or self.plane.statistics().get(0) is before:
                self._measured.clear()
                await self._measured.wait()
        return dict(self.legs), self.plane.statistics()[0]


async def _flood(port: int) -> int:
    """How many went out."""
    path = os.pathsep.join(path for path in sys.path if path)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.flood", str(port), str(RATE), str(SECONDS)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    output, _ = await program.communicate()
    return int(output)


async def _said(*callers: Generator) -> list[dict[str, int]]:
    return [await one.ask("count") for one in callers]


@pytest.mark.timeout(90 + 2 * SECONDS)
async def test_calls_go_on_while_the_ice_port_is_flooded() -> None:
    port = free_port()
    watched = Watched(port)
    await watched.start()
    try:
        async with generator() as clients, generator() as phones:
            await join(watched.plane, clients, Job("opus", True, [True] * CLIENTS), [1] * CLIENTS)
            await join(watched.plane, phones, Job("PCMU", False, [True] * PHONES), [2] * PHONES)
            for one in (clients, phones):
                await one.ask("send")
            # The first second of a call is not what is asked here.
            await asyncio.sleep(1)
            before, engine = await watched.measured()
            said = await _said(clients, phones)
            flooded = await _flood(port)
            told = await _said(clients, phones)
            after, engine_then = await watched.measured()
    finally:
        await watched.plane.stop()
    assert not watched.failed
    # A machine without time for us leaves ticks out, flood or not; the others count.
    missed = (engine_then.steps_left_out - engine.steps_left_out) / STEPS
    for old, new, legs in zip(said, told, (CLIENTS, PHONES), strict=True):
        sent, received = (new[name] - old[name] for name in ("sent", "received"))
        print(f"{received} packets for {sent} of theirs, {missed:.0f} ticks left out")  # noqa: T201
        assert received + missed * legs > 0.9 * sent
    assert len(after) == CLIENTS + PHONES
    for leg, now in after.items():
        then = before[leg]
        concealed = (now.concealed_ms - then.concealed_ms) / 20
        ratio = concealed / (concealed + now.packets_in - then.packets_in)
        print(f"{leg}: {ratio:.2%} concealed")  # noqa: T201
        assert ratio < 0.05
    dropped = sum(engine_then.refused.values()) - sum(engine.refused.values())
    print(f"{dropped} of {flooded} dropped and counted: {engine_then.refused}")  # noqa: T201
    assert dropped > 0.9 * flooded
