"""Who reports no more is shown as offline, and who is only hidden is not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from support.browser import Browser
from support.conference import Person, until_all_hear
from support.gateway import Gateway
from support.tones import TONES

pytestmark = pytest.mark.timeout(120)

SHOWN_WITHIN = 4_000
"""Milliseconds from the last sign of life: three seconds, and what it takes to be seen."""


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway("xmpp: {enabled: off}") as gateway:
        yield gateway


async def test_a_frozen_page_is_shown_as_offline_and_comes_back(gateway: Gateway) -> None:
    url = gateway.site.page_url("demo")
    async with Browser() as ours, Browser() as theirs:
        ana = await Person.join(ours, url, "Ana", TONES[0])
        ben = await Person.join(theirs, url, "Ben", TONES[1])
        await until_all_hear([ana, ben])
        row = ana.page.locator(f"#roster [data-participant={ben.own}]")
        offline = ana.page.locator(f"#roster .is-offline[data-participant={ben.own}]")
        await expect(row).to_have_count(1)
        renderers = await theirs.renderers()
        assert renderers
        for process in renderers:
            os.kill(process, signal.SIGSTOP)
        try:
            await expect(offline).to_have_count(1, timeout=SHOWN_WITHIN)
            await expect(row).to_contain_text("offline")
        finally:
            for process in renderers:
                os.kill(process, signal.SIGCONT)
        await expect(offline).to_have_count(0, timeout=SHOWN_WITHIN)
        await until_all_hear([ana, ben])


async def test_a_hidden_page_is_not_offline(gateway: Gateway) -> None:
    """Alone in its room it has no connection for whose sake a browser would let its timers be."""
    async with Browser(throttled=True) as browser:
        ana = await Person.join(browser, gateway.site.page_url("demo"), "Ana", TONES[0])
        await browser.hide(ana.page)
        await ana.page.evaluate("globalThis.ticks = 0; setInterval(() => ticks++, 100)")
        version = (await gateway.get("/api/status"))["rooms"]["demo"]["version"]
        await asyncio.sleep(8)  # It is the passing of time that must change nothing.
        ticks = await ana.page.evaluate("ticks")
        assert ticks < 20, f"{ticks} ticks in 8 s: this browser does not slow hidden pages down"
        room = (await gateway.get("/api/status"))["rooms"]["demo"]
        assert room["version"] == version
        assert [one["online"] for one in room["participants"]] == [True]
