"""Fifty thousand datagrams a second of a stranger's at the port where all WebRTC calls are.

`TRESTLE_FLOOD_SECONDS=10 pytest -s tests/scenario/test_media_flood.py` is the long form.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from load.generator import HOST, Job
from load.plane import Generator, generator, join

from gateway.media import worker_process
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from support.counting_worker import COUNTS
from support.sockets import free_port, free_ports

RATE = 50_000
SECONDS = float(os.environ.get("TRESTLE_FLOOD_SECONDS", "2"))
CLIENTS, PHONES = 4, 2
STEPS = 4
"""In a tick."""


async def _flood(port: int) -> int:
    """How many went out."""
    command = (sys.executable, "-m", "support.flood", str(port), str(RATE), str(SECONDS))
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    return int(output)


@pytest.mark.timeout(30 + 2 * SECONDS)
async def test_calls_go_on_while_the_ice_port_is_flooded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "counts.json"
    monkeypatch.setenv(COUNTS, str(place))
    command = (sys.executable, "-m", "support.counting_worker")
    monkeypatch.setattr(worker_process, "_COMMAND", command)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    port = free_port()
    settings = Settings(free_ports(20), HOST, ice_port=port, ice_addresses=(HOST,), capacity=64)
    plane = WorkerPlane(settings, 1)
    await plane.start(lambda event: pytest.fail(str(event)))
    try:
        async with generator() as clients, generator() as phones:
            await join(plane, clients, Job("opus", True, [True] * CLIENTS), [1] * CLIENTS)
            await join(plane, phones, Job("PCMU", False, [True] * PHONES), [2] * PHONES)
            for one in (clients, phones):
                await one.ask("send")
            # The first second of a call is not what is asked here.
            await asyncio.sleep(1)
            before, said = await _counts(place), await _said(clients, phones)
            flooded = await _flood(port)
            after, told = await _counts(place), await _said(clients, phones)
    finally:
        await plane.stop()
    # A machine without time for us leaves ticks out, flood or not; the others count.
    missed = (after["steps_left_out"] - before["steps_left_out"]) / STEPS
    for old, new, legs in zip(said, told, (CLIENTS, PHONES), strict=True):
        sent, received = (new[name] - old[name] for name in ("sent", "received"))
        print(f"{received} packets for {sent} of theirs, {missed:.0f} ticks left out")  # noqa: T201
        assert received + missed * legs > 0.9 * sent
    for leg, counts in after["legs"].items():
        ratio = _ratio(before["legs"][leg], counts)
        print(f"{leg}: {ratio:.2%} concealed")  # noqa: T201
        assert ratio < 0.05
    dropped = sum(after["dropped"].values()) - sum(before["dropped"].values())
    print(f"{dropped} of {flooded} dropped and counted: {after['dropped']}")  # noqa: T201
    assert dropped > 0.9 * flooded


def _ratio(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Concealed ticks of all."""
    concealed, received = (after[name] - before[name] for name in ("concealed", "received"))
    assert received > 40 * SECONDS
    return concealed / (concealed + received)


async def _said(*callers: Generator) -> list[dict[str, int]]:
    return [await one.ask("count") for one in callers]


async def _counts(place: Path) -> dict[str, Any]:
    """As they are by now: they are written down twice a second."""
    await asyncio.to_thread(place.unlink, missing_ok=True)
    for _ in range(100):
        if await asyncio.to_thread(place.exists):
            break
        await asyncio.sleep(0.05)
    counts: dict[str, Any] = json.loads(await asyncio.to_thread(place.read_text))
    return counts
