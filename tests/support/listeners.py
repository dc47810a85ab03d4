"""One who speaks and several who listen, at the real gateway: some of them relay to others."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from playwright.async_api import Page, Route

from support.browser import Browser, Camera
from support.conference import Person
from support.failover import ARRIVALS, Gap
from support.gateway import Gateway
from support.scripted_page import COLOURS, HZ
from support.until import until

NO_DEVICES = """navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("none", "NotFoundError");
};"""

_SETTLING = 3.0
_AFTER = 1.5


class Listeners:
    """`speaker` is the only source."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.people: list[Person] = []

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            gateway = await stack.enter_async_context(Gateway())
            browser = await stack.enter_async_context(Browser(Camera(height=90, rate=5)))
            url = f"{gateway.site.web_url}/demo"
            self.speaker = await Person.join(browser, url, "Ana", HZ[0], COLOURS[0])
            for number in range(self._count):
                page = await browser.page(HZ[1])
                await page.add_init_script(NO_DEVICES)
                await page.route("**/exchange.js", _with_arrivals)
                name = f"Listener {number}"
                self.people.append(await Person.enter(page, url, name, HZ[1], camera=False))
            for person in self.people:
                await self._heard(person.page)
            await asyncio.sleep(_SETTLING)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def relay(self) -> tuple[Person, Sequence[Person]]:
        """Somebody who relays the sound, and those below."""
        for person in self.people:
            edges = await person.page.evaluate("trestle.stats()")
            children = {edge["child"] for edge in edges if edge["kind"] == "audio"}
            if children:
                return person, [one for one in self.people if one.own in children]
        raise AssertionError("nobody relays")

    async def gaps(self, how: str, relay: Person, watched: Sequence[Person]) -> list[Gap]:
        """`relay` leaves by the button, or closes its tab, or dies; for how long each of `watched`
        gets no sound."""
        for one in watched:
            await one.page.evaluate("gaps.reset()")
        match how:
            case "planned":
                await relay.page.click("#leave-button")
            case "closed":
                await relay.page.close()
            case "killed":
                await relay.crash()
            case _:
                raise ValueError(how)
        self.people.remove(relay)
        await asyncio.sleep(_AFTER)
        for one in watched:
            await until(one.page, "() => gaps.hears()")
        return [Gap(**await one.page.evaluate("gaps.longest()")) for one in watched]

    async def _heard(self, page: Page) -> None:
        """Waits until the speaker's sound comes out of a page, which watches it from then on."""
        await page.evaluate("speaker => gaps.watch(speaker)", self.speaker.own)
        await until(page, "() => gaps.hears()")


async def _with_arrivals(route: Route) -> None:
    response = await route.fetch()
    await route.fulfill(response=response, body=await response.text() + ARRIVALS)
