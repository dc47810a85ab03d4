"""The page in Chromium, face to face with itself, in trees that the test chooses."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect
from scripted_signalling import ScriptedServer

from support.browser import Browser, Listener
from support.tones import AUDIBLE_DB

pytestmark = pytest.mark.timeout(60)

NAMES = ("Ana Lopes", "Ben", "Chloé", "Dmitri")
HZ = (401, 491, 593, 709)
COLOURS = ("red", "lime", "blue", "yellow")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


async def join(browser: Browser, server: ScriptedServer, person: int = 0) -> Listener:
    page = await browser.page(HZ[person], COLOURS[person])
    listener = Listener(page)
    await page.goto(f"{server.url}/demo")
    await page.get_by_label("Your name").fill(NAMES[person])
    await page.locator("#preview").wait_for()
    await page.click("#join-button")
    await state_is(page, "joined")
    listener.own = str(await page.get_attribute(".tile.you", "data-participant"))
    return listener


async def state_is(page: Page, state: str) -> None:
    await expect(page.locator(f"html[data-state={state}]")).to_have_count(1, timeout=10_000)


async def pictures(page: Page, count: int) -> None:
    await expect(page.locator(".tile.has-picture")).to_have_count(count, timeout=10_000)


async def test_three_pages_in_chains_hear_and_see_each_other(
    server: ScriptedServer, browser: Browser
) -> None:
    pages = [await join(browser, server, person) for person in range(3)]
    await server.until(lambda: len(server.ready) == 6)
    for me, listener in enumerate(pages):
        await pictures(listener.page, 3)
        others = [i for i in range(3) if i != me]
        heard = await listener.hears()
        assert all(heard[HZ[other]] > AUDIBLE_DB for other in others), heard
        assert heard[HZ[me]] < AUDIBLE_DB
        seen = await listener.sees()
        assert {seen[f"web-{other + 1}"].colour for other in others} == {
            COLOURS[other] for other in others
        }
        assert all(picture.moves for picture in seen.values())
    for listener in pages:
        assert await listener.page.evaluate("connections.open()") == 2
    relayed = await pages[1].page.evaluate("connections.relayed()")
    assert relayed["audio"] > 0
    assert relayed["video"] > 0
