"""Sharing a screen: pages at the gateway."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from support.browser import Browser, Camera
from support.conference import Person
from support.gateway import Gateway

pytestmark = pytest.mark.timeout(90)

SHARES = """
const share = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getDisplayMedia = async (wishes) => {
  const stream = await share(wishes);
  [globalThis.screenTrack] = stream.getVideoTracks();
  return stream;
};
"""
"""Keeps the track, so that a test can end it as the browser's own button does."""


@pytest.fixture
async def people() -> AsyncIterator[list[Person]]:
    async with Gateway() as gateway, Browser(Camera(height=90, rate=8)) as browser:
        url = f"{gateway.site.web_url}/demo"
        ana = await Person.join(browser, url, "Ana", 401, "lightsalmon")
        ben = await Person.join(browser, url, "Ben", 491, "mediumseagreen")
        await ana.page.evaluate(SHARES)
        yield [ana, ben]


async def test_a_screen_has_a_large_tile_of_its_own_until_the_browser_ends_it(
    people: list[Person],
) -> None:
    ana, ben = people
    button = ana.page.locator("#screen-button")
    await button.click()
    await expect(button).to_have_text("Stop sharing")
    screen = ben.page.locator(f".tile.screen[data-screen={ana.own}]")
    await expect(screen).to_have_class(re.compile("has-picture"), timeout=15_000)
    await expect(screen).to_contain_text("Ana")
    width, height, frames = await screen.locator("video").evaluate(
        "video => [video.clientWidth, video.clientHeight, video.videoWidth > 0]"
    )
    assert frames
    assert width * height > 300_000
    await plays(ben, ana.own)
    # The camera goes on beside it.
    assert (await ben.sees())[ana.own].colour == "lightsalmon"
    await ana.page.evaluate("screenTrack.stop(), screenTrack.dispatchEvent(new Event('ended'))")
    await expect(button).to_have_text("Share screen")
    await expect(screen).to_have_count(0)
    await button.click()
    await expect(screen).to_have_class(re.compile("has-picture"), timeout=15_000)
    await plays(ben, ana.own)
    await button.click()
    await expect(screen).to_have_count(0)


async def plays(viewer: Person, source: str) -> None:
    script = """async source => {
        const video = document.querySelector(`[data-screen=${source}] video`);
        const shown = () => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
        await shown();
        await shown();
    }"""
    await viewer.page.evaluate(script, source)


async def test_who_chooses_no_screen_is_told_in_plain_words(people: list[Person]) -> None:
    ana, _ben = people
    await ana.page.evaluate(
        """() => { navigator.mediaDevices.getDisplayMedia = async () => {
            throw new DOMException("no", "NotAllowedError"); }; }"""
    )
    await ana.page.keyboard.press("s")
    await expect(ana.page.locator("#toasts")).to_contain_text("No screen is shared")
    await expect(ana.page.locator("#screen-button")).to_have_text("Share screen")
