"""A way between two browsers that breaks: they find another one, and the sound goes on."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

import pytest
from playwright.async_api import Page

from support.browser import Browser, Listener
from support.nft import cut, needs_nft
from support.scripted_page import HZ, join
from support.scripted_signalling import ScriptedServer
from support.tones import AUDIBLE_DB
from support.until import until

pytestmark = pytest.mark.timeout(90)

FINDING = 40
"""Seconds; Chromium takes several seconds to call an unanswered way `disconnected`."""


@pytest.fixture
async def two(browser: Browser) -> AsyncIterator[tuple[Listener, Listener]]:
    """Two people at the page who hear each other."""
    server = ScriptedServer()
    await server.start()
    try:
        ana, ben = [await join(browser, server, person) for person in range(2)]
        await server.until(lambda: server.has("web-1", "web-2") and server.has("web-2", "web-1"))
        await hear_each_other(ana, ben)
        yield ana, ben
    finally:
        await server.stop()


async def hear_each_other(ana: Listener, ben: Listener) -> None:
    async with asyncio.timeout(FINDING):
        while (await ana.hears())[HZ[1]] < AUDIBLE_DB or (await ben.hears())[HZ[0]] < AUDIBLE_DB:
            pass


async def ports(page: Page) -> list[int]:
    """All that this page's neighbours know."""
    found: list[int] = await page.evaluate("connections.ports()")
    return found


async def other_ports(page: Page, before: Sequence[int]) -> None:
    """Waits until the page has offered others than those `before`, as an ICE restart does."""
    script = "async before => (await connections.ports()).some((port) => !before.includes(port))"
    await until(page, script, list(before), FINDING)
    assert await page.evaluate("connections.open()") == 1


async def another_way(page: Page, before: Sequence[int]) -> None:
    """Waits until the only connection has an end that is not among those `before`."""
    script = """async before => (await connections.ways())
        .some(({ local, remote }) => ![local, remote].every(({ port }) => before.includes(port)))"""
    await until(page, script, list(before), FINDING)
    assert await page.evaluate("connections.open()") == 1


@needs_nft
async def test_when_all_ways_are_cut_others_are_found(two: tuple[Listener, Listener]) -> None:
    ana, ben = two
    ours, theirs = await ports(ana.page), await ports(ben.page)
    async with cut(itertools.product(ours, theirs)):
        await another_way(ana.page, [*ours, *theirs])
        await hear_each_other(ana, ben)


# Here the old way goes on working, and which one it takes is the browser's affair.


async def test_on_another_network_another_way_is_looked_for_at_once(
    two: tuple[Listener, Listener],
) -> None:
    ana, ben = two
    before = [*await ports(ana.page), *await ports(ben.page)]
    # What a browser tells its pages when a network has come.
    await ana.page.evaluate("dispatchEvent(new Event('online'))")
    for listener in two:
        await other_ports(listener.page, before)
    await hear_each_other(ana, ben)


async def test_both_on_another_network_at_once_stay_connected(
    two: tuple[Listener, Listener],
) -> None:
    ana, ben = two
    before = [*await ports(ana.page), *await ports(ben.page)]
    for listener in two:
        await listener.page.evaluate("void dispatchEvent(new Event('online'))")
    for listener in two:
        await other_ports(listener.page, before)
    await hear_each_other(ana, ben)
