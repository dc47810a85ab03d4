"""Relays that pass encoded payloads on: what comes out at the end of a chain, and what it costs."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from gateway import ports
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from support.browser import Browser, Camera, Listener
from support.firefox import Firefox
from support.listeners import NO_DEVICES
from support.media_peers import Phone as MediaPhone
from support.scripted_page import COLOURS, HZ, firefox_joins, join, pictures
from support.scripted_signalling import PHONE, PHONE_HZ, Edge, ScriptedServer
from support.tones import AUDIBLE_DB
from support.until import until

pytestmark = [pytest.mark.timeout(90), pytest.mark.usefixtures("unchained")]

ROOM = ports.RoomName("demo")
NOT_CORRUPTED = 30.0
"""dB; small pictures are coarse, but a frame decoded onto the wrong one is worse by far."""
DUMMY_HEIGHT = 30
"""Pixels: what a relay encodes for a payload to go on is smaller than that; the picture has 90."""


@pytest.fixture
def camera() -> Camera:
    return Camera(height=90, rate=8)


async def stats(listener: Listener, source: str = "web-1") -> dict[str, dict[str, Any]]:
    """How a page sends a source on, by kind."""
    edges = await listener.page.evaluate("trestle.stats()")
    return {edge["kind"]: edge for edge in edges if edge["source"] == source}


async def chain(server: ScriptedServer, *pages: int) -> None:
    """The first one's tree, from each of `pages` to the next."""
    for parent, child in pairwise(pages):
        await server.link("web-1", f"web-{parent}", f"web-{child}")
        await server.until(lambda: server.settled, seconds=20)


async def shows_the_root(listener: Listener) -> None:
    """The first one's sound and moving picture come out of a page, after a moment at most."""
    for last in (False, False, True):
        heard = (await listener.hears_each())["web-1"]
        seen = (await listener.sees())["web-1"]
        if heard[HZ[0]] > AUDIBLE_DB and seen.colour == COLOURS[0] and seen.moves:
            return
        assert not last, (heard, seen)


async def test_a_chain_of_four_encodes_once(server: ScriptedServer, browser: Browser) -> None:
    people = [await join(browser, server, person) for person in range(4)]
    await chain(server, 1, 2, 3, 4)
    await pictures(people[3].page, 2)
    await shows_the_root(people[3])
    assert {edge["method"] for edge in (await stats(people[0])).values()} == {"own"}
    for relay in people[1:3]:
        edges = await stats(relay)
        assert edges["audio"]["method"] == edges["high"]["method"] == "swap"
        assert edges["audio"]["forwarded"] > 0
        assert edges["high"]["forwarded"] > 0
        assert 0 < edges["high"]["height"] < DUMMY_HEIGHT


async def test_two_children_of_one_relay_get_all_of_it(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(4)]
    await chain(server, 1, 2, 3)
    await chain(server, 2, 4)
    for child in people[2:]:
        await pictures(child.page, 2)
        await shows_the_root(child)
    edges = await people[1].page.evaluate("trestle.stats()")
    assert {(edge["child"], edge["method"]) for edge in edges} == {
        ("web-3", "swap"),
        ("web-4", "swap"),
    }


async def test_a_new_parent_is_taken_without_negotiation_below(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(4)]
    await chain(server, 1, 2, 3, 4)
    await pictures(people[3].page, 2)
    told = len(server.members["web-4"].received)
    await watch(people[3])
    await chain(server, 1, 3)
    await server.unlink("web-1", "web-2", "web-3")
    await shows_the_root(people[3])
    assert (await stats(people[2]))["high"]["method"] == "swap"
    assert len(server.members["web-4"].received) == told
    assert await strange_pictures(people[3]) == []


async def test_a_relay_without_transforms_encodes_anew(
    server: ScriptedServer, browser: Browser
) -> None:
    people = []
    for person in range(4):
        script = "delete globalThis.RTCRtpScriptTransform" if person == 1 else ""
        people.append(await join(browser, server, person, script))
    await chain(server, 1, 2, 3, 4)
    await pictures(people[3].page, 2)
    await shows_the_root(people[3])
    anew = await stats(people[1])
    assert {edge["method"] for edge in anew.values()} == {"reforward"}
    assert anew["high"]["height"] == 90
    assert {edge["method"] for edge in (await stats(people[2])).values()} == {"swap"}


LOSES = """
const take = Feed.prototype.take;
let frames = 0;
Feed.prototype.take = function (payload, now) {
  frames += payload.stamp ? 1 : 0;
  const lost = payload.stamp && !payload.key && frames % 23 === 0;
  return lost ? [] : take.call(this, payload, now);
};
"""
"""What a relay passes on has lost one picture in 23; what it shows itself has not."""


