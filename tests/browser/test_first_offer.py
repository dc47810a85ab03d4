"""A new pair: one offer, which has places for what the other side is to send, and one answer."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Page

from support.browser import SCRIPTS, Browser, Camera, Listener
from support.firefox import Firefox
from support.scripted_page import COLOURS, HZ, firefox_joins, join
from support.scripted_signalling import Edge, ScriptedServer
from support.tones import AUDIBLE_DB

pytestmark = [pytest.mark.timeout(90), pytest.mark.usefixtures("unchained")]

POLITE, IMPOLITE = "web-1", "web-2"
"""In order of joining: the id that sorts first is the polite one's."""
NEVER_OFFERS = "\nwants = () => new Map();"
"""For relay.js: another client, which offers nothing but what it sends itself."""
NO_SPARES = "\nspareTracks = () => [];"
"""For spares.js: another client, which has places for edges only."""


@pytest.fixture
def camera() -> Camera:
    return Camera(height=90, rate=8)


def described(server: ScriptedServer, by: str) -> list[str]:
    """The types of the descriptions that a page has sent, in order."""
    said = server.members[by].received
    signals = [message for message in said if message["type"] == "signal"]
    return [one["description"]["type"] for one in signals if "description" in one]


async def both_ways(server: ScriptedServer) -> None:
    await server.link(POLITE, POLITE, IMPOLITE)
    await server.link(IMPOLITE, IMPOLITE, POLITE)
    await arrived(server)


async def arrived(server: ScriptedServer) -> None:
    await server.until(lambda: server.edges == server.ready and server.edges != set(), seconds=20)


async def has_the_other(listener: Listener, other: int) -> None:
    """The other one's sound and moving picture, in step."""
    source = f"web-{other + 1}"
    for last in (False, False, False, True):
        heard = (await listener.hears_each()).get(source, {})
        seen = (await listener.sees()).get(source)
        is_heard = heard.get(HZ[other], -120) > AUDIBLE_DB
        if is_heard and seen and seen.colour == COLOURS[other] and seen.moves:
            break
        assert not last, (heard, seen)
    played = await listener.page.evaluate("connections.played")
    assert sorted(one["kind"] for one in played) == ["audio", "video"]
    assert played[0]["together"] == played[1]["together"]
    assert len(played[0]["together"]) == 1


