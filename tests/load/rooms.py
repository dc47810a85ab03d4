"""`make bench-trees`, the part with browsers: until a newcomer has all, and all have it.

A room of the real gateway fills with pages of one Chromium; then the last place is taken again and
again, by a fresh page each time. A stream has come when its first picture is shown or its first
sound arrives; times count from the `join` message.
"""

import argparse
import asyncio
import statistics
from collections.abc import Mapping
from contextlib import AsyncExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from playwright.async_api import ViewportSize

from load.results import FOLDER, Figure, load, put, say
from support.browser import COLOURS, Browser, Camera
from support.conference import Person
from support.gateway import Gateway
from support.tones import TONES
from support.until import until

CAMERAS = {5: Camera(90, 15), 7: Camera(0), 10: Camera(0)}
"""By how many are in the room; the others have no cameras: two cores cannot show 42 pictures."""

REPETITIONS = 5
WINDOW = ViewportSize(width=480, height=320)
"""Pixels; all windows are drawn by the processor that is measured, as each would not be."""

SETTLING = 1.5
"""Seconds in which a room is left alone after somebody came or went: the forest settles, too."""
WITHIN = 20.0

_SCRIPT = Path(__file__).with_name("joining.js")


@dataclass(frozen=True, slots=True)
class Joining:
    """One newcomer's; ms after its `join`."""

    new: float
    """Until the newcomer has the last stream of the others."""
    existing: tuple[float, ...]
    """Until each of the others has the newcomer's last stream."""
    offers: int
    messages: int
    """Of signalling, to and from all pages."""
    octets: int


@dataclass(frozen=True, slots=True)
class Room:
    peers: int
    pictures: bool
    joinings: tuple[Joining, ...]
    encodes: tuple[int, ...]
    """By page: senders whose encoder makes what is sent."""
    connections: tuple[int, ...]

    def figures(self) -> dict[str, Figure]:
        new = round(statistics.median(one.new for one in self.joinings), 1)
        encodes = round(statistics.fmean(self.encodes), 2)
        return dict(
            zip(_keys(self.peers), (new, round(self.existing_ms, 1), encodes), strict=False)
        )

    @property
    def existing_ms(self) -> float:
        return statistics.median(time for one in self.joinings for time in one.existing)

    @property
    def row(self) -> str:
        new = [one.new for one in self.joinings]
        last = [max(one.existing) for one in self.joinings]
        cells = (
            self.peers,
            "sound, pictures" if self.pictures else "sound",
            f"{statistics.median(new):.0f} ({min(new):.0f}-{max(new):.0f})",
            f"{self.existing_ms:.0f}; the last one {statistics.median(last):.0f}",
            f"{statistics.fmean(self.encodes):.1f} / {max(self.encodes)}",
            f"{statistics.fmean(self.connections):.1f} / {max(self.connections)}",
            f"{statistics.median(one.offers for one in self.joinings):.0f}",
            f"{statistics.median(one.messages for one in self.joinings):.0f}",
            f"{statistics.median(one.octets for one in self.joinings) / 1024:.0f}",
        )
        return "| " + " | ".join(map(str, cells)) + " |"


def _keys(peers: int) -> list[str]:
    keys = [f"join_new_ms_{peers}", f"join_existing_ms_{peers}"]
    return [*keys, f"encodes_per_peer_{peers}"] if peers == max(CAMERAS) else keys


HEAD = (
    "| peers | publish | new peer has all, ms | existing peers have its, ms"
    " | encodes per peer, mean / max | connections per peer, mean / max"
    " | offers per join | messages per join | KiB per join |"
)


