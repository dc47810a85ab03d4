"""`make bench-gaps`: for how long nothing comes when the relay above a page fails or leaves.

Failures: a root, two relays and a leaf in Chromium; the leaf hangs below one relay, the other
stands by, in a conference whose server only passes messages on. Leaving: at the real gateway, one
who speaks to five listeners, of whom a relay leaves by the button. What counts is the longest time
between two frames of sound, of which there is one every 20 ms.
"""

import argparse
import asyncio
import math
from collections.abc import Sequence
from contextlib import redirect_stdout

from load import results
from load.results import say
from support.failover import FAILURES, Failover, Gap
from support.listeners import Listeners

JITTER = 60.0
"""ms between frames that relays make of 20 ms without any failure: so much is no gap. On a busy
machine it can be more: then what those have at the same time whose parents stay is none either."""


async def failures(how: str, repetitions: int) -> list[Gap]:
    gaps = []
    for _ in range(repetitions):
        async with Failover("audio") as rig:
            await rig.ready()
            gaps.append(await rig.gap(how))
    return gaps


async def leaving(repetitions: int) -> tuple[list[Gap], list[Gap]]:
    """Of the relay's children; and at the same time of the others, whom nothing happens to."""
    below: list[Gap] = []
    elsewhere: list[Gap] = []
    for _ in range(repetitions):
        async with Listeners(5) as room:
            relay, children = await room.relay()
            others = [one for one in room.people if one is not relay and one not in children]
            gaps = await room.gaps("planned", relay, [*children, *others])
            below += gaps[: len(children)]
            elsewhere += gaps[len(children) :]
    return below, elsewhere


def p95(values: Sequence[float]) -> float:
    """The value that 95 % do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _tell(what: str, gaps: Sequence[Gap]) -> None:
    frames = sorted(round(gap.frames) for gap in gaps)
    heard = sorted(round(gap.heard) for gap in gaps)
    say(f"{what}: ms between frames {frames}, of silence {heard}; {results.load()}")


async def measured(kinds: Sequence[str], repetitions: int) -> dict[str, float]:
    figures = {}
    for how in kinds:
        if how == "planned":
            gaps, others = await leaving(repetitions)
            longest = max(gap.frames for gap in gaps)
            usual = max(JITTER, *(gap.frames for gap in others))
            figures["gap_planned_max_ms"] = round(longest) if longest > usual else 0
            _tell("others while one leaves", others)
        else:
            gaps = await failures(how, repetitions)
            figures[f"gap_{how}_p95_ms"] = round(p95([gap.frames for gap in gaps]))
        _tell(how, gaps)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=[*FAILURES, "planned"])
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    log = results.FOLDER / "gaps.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file, redirect_stdout(file):  # what the pages' consoles say
        figures = asyncio.run(measured(arguments.kinds, arguments.repetitions))
    results.put("trees", figures)
    for key, value in figures.items():
        say(f"{key:<24} {value:>8}")


if __name__ == "__main__":
    main()
