"""What is forged or replayed on a running call is refused and counted, and nobody hears of it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict

import pytest

from gateway.errors import Refused
from gateway.media.engine import Engine
from gateway.media.plane import InlinePlane
from gateway.media.rtcp import ReceiverReport
from gateway.media.settings import Settings
from gateway.media.stun import Message, MessageClass
from gateway.ports import LegFailed, MediaEvent, Offer, ParticipantId, RoomName
from gateway.sdp import SessionDescription
from support.media_peers import Phone
from support.secure_client import SecureClient
from support.sockets import free_ports

ROOM = RoomName("demo")
EVE = ParticipantId("xmpp-eve")
MANY = 50
FLOOD = 200


class Plane(InlinePlane):
    """Tells what it counts."""

    def __init__(self) -> None:
        super().__init__(
            Settings(free_ports(20), "127.0.0.1", ice_addresses=("127.0.0.1",), capacity=64)
        )
        self.events: asyncio.Queue[MediaEvent] = asyncio.Queue()

    def count(self, name: str) -> int:
        assert self._switchboard is not None
        ice = self._switchboard._ice
        known = {
            **asdict(ice._endpoint.counters),
            "forged": ice._packets.forged,
            "replayed": ice._packets.replayed,
            "strangers": ice.strangers,
        }
        return known[name]

    def received(self, leg: ParticipantId) -> int:
        """Packets that came as far as the jitter buffer."""
        engine, row = self._stream(leg)
        return int(engine.jitter.received[row])

    def refused(self, leg: ParticipantId) -> int:
        engine, row = self._stream(leg)
        return int(engine.streams.refused[row])

    def reports_read(self) -> int:
        assert self._switchboard is not None
        return self._switchboard._reporter.received["rr"]

    def _stream(self, leg: ParticipantId) -> tuple[Engine, int]:
        assert self._switchboard is not None
        row = self._switchboard.row_of(leg)
        assert row is not None
        return self._switchboard.engine, row


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    plane = Plane()
    await plane.start(plane.events.put_nowait)
    yield plane
    await plane.stop()


@pytest.fixture
async def bob(plane: Plane) -> AsyncIterator[Phone]:
    async with Phone(593) as bob:
        answer = await plane.answer(ROOM, ParticipantId("sip-bob"), Offer(bob.offer()))
        bob.take(answer.sdp)
        plane.confirm(ParticipantId("sip-bob"))
        yield bob


@pytest.fixture
async def eve(plane: Plane, bob: Phone) -> AsyncIterator[SecureClient]:
    async with SecureClient(401) as eve:
        await _join(plane, eve)
        await eve.hears(593)
        await bob.hears(401)
        yield eve


async def _join(plane: Plane, eve: SecureClient) -> None:
    answer = await plane.answer(ROOM, EVE, Offer(eve.offer()))
    eve.take(answer.sdp)
    plane.confirm(EVE)


async def _until(is_so: Callable[[], bool], clock: Phone) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await clock.ear.next(1)


async def test_another_certificate_than_announced_ends_the_leg_unheard(
    plane: Plane, bob: Phone
) -> None:
    async with SecureClient(401, fingerprint=":".join(["AB"] * 32)) as mallory:
        await _join(plane, mallory)
        async with asyncio.timeout(5):
            failed = await plane.events.get()
        assert isinstance(failed, LegFailed)
        assert failed.leg == EVE
        assert "fingerprint" in failed.text
        # Our side of the handshake was fine for it, so it has been talking all the time.
        assert len(mallory.sent) > MANY
        assert plane.received(EVE) == 0
        assert mallory.ear.heard == 0
        assert bob.ear.level(401) < -60


async def test_replayed_packets_are_counted_and_go_no_further(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    old = (eve.sent * MANY)[:MANY]
    for data in old:
        eve.send(data)
    await _until(lambda: plane.count("replayed") >= MANY, bob)
    assert plane.count("forged") == 0
    assert plane.received(EVE) <= len(eve.sent)
    await bob.hears(401)


async def test_forged_packets_are_counted_and_go_no_further(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    for number in range(MANY):
        forged = bytearray(eve.sent[-1])
        # A number that nobody has seen yet, or it would count as a replay.
        forged[2:4] = (len(eve.sent) + 1000 + number).to_bytes(2, "big")
        eve.send(bytes(forged))
    await _until(lambda: plane.count("forged") >= MANY, bob)
    assert plane.received(EVE) <= len(eve.sent)
    await bob.hears(401)


async def test_media_from_an_address_that_proved_nothing_is_not_even_opened(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mallory:
        for data in (eve.sent * MANY)[:MANY]:
            mallory.sendto(data, eve.target)
        await _until(lambda: plane.count("strangers") >= MANY, bob)
    assert (plane.count("forged"), plane.count("replayed")) == (0, 0)


def _port(sdp: str) -> int:
    return next(section.port for section in SessionDescription.parse(sdp).media)


async def test_phones_that_name_each_others_ports_make_no_loop(plane: Plane, bob: Phone) -> None:
    """Of our own packets: it would howl, and no RTP timeout would ever end it."""
    assert bob.target is not None
    legs = [ParticipantId("sip-x"), ParticipantId("sip-y")]
    offer = bob.offer()
    ports = [_port((await plane.answer(ROOM, leg, Offer(offer))).sdp) for leg in legs]
    for leg, port in zip(legs, reversed(ports), strict=True):
        await plane.answer(ROOM, leg, Offer(offer.replace(str(bob.port), str(port))))
        plane.confirm(leg)
    for leg in legs:
        await _until(lambda leg=leg: plane.refused(leg) > MANY, bob)
        assert plane.received(leg) == 0


async def test_of_a_flood_of_reports_most_are_not_even_read(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    assert bob.target is not None
    report = bytes(ReceiverReport(1))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        for _ in range(FLOOD):
            other.sendto(report, (bob.target[0], bob.target[1] + 1))
    assert eve.ice.dtls is not None
    assert eve.ice.dtls.secure is not None
    session = eve.ice.dtls.secure.tx
    assert session is not None
    for _ in range(FLOOD):
        eve.send(session.protect_rtcp(report))
    for leg in (ParticipantId("sip-bob"), EVE):
        await _until(lambda leg=leg: plane.refused(leg) > FLOOD / 2, bob)
    assert plane.reports_read() < FLOOD
    await eve.hears(593)
    await bob.hears(401)


async def test_a_check_with_a_guessed_password_moves_nothing(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mallory:
        mallory.setblocking(False)
        mallory.bind(("127.0.0.1", 0))
        for _ in range(MANY):
            mallory.sendto(eve.check(password="guessed"), eve.target)
        await _until(lambda: plane.count("unauthenticated") >= MANY, bob)
        loop = asyncio.get_running_loop()
        for _ in range(MANY):
            answer = Message.parse(await loop.sock_recv(mallory, 2048))
            assert answer.message_class is MessageClass.ERROR
        # Media still goes where it went.
        await eve.hears(593)
        await bob.hears(401)
        with pytest.raises(BlockingIOError):
            mallory.recv(2048)


@pytest.mark.parametrize("has_ice", [True, False])
async def test_a_leg_that_is_closed_is_told_so_by_dtls(
    plane: Plane, bob: Phone, has_ice: bool
) -> None:
    async with SecureClient(401, has_ice=has_ice) as eve:
        await _join(plane, eve)
        await eve.hears(593)
        plane.close(EVE)
        async with asyncio.timeout(5):
            await eve.closed.wait()


async def test_a_phone_with_a_new_certificate_or_role_is_refused_and_its_call_goes_on(
    plane: Plane, bob: Phone
) -> None:
    async with SecureClient(401, has_ice=False) as eve:
        await _join(plane, eve)
        await eve.hears(593)
        anew = eve.offer().replace(eve.fingerprint, ":".join(["AB"] * 32))
        for changed in (anew, eve.offer("passive")):
            with pytest.raises(Refused, match="make a new connection"):
                await plane.answer(ROOM, EVE, Offer(changed))
        again = await plane.answer(ROOM, EVE, Offer(eve.offer("actpass")))
        assert "a=setup:passive" in again.sdp
        await bob.ear.next(20)
        await eve.hears(593)
        await bob.hears(401)


async def test_a_new_certificate_or_an_ice_restart_is_refused_and_the_call_goes_on(
    plane: Plane, bob: Phone, eve: SecureClient
) -> None:
    ufrag = eve.ice.credentials.ufrag
    for changed in (
        eve.offer().replace(f"a=ice-ufrag:{ufrag}", "a=ice-ufrag:anew"),
        eve.offer().replace(eve.fingerprint, ":".join(["AB"] * 32)),
    ):
        with pytest.raises(Refused, match="make a new connection"):
            await plane.answer(ROOM, EVE, Offer(changed))
    await bob.ear.next(20)
    await eve.hears(593)
    await bob.hears(401)
