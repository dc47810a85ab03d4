"""How one real call does, in all the places where it is told."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from support.baresip import Phone
from support.browser import Browser
from support.conference import Person
from support.gateway import Gateway

ROOM = "demo"


@pytest.mark.timeout(90)
async def test_a_call_is_told_on_the_page_in_the_status_as_metrics_and_in_the_log(
    tmp_path: Path,
) -> None:
    async with (
        Gateway() as gateway,
        Browser() as browser,
        Phone(tmp_path / "phone", 401) as phone,
    ):
        ana = await Person.join(browser, gateway.site.page_url(ROOM), "Ana", 593)
        await phone.dial(gateway.site.sip_uri(ROOM))
        bars = ana.page.locator("#roster [data-kind=sip] .quality")
        await expect(bars).to_be_visible(timeout=20_000)
        # baresip reports every 5 s, and then the round trip is known.
        title = re.compile(
            r"connection: .*% of the sound missing.*jitter \d+ ms, round trip \d+ ms"
        )
        await expect(bars).to_have_attribute("title", title, timeout=30_000)
        (told,) = (await gateway.get("/api/status"))["rooms"][ROOM]["media"].values()
        assert (told["codec"], told["packets_in"] > 100) == ("PCMU", True)
        assert told["round_trip_ms"] < 1000
        assert -40 < told["level"] < 0
        metrics: dict[str, float] = {}
        async with asyncio.timeout(10):
            while not metrics.get('trestle_media_leg_round_trip_seconds_count{worker="0"}'):
                metrics = await _metrics(gateway)
                await asyncio.sleep(0.2)
        assert metrics["trestle_sip_dialogs"] == 1
        assert metrics['trestle_media_packets_received_total{worker="0"}'] > 100
        assert metrics['trestle_media_rtcp_received_total{kind="sr",worker="0"}'] >= 1
        await phone.hang_up()
        await gateway.process.line(r"sip-\w+ had PCMU, \d+ packets, [\d.]+ % lost, .*round trip")


async def _metrics(gateway: Gateway) -> dict[str, float]:
    """By name and labels, as Prometheus would scrape it."""
    url = f"{gateway.site.web_url}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        text = await answer.text()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
