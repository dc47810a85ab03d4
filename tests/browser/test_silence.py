"""Who is silent sends next to nothing (DTX), through relays too."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from load.chain import attach

from support.browser import Browser, Camera, Listener
from support.firefox import Firefox
from support.scripted_page import HZ, firefox_joins, join
from support.scripted_signalling import ScriptedServer
from support.tones import AUDIBLE_DB

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("unchained")]

TALKING = 30
PAUSED = 6
"""Frames of sound a second: one each 20 ms, and one each 400 ms."""


@pytest.fixture
def camera() -> Camera:
    return Camera(90, 5)


async def test_a_chromium_that_is_muted(server: ScriptedServer, browser: Browser) -> None:
    root = await join(browser, server)

    async def press() -> None:
        await root.page.keyboard.press("m")

    await _falls_silent_and_is_heard_again(server, browser, press)


async def test_a_firefox_that_is_muted(
    server: ScriptedServer, browser: Browser, tmp_path: Path
) -> None:
    async with Firefox(tmp_path) as firefox:
        await firefox_joins(firefox, server, 0, _MICROPHONE)

        async def press() -> None:
            await firefox.evaluate("document.querySelector('#mute-button').click()")

        await _falls_silent_and_is_heard_again(server, browser, press)


async def _falls_silent_and_is_heard_again(
    server: ScriptedServer, browser: Browser, press: Callable[[], Awaitable[None]]
) -> None:
    """Of the first one, who mutes and unmutes by `press`; a relay and a leaf listen."""
    relay, leaf = await join(browser, server, 1), await join(browser, server, 2)
    await attach(server, 1, 2)
    await attach(server, 2, 3)
    await _until_heard(leaf)
    assert await _frames(relay) > TALKING
    await press()
    # At first the encoder listens whether it stays silent.
    async with asyncio.timeout(10):
        while await _frames(relay) > PAUSED:
            pass
    await press()
    await _until_heard(leaf)


async def _until_heard(leaf: Listener) -> None:
    async with asyncio.timeout(20):
        while (await leaf.hears_each()).get("web-1", {HZ[0]: -99.0})[HZ[0]] < AUDIBLE_DB:
            pass


async def _frames(relay: Listener) -> int:
    """How many a page passes on in a second."""
    before = await relay.page.evaluate(_FORWARDED)
    await asyncio.sleep(1.0)
    frames: int = await relay.page.evaluate(_FORWARDED) - before
    return frames


_FORWARDED = """async () => (await trestle.stats())
    .find(({ source, kind }) => source === "web-1" && kind === "audio").forwarded"""

_MICROPHONE = """
  navigator.mediaDevices.getUserMedia = async ({ audio }) => {
    if (!audio) throw new DOMException("none", "NotFoundError");
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: HERTZ });
    const microphone = context.createMediaStreamDestination();
    tone.connect(new GainNode(context, { gain: 0.1 })).connect(microphone);
    tone.start();
    return microphone.stream;
  };""".replace("HERTZ", str(HZ[0]))