@pytest.mark.parametrize("camera", [Camera(180, 15, timed=True)])
async def test_a_frame_that_is_lost_above_is_never_seen_below(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(3)]
    server.append_to["feed.js"] = LOSES
    people.append(await join(browser, server, 3))
    await chain(server, 1, 2, 4, 3)
    leaf = people[2].page
    await pictures(leaf, 2)
    await leaf.evaluate("timed.watch('web-1', 1)")
    await until(leaf, "() => timed.results.psnr.length >= 45", within=30)
    results = await leaf.evaluate("timed.results")
    assert min(results["psnr"]) > NOT_CORRUPTED, sorted(results["psnr"])[:9]
    asked = await people[3].page.evaluate("trestle.stats()")
    assert {edge["method"] for edge in asked} == {"swap"}


async def test_a_camera_goes_and_comes_back_for_the_end_of_a_chain(
    server: ScriptedServer, browser: Browser
) -> None:
    people = [await join(browser, server, person) for person in range(4)]
    await chain(server, 1, 2, 3, 4)
    await pictures(people[3].page, 2)
    await people[0].page.keyboard.press("v")
    await pictures(people[3].page, 1)
    await people[0].page.keyboard.press("v")
    await pictures(people[3].page, 2)
    await shows_the_root(people[3])
    assert (await stats(people[2]))["high"]["method"] == "swap"


async def test_whom_a_relay_blocks_is_heard_on_by_those_below_it(
    server: ScriptedServer, browser: Browser
) -> None:
    # Until the server has found them another parent.
    people = [await join(browser, server, person) for person in range(3)]
    await chain(server, 1, 2, 3)
    await shows_the_root(people[2])
    page = people[1].page
    await page.locator("#roster li[data-participant=web-1]").get_by_role("button").click()
    await page.get_by_label("Block for me").check()
    assert (await people[1].hears())[HZ[0]] < AUDIBLE_DB
    assert (await people[2].hears_each())["web-1"][HZ[0]] > AUDIBLE_DB
    assert (await stats(people[1]))["audio"]["method"] == "swap"


async def test_who_speaks_is_told_down_the_chain(server: ScriptedServer, browser: Browser) -> None:
    deaf = "AnalyserNode.prototype.getFloatTimeDomainData = () => {}"
    people = []
    for person in range(3):
        people.append(await join(browser, server, person, deaf if person == 2 else ""))
    await chain(server, 1, 2, 3)
    tile = people[2].page.locator(".tile[data-participant=web-1]")
    await expect(tile).to_have_class(re.compile("talking"))
    await people[0].page.keyboard.press("m")
    await expect(tile).not_to_have_class(re.compile("talking"))
    await people[0].page.keyboard.press("m")
    await expect(tile).to_have_class(re.compile("talking"))


async def watch(listener: Listener) -> None:
    """Looks at every picture of the root's that is shown from now on."""
    await listener.page.evaluate(_WATCH)


async def strange_pictures(listener: Listener) -> list[Any]:
    """Those with a wall of another colour, as a picture that was decoded wrongly has: the ms since
    the watch began, the height and the colour."""
    seen, strange = await listener.page.evaluate("[globalThis.seen, globalThis.strange]")
    assert seen > 0
    return list(strange)


_WATCH = """() => {
  const video = document.querySelector(".tile[data-participant=web-1] video");
  const canvas = new OffscreenCanvas(16, 9);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const begun = performance.now();
  Object.assign(globalThis, { seen: 0, strange: [] });
  const look = () => {
    context.drawImage(video, 0, 0, 16, 9);
    const corner = context.getImageData(0, 0, 1, 1).data;
    globalThis.seen += 1;
    if ([255, 160, 122].some((value, i) => Math.abs(value - corner[i]) > 24)) {
      globalThis.strange.push([performance.now() - begun, video.videoHeight, ...corner]);
    }
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""


async def until_method(listener: Listener, kind: str, method: str) -> None:
    script = """async ([kind, method]) => (await trestle.stats()).some((edge) =>
        edge.source === "web-1" && edge.kind === kind && edge.method === method)"""
    await until(listener.page, script, [kind, method])


class SeatedServer(ScriptedServer):
    """Its seat is the gateway's real one."""

    def __init__(self, plane: InlinePlane) -> None:
        super().__init__()
        self.chained = False
        self._plane = plane

    async def attach(self, edge: Edge) -> None:
        if "seat" in edge:
            source, _audio, parent, child = edge
            self._plane.attach(ROOM, ports.Edge(*map(ports.ParticipantId, (source, parent, child))))
        await super().attach(edge)

    async def _seat(self, me: str, body: dict[str, Any]) -> None:
        peer, connection = ports.ParticipantId(me), str(body["connection"])
        if "description" in body:
            tracks = {
                mid: ports.Track(ports.ParticipantId(track["source"]), ports.StreamKind.AUDIO)
                for mid, track in body["tracks"].items()
            }
            offer = ports.Offer(body["description"]["sdp"])
            answer = await self._plane.seat_answer(ROOM, peer, connection, offer, tracks)
            description = {"type": "answer", "sdp": answer.sdp}
            reply = {"connection": connection, "description": description}
            await self.tell(me, {"type": "signal", "from": "seat", **reply})
        elif body.get("candidate"):
            candidate = body["candidate"]
            line = candidate["candidate"].removeprefix("candidate:")
            one = ports.Candidate(candidate["sdpMid"], line)
            self._plane.seat_candidate(ROOM, peer, connection, one)


