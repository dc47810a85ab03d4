"""A conference is recorded: all see it, all hear it, and what was said is in the file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.baresip import Phone
from support.browser import Browser, Camera
from support.conference import Person, until_all_hear
from support.gateway import Gateway
from support.sound_files import RATE, heard_in, is_whole, read
from support.tones import AUDIBLE_DB, TONES

pytestmark = pytest.mark.timeout(120)

ROOM = "demo"
ANA_HZ, BO_HZ, PHONE_HZ = TONES[:3]
NOTICE = "This conference is being recorded"
SOUND = "**/assets/sounds/"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway("conference: {recording: anyone}") as gateway:
        yield gateway


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser(Camera(height=90, rate=8)) as browser:
        yield browser


async def test_two_browsers_and_then_a_phone_are_recorded_and_all_know(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    url = gateway.site.page_url(ROOM)
    ana = await Person.join(browser, url, "Ana", ANA_HZ)
    bo = await Person.join(browser, url, "Bo", BO_HZ)
    await until_all_hear([ana, bo])
    two = await gateway.inventory()

    async with (
        bo.page.expect_response(f"{SOUND}recording-started") as bo_hears,
        ana.page.expect_response(f"{SOUND}recording-started"),
    ):
        await ana.page.click("#record-button")
    assert (await (await bo_hears.value).body())[:4] == b"OggS"
    for person in (ana, bo):
        await shows_recording(person.page, True)
    (path,) = await recordings(gateway, 1)
    await are_recorded(path, ANA_HZ, BO_HZ)

    async with Phone(tmp_path / "phone", PHONE_HZ) as phone:
        await phone.dial(gateway.site.sip_uri(ROOM))
        await are_recorded(path, ANA_HZ, BO_HZ, PHONE_HZ)
        await until_all_hear([ana, bo, phone])
        await phone.hang_up()
    late = await Person.join(browser, url, "Cleo", TONES[3])
    await shows_recording(late.page, True)
    await late.close_tab()

    async with ana.page.expect_response(f"{SOUND}recording-stopped"):
        await bo.page.click("#record-button")
    for person in (ana, bo):
        await shows_recording(person.page, False)
    await until(lambda: is_whole(path), within=5)
    await until_all_hear([ana, bo])
    await gateway.settles(two)
    assert any(f"starts the recording of {ROOM}" in line for line in gateway.log)


async def shows_recording(page: Page, recorded: bool) -> None:
    notice = page.locator("#recording-notice")
    if recorded:
        await expect(notice).to_have_text(NOTICE)
        await expect(page.locator("#record-button")).to_have_text("Recording")
    else:
        await expect(notice).to_be_hidden()
        await expect(page.locator("#record-button")).to_have_text("Record")


async def recordings(gateway: Gateway, count: int) -> list[Path]:
    folder = gateway.site.folder / "state" / "recordings"

    def found() -> list[Path]:
        return sorted(folder.glob(f"{ROOM}-*.opus"))

    await until(lambda: len(found()) == count, within=5)
    return found()


async def are_recorded(path: Path, *tones: int) -> None:
    """Waits until the file's last second holds all of them."""

    def said() -> bool:
        if path.read_bytes().count(b"OggS") < 3:
            return False  # the heads alone, in the first second
        sound = read(path)
        end = len(sound) / RATE
        return end > 1 and all(heard_in(sound, hz, end - 0.7, end) > AUDIBLE_DB for hz in tones)

    await until(said, within=15)


async def until(true: Callable[[], bool], within: float) -> None:
    """A file tells nobody that it has grown."""
    deadline = asyncio.get_running_loop().time() + within
    while not await asyncio.to_thread(true):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.2)


async def test_where_recording_is_off_there_is_no_button(browser: Browser) -> None:
    async with Gateway() as gateway:
        ana = await Person.join(browser, gateway.site.page_url(ROOM), "Ana", ANA_HZ)
        await expect(ana.page.locator("#mute-button")).to_be_visible()
        await expect(ana.page.locator("#record-button")).to_be_hidden()
