"""Six pages and the real gateway: whoever blocks whom, each hears exactly those not blocked."""

import asyncio
import random

import pytest

from support.browser import Browser
from support.conference import Person
from support.gateway import Gateway
from support.tones import AUDIBLE_DB, TONES

pytestmark = pytest.mark.timeout(200)

NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eve", "Finn")
NO_CAMERA = """
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (wanted.video) throw new DOMException("none", "NotFoundError");
        return open(wanted);
    };
"""
"""Six pictures would take the machine's whole time, and this is about sound."""

CHANGES = 4
"""Rounds, in each of which somebody blocks and somebody unblocks."""


async def test_six_pages_hear_exactly_those_not_blocked() -> None:
    chance = random.Random(20261121)
    async with Gateway() as gateway, Browser() as browser:
        url = f"{gateway.site.web_url}/demo"
        people = [
            await join(browser, url, name, hz) for name, hz in zip(NAMES, TONES, strict=False)
        ]
        blocks: set[tuple[Person, Person]] = set()
        await until_as_wanted(people, blocks)
        for _ in range(CHANGES):
            listener, source = chance.sample(people, 2)
            await block(listener, source, True)
            blocks.add((listener, source))
            if len(blocks) > CHANGES // 2:
                listener, source = sorted(blocks, key=lambda pair: pair[0].hz + pair[1].hz)[0]
                await block(listener, source, False)
                blocks.discard((listener, source))
            await until_as_wanted(people, blocks)


async def join(browser: Browser, url: str, name: str, hz: int) -> Person:
    page = await browser.page(hz)
    await page.add_init_script(NO_CAMERA)
    return await Person.enter(page, url, name, hz, camera=False)


async def block(listener: Person, source: Person, blocked: bool) -> None:
    row = listener.page.locator(f"#roster li[data-participant={source.own}]")
    await row.get_by_role("button").click()
    await listener.page.get_by_label("Block for me").set_checked(blocked)
    await listener.page.keyboard.press("Escape")


async def until_as_wanted(
    people: list[Person], blocks: set[tuple[Person, Person]], within: float = 40.0
) -> None:
    """Waits until each hears the tones of all others but those it blocks."""

    async def listen(listener: Person) -> str:
        wanted = {one.hz for one in people if one is not listener and (listener, one) not in blocks}
        start = asyncio.get_running_loop().time()
        while (heard := await tones(listener)) != wanted:
            if asyncio.get_running_loop().time() - start > within:
                return f"{listener.name} hears {sorted(heard)}, not {sorted(wanted)}"
        return ""

    faults = [fault for fault in await asyncio.gather(*map(listen, people)) if fault]
    assert not faults, "; ".join(faults)


async def tones(listener: Person) -> set[int]:
    return {hz for hz, db in (await listener.hears()).items() if db > AUDIBLE_DB}
