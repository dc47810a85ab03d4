"""Relays that fail: their children hear on, from the parent that stands by."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support.failover import FAILURES, LEAF, RELAY, ROOT, SPARE, Failover
from support.scripted_page import COLOURS, HZ
from support.tones import AUDIBLE_DB

pytestmark = pytest.mark.timeout(120)

FAR_TOO_LONG = 3_000
"""ms. Without a standby parent the sound would never come back here; how soon it does is for
`make bench-gaps` on a quiet machine."""


@pytest.fixture
async def rig() -> AsyncIterator[Failover]:
    async with Failover("audio") as rig:
        await rig.ready()
        yield rig


@pytest.mark.parametrize("how", FAILURES)
async def test_sound_goes_on_when_a_relay_is(how: str, rig: Failover) -> None:
    gap = await rig.gap(how)
    assert gap.frames < FAR_TOO_LONG
    heard = (await rig.leaf.hears_each())[ROOT]
    assert heard[HZ[0]] > AUDIBLE_DB
    edges = await rig.spare.page.evaluate("trestle.stats()")
    assert [(edge["child"], edge["method"]) for edge in edges] == [(LEAF, "swap")]
    assert (ROOT, "audio", RELAY, LEAF) not in rig.server.ready - rig.server.edges


async def test_who_hears_bye_asks_another_parent_while_frames_still_come(rig: Failover) -> None:
    await rig.relay_says('{"type": "bye"}')
    await rig.server.until(lambda: (ROOT, "audio", SPARE, LEAF) in rig.server.ready, seconds=20)
    heard = (await rig.leaf.hears_each())[ROOT]
    assert heard[HZ[0]] > AUDIBLE_DB


async def test_pictures_come_back_too() -> None:
    async with Failover("audio", "high") as rig:
        await rig.ready()
        await rig.gap("killed")
        seen = (await rig.leaf.sees())[ROOT]
        assert seen.moves
        assert seen.colour == COLOURS[0]


async def test_a_standby_parent_sends_nothing_before_it_is_asked(rig: Failover) -> None:
    sent = "async () => (await connections.reports()).filter(({ type }) => type === 'outbound-rtp')"
    packets = f"async () => (await ({sent})()).map(({{ packetsSent }}) => packetsSent)"
    before = await rig.spare.page.evaluate(packets)
    await asyncio.sleep(0.5)
    assert await rig.spare.page.evaluate(packets) == before
    assert set(before) == {0}
    # All is ready though: a transceiver, announced, on a connection that stands.
    signals = [m for m in rig.server.members[SPARE].received if m["type"] == "signal"]
    told = [m["tracks"] for m in signals if m["to"] == LEAF and "tracks" in m][-1]
    assert {"source": ROOT, "kind": "audio"} in told.values()
    assert (ROOT, "audio", SPARE, LEAF) in rig.server.standbys
