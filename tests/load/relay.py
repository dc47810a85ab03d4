"""`make bench-relay`: what relays in browsers add to a stream, hop by hop, and what they cost.

Chain: four Chromium pages, each the child of the one before; the first shows the time and beeps.
What a hop adds is half of what the last page is later than the second, which gets it from the
source itself. Cost: one Chromium that relays to three children, over one that only plays, with
payloads passed on and with encoding anew, in one run.
"""

import asyncio
import json
import os
import pathlib
import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, redirect_stdout
from typing import Any

from load.process import family, family_cpu_seconds
from support.browser import Browser, Camera, Listener
from support.scripted_page import join, pictures
from support.scripted_signalling import ScriptedServer

_REPORT = pathlib.Path("build/bench/trees.json")
_LOG = pathlib.Path("build/bench/relay.log")
_CAMERA = Camera(height=360, rate=25, timed=True)
_SETTLING = 12.0
"""Seconds; jitter buffers forget slowly how busy the pages were while they began."""
_SECONDS = 20.0
_CPU_SECONDS = 12.0
_NO_TRANSFORMS = "delete globalThis.RTCRtpScriptTransform"
_COUNTERS = """async () => {
  const names = ["concealedSamples", "totalSamplesReceived", "jitterBufferDelay",
                 "jitterBufferEmittedCount"];
  const sound = (await connections.reports()).filter(
    ({ type, kind }) => type === "inbound-rtp" && kind === "audio");
  return Object.fromEntries(names.map((name) => [
    name, sound.reduce((sum, report) => sum + (report[name] ?? 0), 0)]));
}"""


async def chain() -> dict[str, float]:
    """Four pages in a row; ms, dB and a ratio."""
    async with AsyncExitStack() as stack:
        server = await _server(stack)
        browser = await stack.enter_async_context(Browser(_CAMERA))
        people = [await join(browser, server, person) for person in range(4)]
        for parent in (1, 2, 3):
            await _attach(server, parent, parent + 1)
        for listener in people[1:]:
            await pictures(listener.page, 2)
        await asyncio.sleep(_SETTLING)
        watched = people[1].page, people[3].page
        for page in watched:
            await page.evaluate("timed.watch('web-1')")
        before = [await page.evaluate(_COUNTERS) for page in watched]
        await asyncio.sleep(_SECONDS)
        after = [await page.evaluate(_COUNTERS) for page in watched]
        beeps = await people[0].page.evaluate("timed.beeps")
        first, last = [
            _medians(await page.evaluate("timed.results"), beeps)
            | _sound({name: count - old[name] for name, count in new.items()})
            for page, old, new in zip(watched, before, after, strict=True)
        ]
        methods = [await _methods(listener) for listener in people[1:3]]
        _say(f"methods of the two relays: {methods}")
        for name, figures in (("hop 1", first), ("hop 3", last)):
            _say(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in figures.items()))
    return {
        "hop_audio_ms": round((last["audio ms"] - first["audio ms"]) / 2, 1),
        "hop_video_ms": round((last["video ms"] - first["video ms"]) / 2, 1),
        "hop_psnr_loss_db": round(first["psnr dB"] - last["psnr dB"], 2),
        "concealed_ratio": round(last["concealed %"] / 100, 4),
    }


async def cost(script: str) -> tuple[float, float]:
    """Processor seconds a second of a Chromium that plays, and that also relays to three."""
    async with AsyncExitStack() as stack:
        server = await _server(stack)
        browser = await stack.enter_async_context(Browser(_CAMERA))
        await join(browser, server)
        known = _chromiums()
        relaying = await stack.enter_async_context(Browser(_CAMERA))
        pid = min(_chromiums() - known)  # what it starts comes after it
        relay = await join(relaying, server, 1, script)
        children = [await join(browser, server, person) for person in (2, 3, 0)]
        await _attach(server, 1, 2)
        await pictures(relay.page, 2)
        await asyncio.sleep(_SETTLING)
        playing = await _cpu(pid)
        for child in (3, 4, 5):
            await _attach(server, 2, child)
        for listener in children:
            await pictures(listener.page, 2)
        await asyncio.sleep(_SETTLING)
        _say(f"methods: {await _methods(relay)}")
        return playing, await _cpu(pid)


async def _server(stack: AsyncExitStack) -> ScriptedServer:
    server = ScriptedServer()
    server.chained = False
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def _attach(server: ScriptedServer, parent: int, child: int) -> None:
    edge = ("web-1", f"web-{parent}", f"web-{child}")
    await server.attach(edge)
    await server.until(lambda: edge in server.ready, seconds=20)


async def _methods(listener: Listener) -> list[str]:
    return sorted({edge["method"] for edge in await listener.page.evaluate("trestle.stats()")})


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


def _medians(results: dict[str, Any], beeps: Sequence[float]) -> dict[str, float]:
    audio = [
        min(onset - beep for beep in beeps if beep <= onset) for onset in results["onsets"] if beeps
    ]
    return {
        "video ms": statistics.median(results["video"]),
        "audio ms": statistics.median(audio),
        "psnr dB": statistics.median(results["psnr"]),
    }


def _sound(counts: dict[str, float]) -> dict[str, float]:
    """By differences of the counters in W3C WebRTC Statistics, section 8.1."""
    emitted, received = counts["jitterBufferEmittedCount"], counts["totalSamplesReceived"]
    return {
        "of it in the jitter buffer ms": 1000 * counts["jitterBufferDelay"] / emitted,
        "concealed %": 100 * counts["concealedSamples"] / received,
    }


def _say(text: str) -> None:
    print(text, file=sys.__stdout__, flush=True)


async def measured() -> dict[str, float]:
    _say(f"load {os.getloadavg()[0]:.1f} before")
    figures = await chain()
    playing, swapping = await cost("")
    plain, anew = await cost(_NO_TRANSFORMS)
    _say(f"one Chromium, of a core: plays {playing:.0%} and passes on to three {swapping:.0%};")
    _say(f"plays {plain:.0%} and encodes anew for three {anew:.0%}")
    figures["relay_cpu_vs_reforward"] = round((swapping - playing) / (anew - plain), 2)
    _say(f"load {os.getloadavg()[0]:.1f} after")
    return figures


def main() -> None:
    _REPORT.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("w") as log, redirect_stdout(log):  # what the pages' consoles say
        figures = asyncio.run(measured())
    known = json.loads(_REPORT.read_text()) if _REPORT.exists() else {}
    _REPORT.write_text(json.dumps(known | figures, indent=2) + "\n")
    for key, value in figures.items():
        _say(f"{key:<24} {value:>8}")


if __name__ == "__main__":
    main()
