"""`make bench-delay`: from a sound coming in to its going out, beside Janus AudioBridge.

What is told is one way through the mixer: from the packet with the onset of a tone being sent to
the first packet with the tone in it arriving. Coding and playing at the ends are not in it.
"""

import asyncio
import json
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.statistics import EngineStatistics
from load.generator import Job
from load.janus import janus
from load.plane import generator, join, rooms_of, seat, talking_in, worker_plane
from load.probe import PAIRS, Heard, Probe

_REPORT = pathlib.Path("build/bench/delay.json")

_ROOMS = [caller // 2 for caller in range(2 * PAIRS)]
_WARM_UP = 5.0
_SECONDS = 20.0
_LOADED_SECONDS = 20.0
"""Whole seconds of what the plane's lateness is about."""
_LEGS = 500


async def ours(legs: int, seconds: float) -> tuple[Heard, EngineStatistics]:
    """With so many other legs in rooms of 10, all talking. Also how late the plane's steps were."""
    async with worker_plane() as plane, generator() as source:
        if legs:
            rooms = rooms_of(legs, 10)
            await join(plane, source, Job("PCMU", False, talking_in(rooms, 0)), rooms)
            await source.ask("send")
        probe = Probe()
        targets = await seat(plane, probe.ports, "PCMU", _ROOMS, first_room=1000)
        heard = await _run(probe, targets, seconds)
        return heard, plane.statistics()[0]


async def theirs(prebuffer: int | None) -> Heard:
    async with janus() as server:
        probe = Probe()
        targets = await server.seat(probe.ports, "PCMU", _ROOMS, prebuffer)
        return await _run(probe, targets, _SECONDS)


async def _run(probe: Probe, targets: Sequence[int], seconds: float) -> Heard:
    try:
        return await asyncio.to_thread(probe.run, targets, _WARM_UP, seconds)
    finally:
        probe.close()


def _percentile(seconds: Sequence[float] | NDArray[np.float64], percent: float) -> float | None:
    return round(1000 * float(np.percentile(seconds, percent)), 1) if len(seconds) else None


def _say(name: str, heard: Heard) -> None:
    figures = [
        _percentile(some, percent)
        for some in (heard.delays, heard.lateness, heard.sender_lateness)
        for percent in (50, 99)
    ]
    words = " ".join(f"{'-' if figure is None else figure:>8}" for figure in figures)
    sys.stdout.write(f"{name:<24} {len(heard.delays):>6} {heard.lost:>4} {words}\n")
    sys.stdout.flush()


async def measured() -> dict[str, float | None]:
    sys.stdout.write(
        f"ms; load {os.getloadavg()[0]:.1f} before\n"
        f"{'':<24} {'onsets':>6} {'lost':>4} {'delay p50':>8} {'p99':>7} "
        f"{'late p50':>8} {'p99':>8} {'sender p50':>8} {'p99':>6}\n"
    )
    alone, _ = await ours(0, _SECONDS)
    _say("trestle", alone)
    loaded, engine = await ours(_LEGS, _LOADED_SECONDS)
    _say(f"trestle, {_LEGS} more legs", loaded)
    median, most, maximum = engine.late_ms
    sys.stdout.write(
        f"  its steps of 5 ms began {median} ms late (p99 {most}, max {maximum}), "
        f"{engine.steps_left_out} were left out\n"
    )
    report: dict[str, float | None] = {
        "p50_ms": _percentile(alone.delays, 50),
        "p99_ms": _percentile(alone.delays, 99),
        "janus_default_p50_ms": None,
        "janus_prebuffer2_p50_ms": None,
        "tick_late_p99_ms": most,
    }
    for key, prebuffer in (("janus_default_p50_ms", None), ("janus_prebuffer2_p50_ms", 2)):
        try:
            heard = await theirs(prebuffer)
        except FileNotFoundError as problem:
            sys.stdout.write(f"{problem}\n")
            continue
        _say("janus" if prebuffer is None else f"janus, prebuffer {prebuffer}", heard)
        report[key] = _percentile(heard.delays, 50)
    return report


def main() -> None:
    report = asyncio.run(measured())
    _REPORT.parent.mkdir(parents=True, exist_ok=True)
    _REPORT.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(f"{_REPORT}: {json.dumps(report)}\n")


if __name__ == "__main__":
    main()
