"""What a page makes of what it is told in one breath, and what it says of itself first."""

from collections.abc import AsyncIterator

import pytest

from support.browser import Browser, Camera
from support.scripted_page import join
from support.scripted_signalling import ScriptedServer

pytestmark = [pytest.mark.timeout(90), pytest.mark.usefixtures("unchained")]

FIRST, SECOND = "web-1", "web-2"
BREATH = """globalThis.breath = (() => {
    let held = null, wanted = 0;
    globalThis.WebSocket = class extends globalThis.WebSocket {
        set onmessage(handler) {
            super.onmessage = handler && ((event) => {
                if (held === null) return handler(event);
                held.push(event);
                if (held.length < wanted) return;
                const all = held;
                held = null;
                all.forEach(handler);
            });
        }
    };
    return (count) => { held = []; wanted = count; };
})();"""
"""`breath(count)`: so many messages of the server's are taken one right after the other, as they
are where a page is late."""


@pytest.fixture
def camera() -> Camera:
    return Camera(height=90, rate=8)


@pytest.fixture
async def browser(camera: Camera) -> AsyncIterator[Browser]:
    async with Browser(camera, script=BREATH) as browser:
        yield browser


def views(server: ScriptedServer, by: str) -> list[dict[str, list[str]]]:
    return [one["shows"] for one in server.members[by].received if one["type"] == "view"]


async def test_an_edge_that_ends_and_comes_back_at_once_is_another_one(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(2)]
    await server.link(FIRST, FIRST, SECOND)
    await server.until(lambda: server.edges == server.ready, seconds=20)
    (edge, *_) = server.streams(FIRST, FIRST, SECOND)
    await people[1].page.evaluate("breath(2)")
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
