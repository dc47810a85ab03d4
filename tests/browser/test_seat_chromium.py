"""The seat against a real browser: Chromium sends tones and gets the phones' ones."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import aioice.ice
import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.ports import (
    SEAT,
    Candidate,
    Edge,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
    SeatReceiving,
    StreamKind,
    Track,
)
from support.media_peers import HEARD, UNHEARD, Phone
from support.tones import level

ROOM = RoomName("demo")
BROWSER = ParticipantId("web-1")

_ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)

_PAGE = """<script>
const pc = new RTCPeerConnection();
const context = new AudioContext();
const candidates = [];
const transceivers = [];           // pc.getTransceivers() forgets those that are refused
pc.onicecandidate = ({ candidate }) => candidates.push(candidate);

function tone(hz) {
  const oscillator = new OscillatorNode(context, { frequency: hz });
  const volume = new GainNode(context, { gain: 0.1 });
  const out = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(volume).connect(out);
  oscillator.start();
  return out.stream.getAudioTracks()[0];
}

// Both give the position of the new transceiver.
function send(hz) {
  const init = { direction: "sendonly", streams: [new MediaStream()] };
  return transceivers.push(pc.addTransceiver(tone(hz), init)) - 1;
}
function receive() {
  const transceiver = pc.addTransceiver("audio", { direction: "recvonly" });
  const { receiver } = transceiver;
  const stream = new MediaStream([receiver.track]);
  const player = new Audio();
  player.muted = true;
  player.srcObject = stream;            // Chromium decodes only what an element plays
  player.play();
  const analyser = new AnalyserNode(context, { fftSize: 16384 });
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(analyser);
  receiver.analyser = analyser;
  return transceivers.push(transceiver) - 1;
}
async function offer() {
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
const answer = (sdp) => pc.setRemoteDescription({ type: "answer", sdp });
const mid = (index) => transceivers[index].mid;
async function change(index, direction, hz) {
  const transceiver = transceivers[index];
  transceiver.direction = direction;
  await transceiver.sender.replaceTrack(hz ? tone(hz) : null);
}
function sound(index) {
  const samples = new Float32Array(16384);
  transceivers[index].receiver.analyser.getFloatTimeDomainData(samples);
  return [context.sampleRate, Array.from(samples)];
}
</script>"""


class Browser:
    """A page with one RTCPeerConnection to the seat, called "k1"."""

    def __init__(self, page: Page, plane: InlinePlane) -> None:
        self._page = page
        self._plane = plane
        self._sources: dict[int, str] = {}

    async def send(self, source: str, hz: int) -> int:
        index = await self._page.evaluate("(hz) => send(hz)", hz)
        self._sources[index] = source
        return int(index)

    async def receive(self, source: str) -> int:
        index = await self._page.evaluate("receive()")
        self._sources[index] = source
        return int(index)

    async def change(self, index: int, direction: str, source: str, hz: int) -> None:
        await self._page.evaluate("(all) => change(...all)", [index, direction, hz])
        self._sources[index] = source

    async def negotiate(self) -> None:
        sdp = await self._page.evaluate("offer()")
        offer = Offer(sdp)
        answer = await self._plane.seat_answer(ROOM, BROWSER, "k1", offer, await self.tracks())
        await self._page.evaluate("(sdp) => answer(sdp)", answer.sdp)
        for one in await self._page.evaluate("candidates.splice(0).filter((one) => one)"):
            line = one["candidate"].removeprefix("candidate:")
            self._plane.seat_candidate(ROOM, BROWSER, "k1", Candidate(one["sdpMid"], line))

    async def retrack(self, index: int, source: str) -> None:
        self._sources[index] = source
        self._plane.seat_tracks(ROOM, BROWSER, "k1", await self.tracks())

    async def tracks(self) -> Mapping[str, Track]:
        return {
            await self._page.evaluate("(index) => mid(index)", index): Track(
                ParticipantId(source), StreamKind.AUDIO
            )
            for index, source in self._sources.items()
            if source
        }

    async def hears(self, index: int, hz: int) -> None:
        heard = -120.0
        try:
            async with asyncio.timeout(8):
                while heard < HEARD:
                    heard = await self.level(index, hz)
        except TimeoutError:
            raise AssertionError(f"{hz} Hz is heard at {heard:.0f} dB only") from None

    async def level(self, index: int, hz: int) -> float:
        rate, samples = await self._page.evaluate("(index) => sound(index)", index)
        return level(np.array(samples, np.float64), int(rate), hz)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=list(_ARGUMENTS)
        )
        page = await browser.new_page()
        await page.set_content(_PAGE)
        yield page
        await browser.close()


@pytest.fixture(autouse=True)
def multicast_names_of_this_loop() -> None:
    """aioice keeps its resolver for the thread, with a lock of the first test's event loop."""
    aioice.ice._mdns.__dict__.clear()


@pytest.fixture
async def events() -> "asyncio.Queue[MediaEvent]":
    return asyncio.Queue()


@pytest.fixture
async def plane(events: "asyncio.Queue[MediaEvent]") -> AsyncIterator[InlinePlane]:
    plane = InlinePlane(Settings(range(32_100, 32_200), "127.0.0.1", capacity=256))
    await plane.start(events.put_nowait)
    yield plane
    await plane.stop()
    assert set(plane.inventory().values()) == {0}


async def _received(events: "asyncio.Queue[MediaEvent]", edge: Edge) -> None:
    async with asyncio.timeout(8):
        while await events.get() != SeatReceiving(ROOM, edge):
            pass


def _edge(source: str, parent: str, child: str) -> Edge:
    return Edge(ParticipantId(source), ParticipantId(parent), ParticipantId(child))


@pytest.mark.timeout(60)
async def test_one_connection_carries_changing_tracks_both_ways(
    page: Page, plane: InlinePlane, events: "asyncio.Queue[MediaEvent]"
) -> None:
    browser = Browser(page, plane)
    async with Phone(401) as ana, Phone(593) as bob, Phone(709) as cid:

        async def call(leg: str, phone: Phone) -> None:
            answer = await plane.answer(ROOM, ParticipantId(leg), Offer(phone.offer()))
            phone.take(answer.sdp)
            plane.confirm(ParticipantId(leg))

        # One stream each way, for an edge each way.
        await call("sip-ana", ana)
        plane.attach(ROOM, _edge("sip-ana", SEAT, BROWSER))
        plane.attach(ROOM, _edge(BROWSER, BROWSER, SEAT))
        await browser.send(BROWSER, 839)
        from_ana = await browser.receive("sip-ana")
        await browser.negotiate()
        await browser.hears(from_ana, 401)
        await _received(events, _edge(BROWSER, BROWSER, SEAT))
        await ana.hears(839)
        assert await browser.level(from_ana, 839) < UNHEARD, "the browser hears itself"

        # More m-sections later: another phone, and a talker that the browser relays.
        await call("sip-bob", bob)
        plane.attach(ROOM, _edge("sip-bob", SEAT, BROWSER))
        plane.attach(ROOM, _edge("web-2", BROWSER, SEAT))
        relayed = await browser.send("web-2", 1217)
        from_bob = await browser.receive("sip-bob")
        await browser.negotiate()
        await browser.hears(from_bob, 593)
        await _received(events, _edge("web-2", BROWSER, SEAT))
        await ana.hears(593, 839, 1217)
        await browser.hears(from_ana, 401)
        assert await browser.level(from_ana, 593) < UNHEARD, "one phone in another's stream"

        # An edge ends; its m-section rests.
        plane.detach(ROOM, _edge("web-2", BROWSER, SEAT))
        await browser.change(relayed, "inactive", "", 0)
        await browser.negotiate()
        await ana.hears_no_longer(1217)
        await ana.hears(839)

        # The resting m-section carries another talker.
        plane.attach(ROOM, _edge("web-3", BROWSER, SEAT))
        await browser.change(relayed, "sendonly", "web-3", 1753)
        await browser.negotiate()
        await _received(events, _edge("web-3", BROWSER, SEAT))
        await ana.hears(839, 1753)

        # A phone goes, another comes: the m-section stays, only its track changes.
        plane.close(ParticipantId("sip-bob"))
        await call("sip-cid", cid)
        plane.attach(ROOM, _edge("sip-cid", SEAT, BROWSER))
        await browser.retrack(from_bob, "sip-cid")
        await browser.hears(from_bob, 709)
        await cid.hears(401, 839, 1753)

        plane.drop_peer(ROOM, BROWSER)
        await ana.hears_no_longer(839, 1753)
        await ana.hears(709)


@pytest.mark.timeout(60)
async def test_video_and_data_are_refused_and_the_audio_works(
    page: Page, plane: InlinePlane
) -> None:
    browser = Browser(page, plane)
    await page.evaluate("pc.createDataChannel('control')")
    await page.evaluate("void pc.addTransceiver('video')")
    async with Phone(401) as ana:
        answer = await plane.answer(ROOM, ParticipantId("sip-ana"), Offer(ana.offer()))
        ana.take(answer.sdp)
        plane.confirm(ParticipantId("sip-ana"))
        plane.attach(ROOM, _edge("sip-ana", SEAT, BROWSER))
        from_ana = await browser.receive("sip-ana")
        await browser.negotiate()
        await browser.hears(from_ana, 401)
