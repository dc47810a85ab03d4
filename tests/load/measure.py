"""One case on one plane: how much processor time a leg takes."""

import asyncio
import statistics
import time
from dataclasses import dataclass

from load.plane import Generator
from load.process import cpu_seconds

WARM_UP = 2.0
"""Seconds: jitter buffers settle, speakers are chosen."""

SECONDS = 4.0
RUNS = 3
TRIES = 5
"""Runs at most: one in which packets are missing does not count, for less work was done."""

_WHOLE = 47.5
_HOPELESS = 25.0


@dataclass(frozen=True)
class Window:
    """Of one run."""

    cpu_us: float
    """Microseconds of processor time for each second of a leg."""
    sent: float
    received: float
    """Packets for each second of a leg; 50 is all."""

    @property
    def is_whole(self) -> bool:
        return min(self.sent, self.received) > _WHOLE


@dataclass(frozen=True)
class Result:
    """Of all runs."""

    legs: int
    windows: tuple[Window, ...]

    @property
    def whole(self) -> tuple[Window, ...]:
        return tuple(window for window in self.windows if window.is_whole)

    @property
    def cpu_us(self) -> float | None:
        """The median; None where the machine was too busy, or the work too much, to tell."""
        if len(self.whole) < RUNS:
            return None
        return statistics.median(window.cpu_us for window in self.whole)

    @property
    def legs_per_core(self) -> int | None:
        return None if self.cpu_us is None else round(1e6 / self.cpu_us)

    @property
    def spread(self) -> str:
        """Legs per core of the worst and the best run."""
        every = sorted(round(1e6 / window.cpu_us) for window in self.whole)
        return f"{every[0]}-{every[-1]}" if every else ""

    @property
    def received(self) -> float:
        return statistics.median(window.received for window in self.windows)


async def measure(source: Generator, pid: int, legs: int) -> Result:
    """The callers are connected; `pid` is the process that mixes."""
    await source.ask("send")
    await asyncio.sleep(WARM_UP)
    windows: list[Window] = []
    while len(windows) < TRIES and sum(window.is_whole for window in windows) < RUNS:
        windows.append(await _window(source, pid, legs))
        if windows[-1].received < _HOPELESS:
            break
    return Result(legs, tuple(windows))


async def _window(source: Generator, pid: int, legs: int) -> Window:
    before = await source.ask("count")
    start, cpu = time.monotonic(), cpu_seconds(pid)
    await asyncio.sleep(SECONDS)
    spent, seconds = cpu_seconds(pid) - cpu, time.monotonic() - start
    after = await source.ask("count")
    leg_seconds = legs * seconds
    return Window(
        spent * 1e6 / leg_seconds,
        (after["sent"] - before["sent"]) / leg_seconds,
        (after["received"] - before["received"]) / leg_seconds,
    )
