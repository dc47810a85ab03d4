"""Browsers that find no direct way, and a real TURN server between them."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gateway.ports import ParticipantId
from gateway.web.ice_servers import IceServers
from support.browser import Browser
from support.conference import Person
from support.coturn import SECRET, Coturn
from support.gateway import Gateway
from support.scripted_page import HZ, join
from support.scripted_signalling import ScriptedServer
from support.tones import AUDIBLE_DB

pytestmark = pytest.mark.timeout(120)

RELAY_ONLY = """
globalThis.RTCPeerConnection = class extends globalThis.RTCPeerConnection {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
  }
};
"""
"""A firewall that lets nothing through but the way to the TURN server."""


@pytest.fixture
async def coturn() -> AsyncIterator[Coturn]:
    async with Coturn() as coturn:
        yield coturn


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser(script=RELAY_ONLY) as browser:
        yield browser


def credentials(coturn: Coturn, now: float) -> list[dict[str, Any]]:
    """As the gateway makes them at `now`, for ten minutes."""
    servers = IceServers(turn=(coturn.uri,), secret=SECRET, lifetime=600)
    return [dict(one) for one in servers.for_participant(ParticipantId("web-1"), now)]


def receive_each_other(server: ScriptedServer) -> bool:
    return server.has("web-1", "web-2") and server.has("web-2", "web-1")


async def way(page: Page) -> tuple[str, str]:
    """The kinds of both ends of the only connection."""
    [one] = await page.evaluate("connections.ways()")
    return one["local"]["type"], one["remote"]["type"]


async def test_two_browsers_hear_each_other_through_turn_with_the_gateways_passwords(
    coturn: Coturn, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    more = f"ice: {{turn: '{coturn.uri}', secret: !file {tmp_path / 'secret'}, lifetime: 3600}}"
    async with Gateway(more) as gateway:
        url = gateway.site.page_url("turn")
        ana = await Person.join(browser, url, "Ana", HZ[0], "lightsalmon")
        ben = await Person.join(browser, url, "Ben", HZ[1], "khaki")
        for person in (ana, ben):
            await expect(person.page.locator(".tile.has-picture")).to_have_count(2, timeout=20_000)
            assert await way(person.page) == ("relay", "relay")
        assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
        assert (await ben.hears())[HZ[0]] > AUDIBLE_DB
    for person in (ana, ben):
        assert any(f":{person.own}>" in line for line in coturn.log), "not its own user name"


async def test_passwords_that_have_ended_are_refused_and_new_ones_bring_the_way_back(
    coturn: Coturn, browser: Browser, server: ScriptedServer
) -> None:
    server.ice_servers = credentials(coturn, time.time() - 3600)
    ana, ben = [await join(browser, server, person) for person in range(2)]
    for listener, other in ((ana, "Ben"), (ben, "Ana Lopes")):
        await expect(listener.page.locator("#toasts")).to_contain_text(
            f"No network path to {other} was found", timeout=20_000
        )
        await expect(listener.page.locator("#toasts")).to_contain_text("TURN server did not help")
    assert server.ready == set()
    for who in ("web-1", "web-2"):
        fresh = credentials(coturn, time.time())
        await server.tell(who, {"type": "ice_servers", "ice_servers": fresh})
    await server.until(lambda: receive_each_other(server), seconds=30)
    assert await way(ana.page) == ("relay", "relay")
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
    assert (await ben.hears())[HZ[0]] > AUDIBLE_DB
    for listener in (ana, ben):
        await expect(listener.page.locator("#toasts")).to_be_empty()


async def test_new_passwords_are_used_by_the_next_restart_without_a_break(
    coturn: Coturn, browser: Browser, server: ScriptedServer
) -> None:
    server.ice_servers = credentials(coturn, time.time() - 300)
    ana, ben = [await join(browser, server, person) for person in range(2)]
    await server.until(lambda: receive_each_other(server), seconds=20)
    fresh = credentials(coturn, time.time())
    for who in ("web-1", "web-2"):
        await server.tell(who, {"type": "ice_servers", "ice_servers": fresh})
    before = len(coturn.log)
    await ana.page.evaluate("dispatchEvent(new Event('online'))")
    await coturn.process.line(
        rf"<{fresh[0]['username']}>.*ALLOCATE processed, success", since=before
    )
    assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
    assert (await ben.hears())[HZ[0]] > AUDIBLE_DB


async def test_a_turn_server_that_goes_is_told_and_used_again_when_it_is_back(
    browser: Browser, server: ScriptedServer
) -> None:
    async with Coturn() as coturn:
        server.ice_servers = credentials(coturn, time.time())
        ana, ben = [await join(browser, server, person) for person in range(2)]
        await server.until(lambda: receive_each_other(server), seconds=20)
    toasts = ana.page.locator("#toasts")
    await expect(toasts).to_contain_text("The connection with Ben was lost", timeout=40_000)
    async with Coturn(coturn.port):
        await expect(toasts).to_be_empty(timeout=40_000)
        assert (await ana.hears())[HZ[1]] > AUDIBLE_DB
        assert (await ben.hears())[HZ[0]] > AUDIBLE_DB


async def test_without_turn_the_page_says_who_cannot_be_reached_and_what_would_help(
    browser: Browser, server: ScriptedServer
) -> None:
    ana, _ben = [await join(browser, server, person) for person in range(2)]
    toasts = ana.page.locator("#toasts")
    await expect(toasts).to_contain_text("No network path to Ben was found", timeout=20_000)
    await expect(toasts).to_contain_text("The administrator can set up a TURN server")
    told = {"type": "unreachable", "neighbour": "web-2"}
    await server.until(lambda: told in server.members["web-1"].received, seconds=30)
    await server.members["web-2"].socket.close(code=1000)
    await expect(toasts).to_be_empty()
