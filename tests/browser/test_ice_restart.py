"""A way between two browsers that breaks: they find another one, and the sound goes on."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from support.browser import Browser, Listener
from support.nft import cut, needs_nft
from support.scripted_page import HZ, join
from support.scripted_signalling import ScriptedServer
from support.tones import AUDIBLE_DB

pytestmark = pytest.mark.timeout(90)

FINDING = 40_000
"""Milliseconds; Chromium takes several seconds to call an unanswered way `disconnected`."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


@pytest.fixture
async def two(browser: Browser) -> AsyncIterator[tuple[Listener, Listener]]:
    """Two people at the page who hear each other."""
    server = ScriptedServer()
    await server.start()
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: len(server.ready) == 2)
    await hear_each_other(ana, ben)
    yield ana, ben
    await server.stop()


async def hear_each_other(ana: Listener, ben: Listener) -> None:
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
    assert (await ben.hears())[HZ[0]] > AUDIBLE_DB


async def way(page: Page) -> tuple[int, int]:
    """The ports at both ends of the only connection."""
    [one] = await page.evaluate("connections.ways()")
    return one["local"]["port"], one["remote"]["port"]


async def another_way(page: Page, before: tuple[int, int]) -> tuple[int, int]:
    """Waits for it."""
    script = """async before => (await connections.ways())
        .some(({ local, remote }) => local.port !== before[0] && remote.port !== before[1])"""
    await page.wait_for_function(script, arg=list(before), timeout=FINDING, polling=200)
    return await way(page)


@needs_nft
async def test_a_way_that_is_cut_is_left_for_another_one(two: tuple[Listener, Listener]) -> None:
    ana, ben = two
    before = await way(ana.page)
    async with cut([before]):
        await another_way(ana.page, before)
        await hear_each_other(ana, ben)
        assert await ana.page.evaluate("connections.open()") == 1


async def test_on_another_network_another_way_is_taken_at_once(
    two: tuple[Listener, Listener],
) -> None:
    ana, ben = two
    before = await way(ana.page)
    # What a browser tells its pages when a network has come.
    await ana.page.evaluate("dispatchEvent(new Event('online'))")
    await another_way(ana.page, before)
    await hear_each_other(ana, ben)


async def test_both_on_another_network_at_once_find_one_way(two: tuple[Listener, Listener]) -> None:
    ana, ben = two
    before = await way(ana.page)
    for listener in two:
        await listener.page.evaluate("void dispatchEvent(new Event('online'))")
    await another_way(ana.page, before)
    await hear_each_other(ana, ben)
