"""How calls do, as the plane tells it: losses, strangers, round trips."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Reason
from gateway.media.control import Happened, Message, Reader
from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.media.switchboard import Switchboard
from gateway.media.worker import Control, Worker
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import LegFailed, Measured, MediaEvent, Offer, ParticipantId, RoomName
from gateway.statistics import LegStatistics, Quality
from support.measured import MEASURED
from support.media_peers import Phone, XmppClient

ROOM = RoomName("demo")
ANA, BOB, EVE = (ParticipantId(name) for name in ("sip-ana", "sip-bob", "xmpp-eve"))

Plane = InlinePlane | WorkerPlane
Events = asyncio.Queue[MediaEvent]


class BadLine(Phone):
    """Every fifth packet gets lost on its way."""

    lost = 0

    def _send(self, payload_type: int, payload: bytes, timestamp: int) -> None:
        if self._sequence % 5 == 4:
            self._sequence = (self._sequence + 1) & 0xFFFF
            self.lost += 1
        else:
            super()._send(payload_type, payload, timestamp)


@pytest.fixture
async def events() -> Events:
    return asyncio.Queue()


@pytest.fixture(params=["inline", "worker"])
async def plane(request: pytest.FixtureRequest, events: Events) -> AsyncIterator[Plane]:
    settings = Settings(range(35_500, 35_600), "127.0.0.1", capacity=64, report_interval=1.0)
    plane = InlinePlane(settings) if request.param == "inline" else WorkerPlane(settings, 1)
    await plane.start(events.put_nowait)
    yield plane
    await plane.stop()


async def call(plane: Plane, leg: ParticipantId, phone: Phone) -> None:
    answer = await plane.answer(ROOM, leg, Offer(phone.offer()))
    phone.take(answer.sdp)
    plane.confirm(leg)


async def measured(events: Events, leg: ParticipantId) -> LegStatistics:
    """The next one of that leg."""
    async with asyncio.timeout(20):
        while True:
            event = await events.get()
            if isinstance(event, Measured) and leg in event.legs:
                assert event.room == ROOM
                return event.legs[leg]


async def test_a_bad_line_is_told_from_a_good_one(plane: Plane, events: Events) -> None:
    async with BadLine(401) as ana, Phone(593, "PCMU") as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        bad = await measured(events, ANA)
        while bad.packets_in < 100 or bad.bitrate_out == 0:
            bad = await measured(events, ANA)
        good = await measured(events, BOB)
        assert (bad.codec, good.codec) == ("PCMA", "PCMU")
        assert (bad.quality, good.quality) == (Quality.BAD, Quality.GOOD)
        assert bad.missing == pytest.approx(0.2, abs=0.05)
        assert bad.lost / (bad.packets_in + bad.lost) == pytest.approx(0.2, abs=0.03)
        assert bad.concealed_ms > 300
        assert good.missing < 0.05
        assert good.bitrate_in == pytest.approx(64_000, rel=0.1)
        assert good.bitrate_out == pytest.approx(64_000, rel=0.1)
        assert -30 < good.level < -15, "a tone of amplitude 4000 has -21 dBov"


async def test_what_strangers_send_is_counted_for_the_leg_and_the_engine(
    plane: Plane, events: Events
) -> None:
    async with Phone(401) as ana, Phone(593) as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        await bob.hears(401)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(10):
                packet = bytes((0x80, 8, 0, number)) + bytes(168)
                stranger.sendto(packet, ana.target or ("", 0))
        while (await measured(events, ANA)).refused < 10:
            pass
        assert (await measured(events, BOB)).refused == 0
        async with asyncio.timeout(10):
            while plane.statistics()[0].refused["stranger"] < 10:
                await bob.ear.next(10)
        told = plane.statistics()[0]
        assert (told.legs, told.streams, told.rooms) == (2, 2, 1)
        assert told.totals["packets_in"] > 100
        assert told.steps > 200
        assert 0 <= told.late_ms[0] <= told.late_ms[1] <= told.late_ms[2]


async def test_a_round_trip_is_known_once_the_peer_reports(plane: Plane, events: Events) -> None:
    async with XmppClient(839) as eve, Phone(401) as ana:
        await call(plane, ANA, ana)
        answer = await plane.answer(ROOM, EVE, Offer(await eve.offer()))
        await eve.take(answer.sdp)
        plane.confirm(EVE)
        told = await measured(events, EVE)
        while told.round_trip_ms is None:
            told = await measured(events, EVE)
        assert told.round_trip_ms < 1000
        assert told.missing_there is not None
        assert told.codec == "opus"


def _read(sock: socket.socket) -> list[Message]:
    """All that is there."""
    reader, messages = Reader(), []
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            messages += reader.feed(sock.recv(1 << 20))
    return messages


def test_a_gateway_that_does_not_read_is_spared_the_figures() -> None:
    """They must not fill the socket: then the sound would wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        control = Control(theirs)
        switchboard = Switchboard(Settings(range(35_600, 35_610), "127.0.0.1", capacity=4), 0.0)
        try:
            worker = Worker(control, switchboard)
            event = Measured(ROOM, {ANA: MEASURED})
            assert control.has_room()
            filler = Happened((event,) * 20, {})
            while control.has_room():
                control.say(filler)
            failed = LegFailed(ANA, Reason.FAILURE, "")
            switchboard._events += [event, failed]
            worker._tell(1.0)
            (*_, last) = _read(ours)
            assert isinstance(last, Happened)
            assert (last.events, last.statistics) == ((failed,), None)
            switchboard._events.append(event)
            worker._tell(2.0)
            (heard,) = _read(ours)
            assert isinstance(heard, Happened)
            assert heard.events == (event,)
            assert heard.statistics is not None
        finally:
            switchboard.close()