async def test_one_offer_and_one_answer_carry_both_ways(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    await both_ways(server)
    await has_the_other(people[0], 1)
    await has_the_other(people[1], 0)
    assert described(server, IMPOLITE) == ["offer"]
    assert described(server, POLITE) == ["answer"]
    (answer,) = signals(server, POLITE, "description")
    assert {track["source"] for track in answer["tracks"].values()} == {POLITE}
    assert answer == next(one for one in signals(server, POLITE) if "tracks" in one)
    heights = {edge["kind"]: edge["height"] for edge in await stats(people[0])}
    assert heights["high"] == 90


def signals(server: ScriptedServer, by: str, *members: str) -> list[dict[str, Any]]:
    """What a page has said to the other one, where it has these members."""
    said = [one for one in server.members[by].received if one["type"] == "signal"]
    return [one for one in said if all(member in one for member in members)]


async def stats(listener: Listener) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", await listener.page.evaluate("trestle.stats()"))


async def test_who_only_receives_makes_the_offer_all_the_same(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    await server.link(POLITE, POLITE, IMPOLITE)
    await arrived(server)
    await has_the_other(people[1], 0)
    assert described(server, IMPOLITE) == ["offer"]
    assert described(server, POLITE) == ["answer"]


async def test_a_small_picture_on_a_place_is_sent_small(
    server: ScriptedServer,
) -> None:
    """The encoder of a place is told so afterwards, not with `addTransceiver`."""
    server.kinds = ("audio", "low")
    async with Browser(Camera(height=360, rate=8)) as browser:
        people = [await join(browser, server, person) for person in range(2)]
        await server.link(POLITE, POLITE, IMPOLITE)
        await arrived(server)
        await has_the_other(people[1], 0)
        edges = {edge["kind"]: edge for edge in await stats(people[0])}
    assert edges["low"]["height"] == 180


async def test_what_is_held_ready_has_a_place_too(server: ScriptedServer, browser: Browser) -> None:
    people = [await join(browser, server, person) for person in range(3)]
    # The third one's streams come to the second one, and the first one stands by.
    await server.link("web-3", "web-3", POLITE)
    await server.link("web-3", "web-3", IMPOLITE)
    await arrived(server)
    before = {who: described(server, who) for who in (POLITE, IMPOLITE)}
    for edge in server.streams("web-3", POLITE, IMPOLITE):
        await server.standby(edge)
    await server.until(lambda: len(described(server, POLITE)) > len(before[POLITE]), seconds=20)
    assert described(server, IMPOLITE) == [*before[IMPOLITE], "offer"]
    assert described(server, POLITE) == [*before[POLITE], "answer"]
    answer = signals(server, POLITE, "description")[-1]
    tracks = [(track["source"], track["kind"]) for track in answer["tracks"].values()]
    assert sorted(tracks) == [("web-3", "audio"), ("web-3", "high")]
    await server.unlink("web-3", "web-3", IMPOLITE)
    for edge in server.streams("web-3", POLITE, IMPOLITE):
        await server.attach(edge)
    await arrived(server)
    assert described(server, POLITE) == [*before[POLITE], "answer"]
    assert (await people[1].hears_each())["web-3"][HZ[2]] > AUDIBLE_DB


async def test_what_finds_no_place_is_offered_afterwards(
    server: ScriptedServer, browser: Browser
) -> None:
    people = await beside_one_without_spares(browser, server)
    sound, picture = server.streams(POLITE, POLITE, IMPOLITE)
    server.edges |= {sound, picture}
    # The impolite one is told of the picture when its offer is long on its way.
    for edge in (sound, picture):
        await tell(server, POLITE, edge)
    await tell(server, IMPOLITE, sound)
    await server.until(lambda: described(server, POLITE) == ["answer", "offer"], seconds=20)
    await tell(server, IMPOLITE, picture)
    await arrived(server)
    await has_the_other(people[1], 0)
    assert described(server, IMPOLITE) == ["offer", "answer"]


async def beside_one_without_spares(browser: Browser, server: ScriptedServer) -> list[Listener]:
    people = [await join(browser, server)]
    server.append_to["spares.js"] = NO_SPARES
    return [*people, await join(browser, server, 1)]


async def tell(server: ScriptedServer, to: str, edge: Edge) -> None:
    """Tells one end of an edge alone."""
    source, kind, parent, child = edge
    edges = {"source": source, "kind": kind, "parent": parent, "child": child}
    await server.tell(to, {"type": "attach", **edges})


async def test_an_offer_that_comes_before_the_edges_has_places_for_them_all_the_same(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    edges = server.streams(POLITE, POLITE, IMPOLITE)
    server.edges |= set(edges)
    for edge in edges:
        await tell(server, IMPOLITE, edge)
    await server.until(lambda: described(server, POLITE) == ["answer"])
    (answer,) = signals(server, POLITE, "description")
    assert answer["tracks"] == {}
    for edge in edges:
        await tell(server, POLITE, edge)
    await arrived(server)
    await has_the_other(people[1], 0)
    assert described(server, POLITE) == ["answer"]


async def test_what_comes_later_finds_a_spare_place_in_either_direction(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    sound, _ = server.streams(POLITE, POLITE, IMPOLITE)
    server.edges.add(sound)
    await server.attach(sound)
    await arrived(server)
    assert described(server, IMPOLITE) == ["offer"]
    for source, other in ((POLITE, IMPOLITE), (IMPOLITE, POLITE)):
        for edge in {*server.streams(source, source, other)} - {sound}:
            server.edges.add(edge)
            await server.attach(edge)
    await arrived(server)
    await has_the_other(people[0], 1)
    await has_the_other(people[1], 0)
    assert described(server, IMPOLITE) == ["offer"]
    assert described(server, POLITE) == ["answer"]


async def test_a_client_that_offers_no_places_is_offered_to(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server)]
    server.append_to["relay.js"] = NEVER_OFFERS
    people.append(await join(browser, server, 1))
    await server.link(POLITE, POLITE, IMPOLITE)
    await arrived(server)
    await has_the_other(people[1], 0)
    assert described(server, POLITE)[0] == "offer"


NO_REAL_DEVICES = """navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
  const kinds = [...(audio ? ["audio"] : []), ...(video ? ["video"] : [])];
  return { getTracks: () => kinds.map((kind) => ({ kind, stop() {} })) };
};"""
"""Without any Firefox has none to offer; the test's own devices ask for them first."""


class FoxPage:
    """As much of Playwright's page as a `Listener` needs."""

    def __init__(self, firefox: Firefox) -> None:
        self._firefox = firefox

    async def evaluate(self, script: str, arg: object = None) -> Any:
        called = f"({script})({json.dumps(arg)})" if "=>" in script else script
        return await self._firefox.evaluate(called)


async def fox_joins(firefox: Firefox, server: ScriptedServer, person: int) -> Listener:
    devices = {"hz": HZ[person], "colour": COLOURS[person], "height": 90, "rate": 8, "timed": False}
    scripts = [NO_REAL_DEVICES, f"globalThis.testDevices = {json.dumps(devices)};"]
    scripts += [path.read_text() for path in sorted(SCRIPTS.glob("*.js"))]
    await firefox_joins(firefox, server, person, *scripts)
    listener = Listener(cast("Page", FoxPage(firefox)))
    listener.own = f"web-{person + 1}"
    return listener


@pytest.mark.timeout(150)
@pytest.mark.parametrize("fox", [0, 1])
async def test_firefox_fills_places_and_offers_them(
    server: ScriptedServer, browser: Browser, tmp_path: Path, fox: int
) -> None:
    async with Firefox(tmp_path) as firefox:
        people = []
        for person in range(2):
            if person == fox:
                people.append(await fox_joins(firefox, server, person))
            else:
                people.append(await join(browser, server, person))
        await both_ways(server)
        await has_the_other(people[0], 1)
        await has_the_other(people[1], 0)
        assert described(server, IMPOLITE) == ["offer"]
        assert described(server, POLITE) == ["answer"]
