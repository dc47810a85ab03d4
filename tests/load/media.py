"""`make bench-media`: legs per core, ours and Janus AudioBridge's, by the same callers."""

import argparse
import asyncio
import json
import os
import pathlib
import platform
import sys
from dataclasses import dataclass

from load.generator import Job
from load.janus import janus
from load.measure import Result, measure
from load.plane import Generator, generator, join, rooms_of, talking_in, worker_plane
from load.process import resident_bytes

_REPORT = pathlib.Path("build/bench/media.json")


@dataclass(frozen=True)
class Case:
    plane: str
    """trestle or janus."""
    name: str
    codec: str
    secure: bool
    room: int
    talking: int
    """In each room; 0: everybody."""
    legs: tuple[int, ...]


_LEGS = (100, 500, 1000, 2000)

CASES = (
    Case("trestle", "G.711, all talk", "PCMU", False, 10, 0, _LEGS),
    Case("trestle", "G.711, all talk", "PCMU", False, 50, 0, _LEGS),
    Case("trestle", "G.711, 3 talk", "PCMU", False, 10, 3, _LEGS),
    Case("trestle", "G.711, 3 talk", "PCMU", False, 50, 3, _LEGS),
    Case("trestle", "Opus + DTLS-SRTP, 3 talk", "opus", True, 10, 3, _LEGS),
    Case("trestle", "Opus + DTLS-SRTP, 3 talk", "opus", True, 50, 3, _LEGS),
    Case("janus", "G.711, all talk", "PCMU", False, 10, 0, (100, 200)),
    Case("janus", "G.711, 3 talk", "PCMU", False, 50, 3, (100, 200)),
    Case("janus", "Opus, plain RTP, 3 talk", "opus", False, 10, 3, (40, 100)),
    Case("janus", "Opus, plain RTP, 3 talk", "opus", False, 50, 3, (50, 100)),
)


@dataclass(frozen=True)
class Row:
    case: Case
    result: Result
    leg_kb: float
    """Memory that a leg takes, in kB: after the runs, less what the empty process had."""

    def __str__(self) -> str:
        result = self.result
        figures = (
            f"{result.cpu_us:>8.0f} {result.legs_per_core:>10} {result.spread:>14}"
            if result.cpu_us is not None
            else f"{'-':>8} {'-':>10} {'not measured':>14}"
        )
        case = self.case
        return (
            f"{case.plane:<8} {case.name:<25} {case.room:>4} {result.legs:>5} {figures} "
            f"{len(result.whole)}/{len(result.windows)} {result.received:>6.1f} {self.leg_kb:>6.0f}"
        )


_HEAD = (
    f"{'plane':<8} {'work':<25} {'room':>4} {'legs':>5} {'us/leg-s':>8} {'legs/core':>10} "
    f"{'of the runs':>14} runs  heard  kB/leg"
)


async def run(case: Case, legs: int) -> Row:
    rooms = rooms_of(legs, case.room)
    job = Job(case.codec, case.secure, talking_in(rooms, case.talking))
    async with generator() as source:
        if case.plane == "janus":
            async with janus() as server:
                before = resident_bytes(server.pid)
                await server.join(source, job, rooms)
                return await _row(case, source, server.pid, legs, before)
        async with worker_plane() as plane:
            (pid,) = plane.pids
            before = resident_bytes(pid)
            await join(plane, source, job, rooms)
            return await _row(case, source, pid, legs, before)


async def _row(case: Case, source: Generator, pid: int, legs: int, before: int) -> Row:
    result = await measure(source, pid, legs)
    return Row(case, result, (resident_bytes(pid) - before) / legs / 1000)


def summary(rows: list[Row]) -> dict[str, float | None]:
    """The best whole row of each kind; None where there is none."""

    def best(plane: str, codec: str, room: int, talking: int) -> int | None:
        wanted = (plane, codec, room, talking)
        return max(
            (
                row.result.legs_per_core
                for row in rows
                if (row.case.plane, row.case.codec, row.case.room, row.case.talking) == wanted
                and row.result.legs_per_core is not None
            ),
            default=None,
        )

    def ratio(ours: int | None, theirs: int | None) -> float | None:
        return None if ours is None or theirs is None else round(ours / theirs, 2)

    g711, opus = best("trestle", "PCMU", 10, 0), best("trestle", "opus", 50, 3)
    # The most legs tell most truly what one of them takes.
    secure = [row for row in rows if row.case.secure and row.case.room == 50]
    most = max(secure, key=lambda row: row.result.legs, default=None)
    return {
        "g711_legs_per_core": g711,
        "g711_vs_janus": ratio(g711, best("janus", "PCMU", 10, 0)),
        "g711_3talking_legs_per_core": best("trestle", "PCMU", 50, 3),
        "opus_srtp_room50_legs_per_core": opus,
        "opus_vs_janus": ratio(opus, best("janus", "opus", 50, 3)),
        "webrtc_leg_kb": None if most is None else round(most.leg_kb, 1),
    }


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def measured(chosen: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for case in CASES:
        if chosen.plane not in (None, case.plane) or chosen.codec not in (None, case.codec):
            continue
        for legs in case.legs:
            if legs <= chosen.most:
                try:
                    rows.append(await run(case, legs))
                except (FileNotFoundError, EOFError) as problem:
                    _say(f"{case.plane:<8} {case.name:<25} {case.room:>4} {legs:>5} {problem}")
                    continue
                _say(str(rows[-1]))
                _write(rows)
                if not rows[-1].result.whole:
                    break  # more of them would not do better
    return rows


def _write(rows: list[Row]) -> None:
    _REPORT.parent.mkdir(parents=True, exist_ok=True)
    _REPORT.write_text(json.dumps(summary(rows), indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plane", choices=("trestle", "janus"))
    parser.add_argument("--codec", choices=("PCMU", "opus"))
    parser.add_argument("--most", type=int, default=2000, help="legs")
    chosen = parser.parse_args()
    _say(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} before; medians of the runs in which nothing was missing"
    )
    _say(_HEAD)
    rows = asyncio.run(measured(chosen))
    _write(rows)
    _say(f"{_REPORT}: {json.dumps(summary(rows))}")


if __name__ == "__main__":
    main()
