"""A room with two phones and an XMPP client, over loopback sockets, with real codecs and aiortc."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from gateway.errors import Reason, Refused
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.media.speakers import Flags, Rows, Speakers
from gateway.ports import (
    SEAT,
    Answer,
    Candidate,
    DigitPressed,
    Edge,
    LegFailed,
    MediaEvent,
    Offer,
    ParticipantId,
    RoomName,
    SeatReceiving,
    StreamKind,
    Track,
)
from gateway.sdp import SessionDescription
from support.media_peers import Phone, XmppClient

ROOM = RoomName("demo")


class Plane(InlinePlane):
    """Remembers its events. Its legs confirm at once."""

    def __init__(self, *, rtp_timeout: float = 60.0, rtp_ports: range = range(30_000, 32_000)):
        settings = Settings(rtp_ports, "127.0.0.1", rtp_timeout=rtp_timeout, capacity=256)
        super().__init__(settings)
        self.events: asyncio.Queue[MediaEvent] = asyncio.Queue()

    async def __aenter__(self) -> "Plane":
        await self.start(self.events.put_nowait)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        assert set(self.inventory().values()) == {0}, self.inventory()

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        answer = await super().answer(room, leg, offer)
        self.confirm(leg)
        return answer

    def row_of(self, leg: str) -> int:
        assert self._switchboard is not None
        row = self._switchboard.row_of(ParticipantId(leg))
        assert row is not None
        return row

    async def next_event(self) -> MediaEvent:
        async with asyncio.timeout(5):
            return await self.events.get()

    async def be_offered(
        self, peer: str, client: XmppClient, tracks: Mapping[str, Track], connection: str = "k"
    ) -> None:
        """`client` plays a browser."""
        peer = ParticipantId(peer)
        offer = Offer(await client.offer())
        answer = await self.seat_answer(ROOM, peer, connection, offer, tracks)
        await client.take(answer.sdp)

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
            await peer.hears(*others, but_not=(own,))
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
        await ana.hears_nothing(while_hears=bob)
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
        plane.confirm(ParticipantId("sip-ana"))
        await ana.hears(593)
        await bob.hears(401)


async def test_a_phone_that_never_confirms_gets_nothing_sent() -> None:
    # Else whoever claims a false address could aim our stream at somebody else.
    async with Plane() as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call("sip-ana", ana)
        answer = await InlinePlane.answer(plane, ROOM, ParticipantId("sip-bob"), Offer(bob.offer()))
        bob.take(answer.sdp)
        await bob.hears_nothing(while_hears=ana)
        await ana.hears_no_longer(593)
        assert bob.ear.heard == 0
        plane.confirm(ParticipantId("sip-bob"))
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
        assert refused.value.reason is Reason.OVERLOADED
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


async def test_a_client_without_candidates_is_found_by_its_own_checks() -> None:
    async with Plane() as plane, Phone(401) as ana, XmppClient(839) as eve:
        await plane.call("sip-ana", ana)
        offer, _ = await eve.offer_and_candidates()
        answer = await plane.answer(ROOM, ParticipantId("xmpp-eve"), Offer(offer))
        plane.add_candidate(ParticipantId("xmpp-eve"), Candidate("0", ""))
        for line in (
            "rubbish 1 udp",
            "1 1 udp 1 127.0.0.1 99999 typ host",
            "1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
            "1 1 udp 1 256.0.0.1 9 typ host",
            "1 1 udp 1 phone.example 9 typ host",
        ):
            plane.add_candidate(ParticipantId("xmpp-eve"), Candidate("0", line))
        await eve.take(answer.sdp)
        await ana.hears(839)


async def test_two_parents_of_one_source_are_heard_as_one() -> None:
    """Make before break: the newest parent that delivers is played, the other waits behind it."""
    source = ParticipantId("web-9")
    async with Plane() as plane, Phone(401) as ana, XmppClient(593) as old, XmppClient(839) as new:
        await plane.call("sip-ana", ana)
        edges = [Edge(source, ParticipantId(parent), SEAT) for parent in ("web-1", "web-2")]
        for edge, parent in zip(edges, (old, new), strict=True):
            plane.attach(ROOM, edge)
            await plane.be_offered(edge.parent, parent, {"0": Track(source, StreamKind.AUDIO)})
            assert await plane.next_event() == SeatReceiving(ROOM, edge)
        await ana.hears(839)
        await ana.hears_no_longer(593)
        plane.detach(ROOM, edges[1])
        await ana.hears(593)
        await ana.hears_no_longer(839)
        assert plane.events.empty(), "received is told once per edge"
        for edge in edges:
            plane.drop_peer(ROOM, edge.parent)


async def test_a_stream_is_mixed_only_while_its_edge_is_attached() -> None:
    source = ParticipantId("web-1")
    async with Plane() as plane, Phone(401) as ana, XmppClient(593) as web:
        await plane.call("sip-ana", ana)
        await plane.be_offered(source, web, {"0": Track(source, StreamKind.AUDIO)})
        plane.attach(ROOM, Edge(source, source, SEAT))
        await ana.hears(593)
        plane.detach(ROOM, Edge(source, source, SEAT))
        await ana.hears_no_longer(593)
        plane.drop_peer(ROOM, source)


async def test_a_browser_gets_a_leg_only_while_its_edge_is_attached() -> None:
    leg, web_id = ParticipantId("sip-ana"), ParticipantId("web-1")
    async with Plane() as plane, Phone(401) as ana, XmppClient(593) as web:
        await plane.call(leg, ana)
        plane.attach(ROOM, Edge(leg, SEAT, web_id))
        await plane.be_offered(web_id, web, {"0": Track(leg, StreamKind.AUDIO)})
        await web.hears(401)
        plane.detach(ROOM, Edge(leg, SEAT, web_id))
        await web.hears_nothing(while_hears=ana)
        plane.drop_peer(ROOM, web_id)


async def test_a_new_connection_of_a_browser_ends_its_old_one() -> None:
    web_id = ParticipantId("web-1")
    async with Plane() as plane, Phone(401) as ana, XmppClient(593) as old, XmppClient(839) as new:
        await plane.call("sip-ana", ana)
        plane.attach(ROOM, Edge(web_id, web_id, SEAT))
        tracks = {"0": Track(web_id, StreamKind.AUDIO)}
        await plane.be_offered(web_id, old, tracks, "k1")
        await ana.hears(593)
        await plane.be_offered(web_id, new, tracks, "k2")
        await ana.hears(839)
        await ana.hears_no_longer(593)
        plane.drop_peer(ROOM, web_id)


async def test_a_refused_offer_to_the_seat_leaves_nothing() -> None:
    async with Plane() as plane:
        with pytest.raises(Refused):
            await plane.seat_answer(ROOM, ParticipantId("web-1"), "k", Offer("v=0\r\n"), {})
        assert plane.inventory()["mixers"] == 0


async def test_an_empty_datagram_does_not_end_a_connection() -> None:
    async with Plane() as plane, Phone(401) as ana, XmppClient(839) as eve:
        await plane.call("sip-ana", ana)
        answer = await plane.answer(ROOM, ParticipantId("xmpp-eve"), Offer(await eve.offer()))
        await eve.take(answer.sdp)
        await ana.hears(839)
        section = SessionDescription.parse(answer.sdp).inherited()[0]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for data in (b"", b"\x80", b"\xff" * 40, b"\x16\xfe\xff" + bytes(60)):
                stranger.sendto(data, (section.connection or "", section.port))
        await ana.ear.next(30)
        await ana.hears(839)
        assert plane.events.empty()


async def test_a_fault_of_ours_in_one_room_ends_only_that_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Plane() as plane, Phone(401) as ana, Phone(593) as bob, Phone(709) as cid:
        other = RoomName("other")
        await plane.call("sip-ana", ana)
        await plane.call("sip-bob", bob)
        answer = await plane.answer(other, ParticipantId("sip-cid"), Offer(cid.offer()))
        cid.take(answer.sdp)
        await ana.hears(593)
        row = plane.row_of("sip-cid")

        def choose(self: Speakers, rows: Rows, *rest: Any) -> Flags:
            if row in rows:
                raise RuntimeError("a bug")
            return original(self, rows, *rest)

        original = Speakers.choose
        monkeypatch.setattr(Speakers, "choose", choose)
        failed = await plane.next_event()
        assert isinstance(failed, LegFailed)
        assert (failed.leg, failed.reason) == ("sip-cid", Reason.FAILURE)
        await ana.ear.next(30)
        await ana.hears(593)
        assert "a bug" in caplog.text