async def room(peers: int, camera: Camera, repetitions: int) -> Room:
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway(log_level="info"))
        browser = await stack.enter_async_context(Browser(camera))
        url = gateway.site.page_url(f"room{peers}")
        people = [await _join(browser, url, number) for number in range(peers - 1)]
        joinings = []
        for repetition in range(repetitions):
            await asyncio.sleep(SETTLING)
            for person in people:
                await person.page.evaluate("joining.clear()")
            newcomer = await _join(browser, url, peers - 1)
            joinings.append(await _joining([*people, newcomer], pictures=camera.height > 0))
            print(peers, joinings[-1])  # noqa: T201  # into the log
            if repetition < repetitions - 1:
                await newcomer.close_tab()
                for person in people:
                    await person.until_roster(["web"] * (peers - 1), WITHIN)
        everybody = [*people, newcomer]
        connections = [await one.page.evaluate("connections.open()") for one in everybody]
        return Room(
            peers,
            camera.height > 0,
            tuple(joinings),
            tuple([await _encodes(one) for one in everybody]),
            tuple(connections),
        )


async def _join(browser: Browser, url: str, number: int) -> Person:
    """Somebody new is in; their streams may still be on their way."""
    hz, colour = TONES[number % len(TONES)], list(COLOURS)[number % len(COLOURS)]
    page = await browser.page(hz, colour)
    await page.set_viewport_size(WINDOW)
    await page.add_init_script(path=_SCRIPT)
    person = Person(page, f"Person {number + 1}", hz, colour)
    await page.goto(url)
    await page.get_by_label("Your name").fill(person.name)
    button = page.get_by_role("button", name="Join", exact=True)
    await button.click()
    await person.until_state("joined")
    own = page.locator(".tile.you")
    person.own = await own.get_attribute("data-participant") or ""
    return person


async def _joining(everybody: list[Person], pictures: bool) -> Joining:
    """The last one of them has just joined; returns when all have all."""
    *others, newcomer = everybody
    for person in everybody:
        wanted = [newcomer.own] if person in others else [other.own for other in others]
        script = "([ids, pictures]) => joining.has(ids, pictures)"
        await until(person.page, script, [wanted, pictures], WITHIN)
    await asyncio.sleep(SETTLING)
    records = [await person.page.evaluate("joining.record") for person in everybody]
    asked = records[-1]["asked"]
    return Joining(
        max(_came(records[-1], other.own, pictures) for other in others) - asked,
        tuple(_came(record, newcomer.own, pictures) - asked for record in records[:-1]),
        sum(record["offers"] for record in records),
        sum(record["messages"] for record in records),
        sum(record["octets"] for record in records),
    )


def _came(record: dict[str, Any], source: str, pictures: bool) -> float:
    """When the last stream of a participant's came."""
    heard, shown = float(record["heard"][source]), record["shown"].get(source)
    return max(heard, shown) if pictures else heard


async def _encodes(person: Person) -> int:
    edges = await person.page.evaluate("trestle.stats()")
    return sum(edge["method"] in ("own", "reforward") for edge in edges)


async def measured(sizes: list[int], repetitions: int, sound_only: bool) -> dict[str, Figure]:
    say(f"\nWith browsers, {load()} before\n\n{HEAD}\n{'|---' * (HEAD.count('|') - 1)}|")
    figures: dict[str, Figure] = {}
    for peers in sizes:
        camera = Camera(0) if sound_only else CAMERAS[peers]
        try:
            outcome = await room(peers, camera, repetitions)
        except (AssertionError, TimeoutError, PlaywrightTimeoutError) as late:
            print(peers, late)  # noqa: T201  # into the log
            say(f"| {peers} | not all streams came within {WITHIN:.0f} s: see rooms.log")
            found: Mapping[str, Figure] = dict.fromkeys(_keys(peers))
        else:
            say(outcome.row)
            found = outcome.figures()
        if camera == CAMERAS[peers]:
            figures |= found
    say(f"\n{load()} after")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", type=int, help=f"only some of {list(CAMERAS)}")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--sound", action="store_true", help="no cameras; told, not written")
    given = parser.parse_args()
    sizes = given.peers or list(CAMERAS)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "rooms.log").open("w") as log, redirect_stdout(log):  # the pages' consoles
        figures = asyncio.run(measured(sizes, given.repetitions, given.sound))
    if not figures:
        return
    say(f"{put('trees', figures)} is written")


if __name__ == "__main__":
    main()
