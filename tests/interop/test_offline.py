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

STANDING_TIMERS = """
globalThis.timers = { stand: false, ticks: 0 };
for (const name of ["setTimeout", "setInterval"]) {
  const start = globalThis[name];
  globalThis[name] = (run, ...rest) =>
    start((...given) => timers.stand || run(...given), ...rest);
}
"""


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
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


async def test_a_page_whose_timers_stand_still_is_not_offline(gateway: Gateway) -> None:
    """Chromium lets timers of hidden pages go off once a minute; a headless one hides none, so here
    the page's timers stand still altogether."""
    async with Browser(script=STANDING_TIMERS) as browser:
        ana = await Person.join(browser, gateway.site.page_url("demo"), "Ana", TONES[0])
        await ana.page.evaluate("timers.stand = true; setInterval(() => timers.ticks++, 100)")
        before = await gateway.get("/api/status")
        await asyncio.sleep(6)  # It is the passing of time that must change nothing.
        assert await ana.page.evaluate("timers.ticks") == 0
        after = await gateway.get("/api/status")
        room = after["rooms"]["demo"]
        assert room["version"] == before["rooms"]["demo"]["version"]
        assert [one["online"] for one in room["participants"]] == [True]
