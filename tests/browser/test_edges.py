"""What a page makes of what it is told in one breath, and what it says of itself first."""

import pytest

from support.browser import Browser, Camera
from support.scripted_page import join
from support.scripted_signalling import ScriptedServer

pytestmark = [pytest.mark.timeout(90), pytest.mark.usefixtures("unchained")]

FIRST, SECOND = "web-1", "web-2"
BUSY = "() => { setTimeout(() => { const end = Date.now() + 500; while (Date.now() < end); }); }"
"""The page takes no message for half a second, and then all that have come."""


@pytest.fixture
def camera() -> Camera:
    return Camera(height=90, rate=8)


def views(server: ScriptedServer, by: str) -> list[dict[str, list[str]]]:
    return [one["shows"] for one in server.members[by].received if one["type"] == "view"]


async def test_an_edge_that_ends_and_comes_back_at_once_is_another_one(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    await server.link(FIRST, FIRST, SECOND)
    await server.until(lambda: server.edges == server.ready, seconds=20)
    (edge, *_) = server.streams(FIRST, FIRST, SECOND)
    await people[1].page.evaluate(BUSY)
    await server.detach(edge)
    await server.attach(edge)
    await server.until(lambda: server.edges == server.ready, seconds=20)


async def test_a_newcomer_says_first_what_it_shows(
    server: ScriptedServer, browser: Browser
) -> None:
    await join(browser, server)
    await server.until(lambda: views(server, FIRST) == [{}])
    await join(browser, server, 1)
    await server.until(lambda: len(views(server, FIRST)) == 2 and views(server, SECOND) != [])
    assert views(server, FIRST)[1] == {SECOND: ["high"]}
    assert views(server, SECOND)[0] == {FIRST: ["high"]}
