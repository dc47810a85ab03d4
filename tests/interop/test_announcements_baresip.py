"""What real phones are told by the gateway itself."""

import asyncio
from pathlib import Path

import pytest

from gateway.conference.announcements import ALONE_AFTER
from support.baresip import Phone
from support.gateway import Gateway
from support.tones import TONES

pytestmark = pytest.mark.timeout(60)

SPOKEN, SILENT = -35.0, -50.0


async def test_a_phone_alone_is_told_so_and_hears_another_one_come_and_go(tmp_path: Path) -> None:
    async with (
        Gateway() as gateway,
        Phone(tmp_path / "first", TONES[0]) as first,
        Phone(tmp_path / "second", TONES[1]) as second,
    ):
        await first.dial(gateway.site.sip_uri("demo"))
        await until_heard(first, 1.0)
        assert first.loudest(0) < SILENT, "spoken before the phone can be at the ear"
        await until_heard(first, ALONE_AFTER + 2.5)
        assert first.loudest(ALONE_AFTER - 0.5) > SPOKEN
        quiet = first.recorded()
        await until_heard(first, quiet + 1.0)
        assert first.loudest(quiet) < SILENT, "it is said once"

        await second.dial(gateway.site.sip_uri("demo"))
        assert (await first.hears())[TONES[1]] > SPOKEN
        await second.hang_up()
        gone = first.recorded()
        await until_heard(first, gone + 1.5)
        assert first.loudest(gone + 1.0) < SILENT


async def until_heard(phone: Phone, seconds: float) -> None:
    """Until the call has lasted so long for the phone."""
    missing = 0.3
    while missing > 0:
        await asyncio.sleep(missing)
        missing = seconds - phone.recorded()
