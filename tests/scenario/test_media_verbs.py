"""Verbs for single legs, on both planes: blocks and gains, digits out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from gateway.errors import Reason, Refused
from gateway.media import g711
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import (
    SEAT,
    Edge,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
    SeatReceiving,
    StreamKind,
    Track,
)
from support.media_peers import Phone, XmppClient

ROOM = RoomName("demo")
ANA, BOB, CID = (ParticipantId(f"sip-{name}") for name in ("ana", "bob", "cid"))
WEB = ParticipantId("web-1")

Plane = InlinePlane | WorkerPlane
Events = asyncio.Queue[MediaEvent]


@pytest.fixture
async def events() -> Events:
    return asyncio.Queue()


@pytest.fixture(params=["inline", "worker"])
async def plane(request: pytest.FixtureRequest, events: Events) -> AsyncIterator[Plane]:
    settings = Settings(range(35_000, 35_200), "127.0.0.1", capacity=64)
    plane = InlinePlane(settings) if request.param == "inline" else WorkerPlane(settings, 1)
    await plane.start(events.put_nowait)
    yield plane
    await plane.stop()


@pytest.fixture
async def inline(events: Events) -> AsyncIterator[InlinePlane]:
    plane = InlinePlane(Settings(range(35_200, 35_400), "127.0.0.1", capacity=64))
    await plane.start(events.put_nowait)
    yield plane
    await plane.stop()


async def call(plane: Plane, leg: ParticipantId, phone: Phone, offer: str = "") -> None:
    answer = await plane.answer(ROOM, leg, Offer(offer or phone.offer()))
    phone.take(answer.sdp)
    plane.confirm(leg)


async def publish(
    plane: Plane, events: Events, browser: XmppClient, source: ParticipantId, parent: ParticipantId
) -> None:
    """The browser `parent` sends `source`'s stream to the seat, and the seat hears it."""
    edge = Edge(source, parent, SEAT)
    plane.attach(ROOM, edge)
    tracks = {"0": Track(source, StreamKind.AUDIO)}
    offer = Offer(await browser.offer())
    answer = await plane.seat_answer(ROOM, parent, "k", offer, tracks)
    await browser.take(answer.sdp)
    async with asyncio.timeout(5):
        while await events.get() != SeatReceiving(ROOM, edge):
            pass


async def test_each_hears_exactly_those_it_did_not_block(plane: Plane, events: Events) -> None:
    async with (
        Phone(401) as ana,
        Phone(593) as bob,
        Phone(709, "PCMU") as cid,
        XmppClient(839) as web,
    ):
        for leg, phone in ((ANA, ana), (BOB, bob), (CID, cid)):
            await call(plane, leg, phone)
        await publish(plane, events, web, WEB, WEB)
        plane.set_gain(ANA, BOB, 0.0)
        plane.set_gain(CID, WEB, 0.0)
        await ana.hears(709, 839, but_not=(401, 593))
        await bob.hears(401, 709, 839, but_not=(593,))
        await cid.hears(401, 593, but_not=(709, 839))
        plane.set_gain(ANA, BOB, 1.0)
        await ana.hears(593, 709, 839, but_not=(401,))


async def test_a_block_follows_a_browser_to_another_way_in(plane: Plane, events: Events) -> None:
    """The same source by itself and then by another parent: another stream, still blocked."""
    async with (
        Phone(401) as ana,
        Phone(593) as bob,
        XmppClient(839) as old,
        XmppClient(709) as new,
    ):
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        plane.set_gain(ANA, WEB, 0.0)
        await publish(plane, events, old, WEB, WEB)
        await bob.hears(401, 839)
        await publish(plane, events, new, WEB, ParticipantId("web-2"))
        await bob.hears(401, 709, but_not=(839,))
        await ana.hears(593, but_not=(709, 839))


async def test_a_voice_can_be_turned_down_and_up(plane: Plane) -> None:
    async with Phone(401) as ana, Phone(593) as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        await ana.hears(593)
        usual = ana.ear.level(593)
        for gain, change in ((0.25, -12.0), (2.0, 6.0)):
            plane.set_gain(ANA, BOB, gain)
            async with asyncio.timeout(10):
                while abs(ana.ear.level(593) - usual - change) > 1.5:
                    await ana.ear.next(20)


async def test_a_block_costs_one_encoding_and_the_others_go_on_sharing(
    inline: InlinePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def compress(self: g711.Law, pcm: Any) -> Any:
        if pcm.ndim == 2:  # the gateway's; phones code one frame at a time
            encoded.append(len(pcm))
        return original(self, pcm)

    original = g711.Law.compress
    async with (
        Phone(401) as ana,
        Phone(593, speaks=False) as bob,
        Phone(709, speaks=False) as cid,
        Phone(839, speaks=False) as dan,
    ):
        phones = (ana, bob, cid, dan)
        for number, phone in enumerate(phones):
            await call(inline, ParticipantId(f"sip-{number}"), phone)
        for listener in (bob, cid, dan):
            await listener.hears(401)
        monkeypatch.setattr(g711.Law, "compress", compress)
        await dan.ear.next(10)
        assert set(encoded) == {2}, "one for all who listen, one without herself for who speaks"
        inline.set_gain(ParticipantId("sip-1"), ParticipantId("sip-0"), 0.0)
        await bob.hears_no_longer(401)
        encoded.clear()
        await dan.ear.next(10)
        assert set(encoded) == {3}, "one more, for who has blocked"


async def test_digits_go_out_as_telephone_events(plane: Plane) -> None:
    async with Phone(401) as ana, Phone(593) as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        await plane.send_digits(ANA, "5#")
        async with asyncio.timeout(5):
            packets = [await ana.events.get() for _ in range(14)]
        await ana.hears(593)
        assert bob.events.empty()
    assert [packet[1] >> 7 for packet in packets] == [1, *[0] * 6] * 2
    payloads = [packet[12:].hex() for packet in packets]
    held = ["0a00a0", "0a0140", "0a01e0", "0a0280", "8a0320", "8a0320", "8a0320"]
    assert payloads == [f"05{rest}" for rest in held] + [f"0b{rest}" for rest in held]
    times = np.array([int.from_bytes(packet[4:8], "big") for packet in packets], np.uint32)
    assert len(set(times.tolist())) == 2
    apart = int(times[7] - times[0])
    assert apart >= 9 * 160, "more where the machine stalled and ticks were left out"
    assert apart % 160 == 0
    assert len({packet[8:12] for packet in packets}) == 1
    numbers = np.array([int.from_bytes(packet[2:4], "big") for packet in packets], np.uint16)
    assert np.diff(numbers).tolist() == [2] * 6 + [4] + [2] * 6, "sound goes on between them"


async def test_digits_that_cannot_go_out_are_refused(plane: Plane) -> None:
    async with Phone(401) as ana, Phone(593) as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob, bob.offer().replace("telephone-event", "x-events"))
        for leg, digits, reason in (
            (CID, "1", Reason.NOT_FOUND),
            (ANA, "1-2", Reason.BAD_REQUEST),
            (BOB, "1", Reason.MEDIA),
        ):
            with pytest.raises(Refused) as refused:
                await plane.send_digits(leg, digits)
            assert refused.value.reason is reason
        await ana.hears(593)
        assert ana.events.empty()