async def test_the_seat_hears_who_speaks_through_relays(browser: Browser) -> None:
    plane = InlinePlane(Settings(range(32_300, 32_400), "127.0.0.1", capacity=64))
    await plane.start(lambda _event: None)
    server = SeatedServer(plane)
    server.legacy = [PHONE]
    await server.start()
    try:
        people = [await join(browser, server, person) for person in range(3)]
        async with MediaPhone(PHONE_HZ) as phone:
            leg = ports.ParticipantId(str(PHONE["id"]))
            answer = await plane.answer(ROOM, leg, ports.Offer(phone.offer()))
            phone.take(answer.sdp)
            plane.confirm(leg)
            await chain(server, 1, 2, 3)
            await server.attach(("web-1", "audio", "web-3", "seat"))
            # Speaker selection goes by the levels in the headers, which are the relay's.
            await phone.hears(HZ[0])
            assert (await stats(people[2]))["audio"]["method"] == "swap"
            await server.attach((str(leg), "audio", "seat", "web-3"))
            await server.attach((str(leg), "audio", "web-3", "web-2"))
            await server.until(lambda: server.settled, seconds=20)
            assert (await people[1].hears_each())[leg][PHONE_HZ] > AUDIBLE_DB
            assert (await stats(people[2], leg))["audio"]["method"] == "swap"
    finally:
        await server.stop()
        await plane.stop()


VISIBILITY = """(() => {
  Object.defineProperty(document, "visibilityState", { value: "STATE", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
})()"""


async def methods(firefox: Firefox) -> dict[str, str]:
    return {edge["kind"]: edge["method"] for edge in await firefox.evaluate("trestle.stats()")}


LATE_DUMMIES = """
const requestFrame = CanvasCaptureMediaStream.prototype.requestFrame;
CanvasCaptureMediaStream.prototype.requestFrame = function () {
  requestFrame.call(this);
  setTimeout(() => {
    this.canvas.getContext("2d").fillRect(0, 0, 9, 9);
    requestFrame.call(this);
  }, 100);
};
const replaceTrack = RTCRtpSender.prototype.replaceTrack;
RTCRtpSender.prototype.replaceTrack = async function (track) {
  if (track?.kind === "video") await new Promise((resolve) => setTimeout(resolve, 400));
  return replaceTrack.call(this, track);
};
"""
"""Some are painted, and encoded, when real pictures have been asked for: as on a busy machine."""


@pytest.mark.timeout(150)
async def test_firefox_passes_on_what_chromium_sends_to_chromium(
    server: ScriptedServer, browser: Browser, tmp_path: Path
) -> None:
    root = await join(browser, server)
    async with Firefox(tmp_path) as firefox:
        await firefox_joins(firefox, server, 1, NO_DEVICES, LATE_DUMMIES)
        leaf = await join(browser, server, 2)
        await chain(server, 1, 2, 3)
        await pictures(leaf.page, 2)
        await shows_the_root(leaf)
        await watch(leaf)
        assert await methods(firefox) == {"audio": "swap", "high": "swap"}
        # A page that is not shown paints no dummies.
        await firefox.evaluate(VISIBILITY.replace("STATE", "hidden"))
        await shows_the_root(leaf)
        assert await methods(firefox) == {"audio": "swap", "high": "reforward"}
        await firefox.evaluate(VISIBILITY.replace("STATE", "visible"))
        await shows_the_root(leaf)
        assert await methods(firefox) == {"audio": "swap", "high": "swap"}
        # A parent of the other kind takes over.
        await chain(server, 1, 3)
        await server.unlink("web-1", "web-2", "web-3")
        await shows_the_root(leaf)
        assert await strange_pictures(leaf) == []
    assert root.own == "web-1"
