"""Over the socket: what one may publish, who moderates, hands and blocks."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from web_site import Browser, Site, running_site

from gateway.conference.permissions import Moderation, Publishing, Rules

KEY = 'a "long" secret'


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    rules = Rules(Publishing.MODERATORS, Moderation.FIRST, KEY)
    async with running_site(tmp_path, rules=rules) as site:
        yield site


@pytest.fixture
async def ana(site: Site) -> Browser:
    """The first, so the moderator."""
    return await site.joined("Ana")


async def entry(browser: Browser, whose: Browser) -> dict[str, Any]:
    """Somebody's line of the next roster."""
    roster = await browser.until("roster")
    return next(one for one in roster["participants"] if one["id"] == whose.id)


async def test_who_publishes_what_it_may_not_gets_forbidden_and_nobody_is_told(
    site: Site, ana: Browser
) -> None:
    ben = await site.joined("Ben")
    assert (await entry(ben, ben))["publishes"] == []
    await ben.send(type="publish", publishes=["audio"])
    error = await ben.until("error")
    assert error["code"] == "forbidden"
    assert error["text"] == "a moderator has to let you publish audio first"
    await ana.roster_of("Ana", "Ben")
    await ana.send(type="ping")
    await ana.expect("attach")  # Her own sound, to Ben; no other edge is told.
    await ana.expect("pong")


async def test_a_moderator_gives_and_takes_the_word(site: Site, ana: Browser) -> None:
    ben = await site.joined("Ben")
    await ana.roster_of("Ana", "Ben")
    await ana.send(type="grant", participant=ben.id, kinds=["audio"])
    assert (await entry(ana, ben))["may"] == ["audio"]
    await ben.send(type="publish", publishes=["audio"])
    edge = {"source": ben.id, "kind": "audio", "parent": ben.id, "child": ana.id}
    while (attach := await ana.until("attach"))["source"] != ben.id:
        pass
    assert attach == {"type": "attach", **edge}
    await ana.send(type="grant", participant=ben.id, kinds=[])
    assert await ana.until("detach") == await ben.until("detach") == {"type": "detach", **edge}


async def test_who_does_not_moderate_grants_nothing(site: Site, ana: Browser) -> None:
    ben = await site.joined("Ben")
    await ben.send(type="grant", participant=ben.id, kinds=["audio"])
    assert (await ben.until("error"))["code"] == "forbidden"
    await ben.send(type="hand", raised=False, participant=ana.id)
    assert (await ben.until("error"))["code"] == "forbidden"
    await ana.send(type="grant", participant="web-000000", kinds=["audio"])
    assert (await ana.until("error"))["code"] == "unknown-peer"


async def test_a_raised_hand_has_its_place_in_everyones_roster(site: Site, ana: Browser) -> None:
    ben = await site.joined("Ben")
    await ana.roster_of("Ana", "Ben")
    await ben.send(type="hand", raised=True)
    assert (await entry(ana, ben))["hand"] == 1
    await ana.send(type="hand", raised=False, participant=ben.id)
    assert (await entry(ana, ben))["hand"] == 0


async def test_a_key_makes_a_moderator_and_is_in_no_log(
    site: Site, ana: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ben = await site.browser()
    await ben.join("Ben", key=KEY)
    assert (await entry(ben, ben))["moderator"] is True
    assert "secret" not in caplog.text


async def test_a_wrong_key_is_refused(site: Site, ana: Browser) -> None:
    eve = await site.browser()
    await eve.send(type="join", room="demo", name="Eve", publishes=[], key="a long guess")
    assert (await eve.expect("error"))["code"] == "forbidden"
    assert await eve.closed() == 1008


async def test_a_block_ends_the_edge_and_its_end_brings_it_back(site: Site, ana: Browser) -> None:
    ben = await site.joined("Ben")
    await ben.until("attach")
    await ben.send(type="block", participant=ana.id, blocked=True)
    assert (await ben.until("detach"))["source"] == ana.id
    await ben.send(type="block", participant=ana.id, blocked=False)
    assert (await ben.until("attach"))["source"] == ana.id
    await ben.send(type="block", participant="web-000000", blocked=True)
    assert (await ben.until("error"))["code"] == "unknown-peer"


async def test_a_moderator_whose_connection_broke_is_one_again(site: Site, ana: Browser) -> None:
    ben = await site.joined("Ben")
    again = await site.browser()
    await again.join("Ana", token=ana.token)
    assert (await entry(again, again))["moderator"] is True
    await ben.roster_of("Ben", "Ana")
    assert (await entry_now(again, ben))["moderator"] is False


async def entry_now(browser: Browser, whose: Browser) -> dict[str, Any]:
    """Somebody's line, after a change of one's own."""
    await browser.send(type="hand", raised=True)
    return await entry(browser, whose)
