"""`make bench-relay`: what relays in browsers add to a stream, hop by hop, and what they cost.

Chain: four Chromium pages, each the child of the one before; the first shows the time and beeps.
A hop adds half of what the last page is later than the second, which gets all from the source
itself. For sound each beep is compared with itself, at both pages. Part of that is the jitter
buffer of the page that plays: a relay passes on what comes in before its own, but the last page's
has the jitter of three hops to even out. So both are told: with it, as people hear it, and without.
Cost: one Chromium that relays to three children, over one that only plays, with payloads passed on
and with encoding anew, in one run.
"""

import asyncio
import os
import pathlib
import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack, redirect_stdout
from itertools import pairwise

from load.chain import (
    NO_TRANSFORMS,
    Counters,
    attach,
    chain,
    concealed,
    methods,
    open_server,
    received,
    since,
    watched,
)
from load.process import family, family_cpu_seconds
from load.results import FOLDER, load, put, say
from support.browser import Browser, Camera
from support.scripted_page import join, pictures

_CAMERA = Camera(height=360, rate=25, timed=True)
_SETTLING = 15.0
"""Seconds; jitter buffers forget slowly how busy the pages were while they began."""
_SECONDS = 30
_CPU_SECONDS = 12.0


async def hops() -> dict[str, float]:
    """Four pages in a row; ms, dB and a ratio."""
    async with AsyncExitStack() as stack:
        server = await open_server(stack)
        browser = await stack.enter_async_context(Browser(_CAMERA))
        people = [await join(browser, server, person) for person in range(4)]
        await chain(server, people)
        await asyncio.sleep(_SETTLING)
        for listener in (people[1], people[3]):
            await listener.page.evaluate("timed.watch('web-1')")
        seconds = [[await received(listener) for listener in people[1:]]]
        for _ in range(_SECONDS):
            await asyncio.sleep(1)
            seconds.append([await received(listener) for listener in people[1:]])
        beeps = await people[0].page.evaluate("timed.beeps")
        first, last = [await watched(listener) for listener in (people[1], people[3])]
        say(f"methods of the two relays: {[await methods(relay) for relay in people[1:3]]}")
    buffers = [_buffer_ms(counters) for counters in zip(*seconds, strict=True)]
    say(f"sound in the jitter buffers of the three: {[round(ms) for ms in buffers]} ms")
    for hop, results in ((1, first), (3, last)):
        sound = statistics.median(_latencies(results["onsets"], beeps).values())
        picture = statistics.median(results["video"])
        say(f"hop {hop}: sound {sound:.0f} ms, picture {picture:.0f} ms")
    audio = _added(_latencies(first["onsets"], beeps), _latencies(last["onsets"], beeps)) / 2
    own = (buffers[2] - buffers[0]) / 2
    say(f"of the {audio:.0f} ms that a hop adds to sound, {own:.0f} ms wait in the last of them")
    video, psnr = [
        statistics.median(last[name]) - statistics.median(first[name]) for name in ("video", "psnr")
    ]
    return {
        "hop_audio_ms": round(audio, 1),
        "hop_video_ms": round(video / 2, 1),
        "hop_psnr_loss_db": round(-psnr, 2),
        "concealed_ratio": round(concealed(since(seconds[0][-1], seconds[-1][-1])), 4),
    }


def _latencies(onsets: Sequence[float], beeps: Sequence[float]) -> dict[float, float]:
    """By beep, how long after it was heard, ms."""
    heard = (
        (onset, max((beep for beep in beeps if beep <= onset), default=None)) for onset in onsets
    )
    return {beep: onset - beep for onset, beep in heard if beep is not None}


def _added(first: dict[float, float], last: dict[float, float]) -> float:
    """The median over the beeps that both have heard, ms."""
    both = first.keys() & last.keys()
    if not both:
        raise RuntimeError("no beep came through to both pages")
    return statistics.median(last[beep] - first[beep] for beep in both)


def _buffer_ms(seconds: Sequence[Counters]) -> float:
    """How long sound waited: the median of its average in each second, as the median of beeps
    passes over single stalls, too. jitterBufferDelay in W3C WebRTC Statistics."""
    return statistics.median(
        1000 * one["audio jitterBufferDelay"] / one["audio jitterBufferEmittedCount"]
        for one in (since(before, after) for before, after in pairwise(seconds))
        if one["audio jitterBufferEmittedCount"] > 0
    )


async def cost(script: str) -> tuple[float, float]:
    """Processor seconds a second of a Chromium that plays, and that also relays to three."""
    async with AsyncExitStack() as stack:
        server = await open_server(stack)
        browser = await stack.enter_async_context(Browser(_CAMERA))
        await join(browser, server)
        known = _chromiums()
        relaying = await stack.enter_async_context(Browser(_CAMERA))
        pid = min(_chromiums() - known)  # what it starts comes after it
        relay = await join(relaying, server, 1, script)
        children = [await join(browser, server, person) for person in (2, 3, 0)]
        await attach(server, 1, 2)
        await pictures(relay.page, 2)
        await asyncio.sleep(_SETTLING)
        playing = await _cpu(pid)
        for child in (3, 4, 5):
            await attach(server, 2, child)
        for listener in children:
            await pictures(listener.page, 2)
        await asyncio.sleep(_SETTLING)
        say(f"methods: {await methods(relay)}")
        return playing, await _cpu(pid)


async def _cpu(pid: int) -> float:
    before = family_cpu_seconds(pid)
    await asyncio.sleep(_CPU_SECONDS)
    return (family_cpu_seconds(pid) - before) / _CPU_SECONDS


def _chromiums() -> set[int]:
    """The browsers, not the processes that they start, among our own descendants."""
    found = set()
    for pid in family(os.getpid()):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"chromium" in words[0] and not any(word.startswith(b"--type=") for word in words):
            found.add(pid)
    return found


async def measured() -> dict[str, float]:
    say(f"{load()} before")
    figures = await hops()
    playing, swapping = await cost("")
    plain, anew = await cost(NO_TRANSFORMS)
    say(f"one Chromium, of a core: plays {playing:.0%} and passes on to three {swapping:.0%};")
    say(f"plays {plain:.0%} and encodes anew for three {anew:.0%}")
    figures["relay_cpu_vs_reforward"] = round((swapping - playing) / (anew - plain), 2)
    say(f"{load()} after")
    return figures


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "relay.log").open("w") as log, redirect_stdout(log):  # the pages' consoles
        figures = asyncio.run(measured())
    for key, value in figures.items():
        say(f"{key:<24} {value:>8}")
    say(f"{put('trees', figures)} is written")


if __name__ == "__main__":
    main()
