"""A room with two phones and an XMPP client, over loopback sockets, with real codecs and aiortc."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Reason, Refused
from gateway.media.plane import InlinePlane
from gateway.ports import (
    Answer,
    Candidate,
    DigitPressed,
    LegFailed,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
)
from support.media_peers import Phone, XmppClient, tone_heard

ROOM = RoomName("demo")


class Plane(InlinePlane):
    """Remembers its events."""

    def __init__(self, *, rtp_timeout: float = 60.0, rtp_ports: range = range(30_000, 32_000)):
        super().__init__(rtp_ports=rtp_ports, address="127.0.0.1", rtp_timeout=rtp_timeout)
        self.events: asyncio.Queue[MediaEvent] = asyncio.Queue()

    async def __aenter__(self) -> "Plane":
        await self.start(self.events.put_nowait)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        assert set(self.inventory().values()) == {0}, self.inventory()

    async def next_event(self) -> MediaEvent:
        async with asyncio.timeout(5):
            return await self.events.get()

    async def call(self, leg: str, phone: Phone, offer: str = "") -> str:
        answer = await self.answer(ROOM, ParticipantId(leg), Offer(offer or phone.offer()))
        phone.take(answer.sdp)
        return answer.sdp


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    yield
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not {task for task in left if "fixture" not in repr(task)}, left


async def test_each_leg_hears_the_others_and_not_itself() -> None:
    async with (
        Plane() as plane,
        Phone(401) as ana,
        Phone(593, "PCMU") as bob,
        XmppClient(839) as eve,
    ):
        await plane.call("sip-ana", ana)
        await plane.call("sip-bob", bob)
        answer = await plane.answer(ROOM, ParticipantId("xmpp-eve"), Offer(await eve.offer()))
        await eve.take(answer.sdp)
        for peer, own, others in (
            (ana, 401, (593, 839)),
            (bob, 593, (401, 839)),
            (eve, 839, (401, 593)),
        ):
            await peer.hears(*others)
            assert tone_heard(peer, own) < tone_heard(peer, others[0]) - 40
            assert tone_heard(peer, own) < tone_heard(peer, others[1]) - 40
        assert plane.inventory() == {"rtp_legs": 2, "peer_connections": 1, "mixers": 1}
        for leg in ("sip-ana", "sip-bob", "xmpp-eve"):
            plane.close(ParticipantId(leg))


async def test_a_muted_leg_is_not_heard_but_hears() -> None:
    async with Plane() as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call("sip-ana", ana)
        await plane.call("sip-bob", bob)
        await bob.hears(401)
        plane.mute(ParticipantId("sip-ana"), True)
        await bob.hears_no_longer(401)
        await ana.hears(593)
        plane.mute(ParticipantId("sip-ana"), False)
        await bob.hears(401)


async def test_a_held_call_hears_nothing_plays_no_music_and_comes_back() -> None:
    async with Plane() as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call("sip-ana", ana)
        await plane.call("sip-bob", bob)
        await ana.hears(593)
        answer = await plane.call("sip-ana", ana, ana.offer("sendonly"))
        assert "a=recvonly" in answer
        await bob.hears_no_longer(401)
        await ana.hears_nothing()
        answer = await plane.call("sip-ana", ana, ana.offer("sendrecv"))
        assert "a=sendrecv" in answer
        await bob.hears(401)
        await ana.hears(593)


async def test_keys_come_as_digits_once_each() -> None:
    async with Plane() as plane, Phone(401) as ana:
        await plane.call("sip-ana", ana)
        ana.press("4", "#")
        leg = ParticipantId("sip-ana")
        assert await plane.next_event() == DigitPressed(leg, "4")
        assert await plane.next_event() == DigitPressed(leg, "#")
        assert plane.events.empty()


async def test_a_phone_without_offer_is_offered_plain_rtp() -> None:
    async with Plane() as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call("sip-bob", bob)
        offer = await plane.offer(ROOM, ParticipantId("sip-ana"))
        ana.take(offer.sdp)
        await plane.accept(ParticipantId("sip-ana"), Answer(ana.offer()))
        await ana.hears(593)
        await bob.hears(401)


async def test_a_phone_that_falls_silent_fails() -> None:
    async with Plane(rtp_timeout=0.2) as plane, Phone(401, speaks=False) as ana:
        await plane.call("sip-ana", ana)
        failed = await plane.next_event()
        assert failed == LegFailed(
            ParticipantId("sip-ana"), Reason.CONNECTIVITY, "no RTP came for 0 s"
        )


async def test_without_a_free_port_a_phone_is_refused() -> None:
    async with (
        Plane(rtp_ports=range(32_000, 32_002)) as plane,
        Phone(401) as ana,
        Phone(593) as bob,
    ):
        await plane.call("sip-ana", ana)
        with pytest.raises(Refused) as refused:
            await plane.call("sip-bob", bob)
        assert refused.value.reason is Reason.UNAVAILABLE
        assert plane.inventory()["rtp_legs"] == 1


async def test_candidates_may_come_after_the_answer() -> None:
    async with Plane() as plane, Phone(401) as ana, XmppClient(839) as eve:
        await plane.call("sip-ana", ana)
        offer, candidates = await eve.offer_and_candidates()
        leg = ParticipantId("xmpp-eve")
        answer = await plane.answer(ROOM, leg, Offer(offer))
        for line in (*candidates, ""):
            plane.add_candidate(leg, Candidate("audio", line))
        await eve.take(answer.sdp)
        await ana.hears(839)


async def test_a_leg_closed_while_it_is_answered_leaves_nothing() -> None:
    async with Plane() as plane, XmppClient(839) as eve:
        offer = Offer(await eve.offer())
        leg = ParticipantId("xmpp-eve")
        answering = asyncio.create_task(plane.answer(ROOM, leg, offer))
        await asyncio.sleep(0)
        plane.close(leg)
        with pytest.raises(Refused):
            await answering
        assert plane.inventory()["mixers"] == 0


async def test_a_client_that_goes_away_fails_its_leg() -> None:
    async with Plane() as plane, XmppClient(839) as eve, Phone(401) as ana:
        await plane.call("sip-ana", ana)
        answer = await plane.answer(ROOM, ParticipantId("xmpp-eve"), Offer(await eve.offer()))
        await eve.take(answer.sdp)
        await ana.hears(839)
        await eve.close()
        failed = await plane.next_event()
        assert isinstance(failed, LegFailed)
        assert (failed.leg, failed.reason) == ("xmpp-eve", Reason.CONNECTIVITY)


async def test_a_refused_offer_leaves_nothing() -> None:
    async with Plane() as plane, Phone(401) as ana:
        with pytest.raises(Refused) as refused:
            await plane.call("sip-ana", ana, ana.offer().replace("PCMA/8000", "GSM/8000"))
        assert refused.value.reason is Reason.MEDIA
        assert plane.inventory() == {"rtp_legs": 0, "peer_connections": 0, "mixers": 0}
