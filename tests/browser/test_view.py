"""Only what somebody looks at is sent, in the size in which it is shown: pages at the gateway."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.browser import Browser, Camera
from support.conference import Person
from support.gateway import Gateway
from support.until import until

pytestmark = pytest.mark.timeout(90)

LOW, HIGH = 180, 360
"""Pixels."""
SMALL = {"width": 300, "height": 640}
LARGE = {"width": 1280, "height": 800}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


@pytest.fixture
def camera() -> Camera:
    return Camera(height=HIGH, rate=12)


@pytest.fixture
async def people(gateway: Gateway, browser: Browser) -> list[Person]:
    url = f"{gateway.site.web_url}/demo"
    ana = await Person.join(browser, url, "Ana", 401, "lightsalmon")
    ben = await Person.join(browser, url, "Ben", 491, "mediumseagreen")
    await until_height(ana, ben.own, HIGH)
    await until_height(ben, ana.own, HIGH)
    return [ana, ben]


async def until_height(viewer: Person, source: str, height: int) -> None:
    """The tile shows a picture of this size, and it is playing."""
    script = """([source, height]) => {
        const tile = document.querySelector(`.tile[data-participant=${source}]`);
        return tile?.classList.contains("has-picture") &&
            tile.querySelector("video").videoHeight === height;
    }"""
    await until(viewer.page, script, [source, height])


async def until_sends(source: Person, *kinds: str) -> None:
    """These are all the streams that a page sends of itself."""
    script = """async ([own, kinds]) => (await trestle.stats())
        .filter(({ source }) => source === own).map(({ kind }) => kind).sort().join() === kinds"""
    await until(source.page, script, [source.own, ",".join(sorted(kinds))])


async def counts(person: Person, kind: str, what: str) -> list[int]:
    """A figure of each of a page's streams of pictures (W3C WebRTC Statistics)."""
    reports: list[dict[str, Any]] = await person.page.evaluate("connections.reports()")
    return [one[what] for one in reports if one["type"] == kind and one["kind"] == "video"]


async def rests(ana: Person, ben: Person) -> None:
    """Neither does Ana's camera's picture get encoded nor does Ben get any of it."""

    async def count() -> list[list[int]]:
        return [
            await counts(ana, "outbound-rtp", "framesEncoded"),
            await counts(ben, "inbound-rtp", "bytesReceived"),
        ]

    # The encoder has one more picture in hand, perhaps.
    for last in (False, True):
        before = await count()
        assert sum(map(sum, before)) > 0
        # As long as twelve pictures take.
        await ana.page.evaluate("new Promise((resolve) => setTimeout(resolve, 1000))")
        after = await count()
        if after == before:
            return
        assert not last, (before, after)


async def set_visibility(person: Person, state: str) -> None:
    await person.page.evaluate(
        """state => {
          Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


async def test_a_page_that_is_hidden_is_sent_no_picture(people: list[Person]) -> None:
    ana, ben = people
    await set_visibility(ben, "hidden")
    await until_sends(ana, "audio")
    await until_sends(ben, "audio", "high")
    await rests(ana, ben)
    await set_visibility(ben, "visible")
    await until_sends(ana, "audio", "high")
    await until_height(ben, ana.own, HIGH)
    assert (await ben.sees())[ana.own].moves


async def test_a_tile_that_is_scrolled_away_is_sent_no_picture(people: list[Person]) -> None:
    ana, ben = people
    # Her own tile fills more than the stage, and his is below it.
    await ana.page.locator(".tile.you").evaluate(
        "({ style }) => Object.assign(style, { width: '100%', height: '2000px' })"
    )
    await ana.page.locator("#tiles").evaluate("(tiles) => (tiles.scrollTop = 0)")
    await until_sends(ben, "audio")
    await rests(ben, ana)
    await ana.page.locator(f".tile[data-participant={ben.own}]").scroll_into_view_if_needed()
    await until_height(ana, ben.own, HIGH)
    await until_sends(ben, "audio", "high")


async def test_a_tile_gets_the_layer_that_fits_it_and_changes_without_a_gap(
    people: list[Person],
) -> None:
    ana, ben = people
    await ben.page.evaluate(_WATCH, ana.own)
    await ben.page.set_viewport_size(SMALL)
    await until_height(ben, ana.own, LOW)
    await until_sends(ana, "audio", "low")
    await ben.page.set_viewport_size(LARGE)
    await until_height(ben, ana.own, HIGH)
    await until_sends(ana, "audio", "high")
    assert (await ben.sees())[ana.own].moves
    seen, strange, bare = await ben.page.evaluate("[seen, strange, bare]")
    assert seen > 0
    assert (strange, bare) == (0, 0)


_WATCH = """(source) => {
  const tile = document.querySelector(`.tile[data-participant=${source}]`);
  const video = tile.querySelector("video");
  const context = new OffscreenCanvas(16, 9).getContext("2d", { willReadFrequently: true });
  Object.assign(globalThis, { seen: 0, strange: 0, bare: 0 });
  // What a person sees: each refresh of the page, not only each new picture.
  const look = () => {
    context.drawImage(video, 0, 0, 16, 9);
    const corner = context.getImageData(0, 0, 1, 1).data;
    seen += 1;
    strange += [255, 160, 122].some((value, i) => Math.abs(value - corner[i]) > 24);
    bare += !tile.classList.contains("has-picture");
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
"""Counts how often the tile does not show Ana's wall."""
