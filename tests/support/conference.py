"""A person at the conference's page, and what all who take part in a call should hear."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page

from support.browser import Browser, Listener
from support.tones import Expected
from support.until import until

JOINING = 10.0
"""Seconds."""

_ROSTER = """() => [...document.querySelectorAll("#roster [data-participant]")].map((row) => [
    row.dataset.participant, row.dataset.kind, row.querySelector(".name").textContent])"""
_OWN = " (you)"
"""What the page puts behind one's own name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the roster as the page shows it."""

    id: str
    kind: str
    name: str


class Guest(Protocol):
    """Somebody in the call, whatever they joined with."""

    @property
    def hz(self) -> int:
        """The tone that they hum."""
        ...

    async def hears(self) -> dict[int, float]: ...


class Person(Listener):
    """Somebody who joined by the link."""

    def __init__(self, page: Page, name: str, hz: int, colour: str) -> None:
        super().__init__(page)
        self.name = name
        self.hz = hz
        self.colour = colour
        self.here = True

    @classmethod
    async def join(
        cls, browser: Browser, url: str, name: str, hz: int, colour: str = "khaki"
    ) -> "Person":
        """Opens the link, types a name, clicks; returns when the page is in the conference."""
        page = await browser.page(hz, colour)
        return await cls.enter(page, url, name, hz, colour, camera=browser.has_camera)

    @classmethod
    async def enter(
        cls, page: Page, url: str, name: str, hz: int, colour: str = "khaki", camera: bool = True
    ) -> "Person":
        """The same at a page that is there already, and may have no camera."""
        person = cls(page, name, hz, colour)
        await person.page.goto(url)
        if camera:
            await person.page.locator("#preview").wait_for()
        await person.page.get_by_label("Your name").fill(name)
        await person.page.get_by_role("button", name="Join").click()
        await person.until_state("joined")
        row = person.page.locator("#roster [data-participant]").filter(has_text=_OWN)
        person.own = await row.get_attribute("data-participant") or ""
        return person

    async def until_state(self, state: str, within: float = JOINING) -> None:
        script = "state => document.documentElement.dataset.state === state"
        await until(self.page, script, state, within)

    async def roster(self) -> list[Entry]:
        """What the page's list of participants shows."""
        rows = await self.page.evaluate(_ROSTER)
        return [Entry(*row) for row in rows]

    async def until_roster(self, kinds: Sequence[str], within: float) -> list[Entry]:
        """Waits until the roster shows participants of exactly these kinds."""
        script = f"kinds => ({_ROSTER})().map(([, kind]) => kind).sort().join() === kinds"
        try:
            await until(self.page, script, ",".join(sorted(kinds)), within)
        except AssertionError:
            raise AssertionError(
                f"{self.name} sees {await self.roster()}, not {kinds}, after {within} s"
            ) from None
        return await self.roster()

    async def relayed(self) -> int:
        """Audio packets that this page has passed on for others up to now."""
        packets: int = (await self.page.evaluate("connections.relayed()"))["audio"]
        return packets

    async def close_tab(self) -> None:
        """Without asking to leave; then the profile goes, with its idle HTTP connections."""
        self.here = False
        await self.page.close()
        await self.page.context.close()

    async def crash(self) -> None:
        """The page's process dies: no farewell on any connection."""
        self.here = False
        with suppress(BrowserError):
            await self.page.goto("chrome://crash")


async def until_all_hear(guests: Sequence[Guest], within: float = 10.0) -> None:
    """Everybody hears everybody else's tone, clearly above their own, and nobody who is gone."""
    tones = [guest.hz for guest in guests]
    start = asyncio.get_running_loop().time()

    async def listen(guest: Guest) -> str:
        expected = Expected(guest.hz, tuple(hz for hz in tones if hz != guest.hz))
        while fault := expected.missing(await guest.hears()):
            if asyncio.get_running_loop().time() - start > within:
                return f"{type(guest).__name__} at {guest.hz} Hz: {fault}"
        return ""

    faults = [fault for fault in await asyncio.gather(*map(listen, guests)) if fault]
    assert not faults, f"after {within} s: " + "; ".join(faults)
