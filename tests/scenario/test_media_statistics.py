"""How calls do, as the plane tells it: losses, strangers, round trips."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

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
from support.media_peers import EVENTS, Phone, XmppClient

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


class Thrifty(Phone):
    """Sends comfort noise (RFC 3389) instead of its pauses, of half a second in each."""

    def offer(self, direction: str = "sendrecv") -> str:
        return super().offer(direction).replace(f" {EVENTS}\r", f" {EVENTS} 13\r")

    def _send(self, payload_type: int, payload: bytes, timestamp: int) -> None:
        place = timestamp // 160 % 50
        if place < 25:
            super()._send(payload_type, payload, timestamp)
        elif place == 25:
            super()._send(13, bytes((60,)), timestamp)


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


async def measured(
    events: Events,
    leg: ParticipantId,
    wanted: Callable[[LegStatistics], bool] = lambda _: True,
) -> LegStatistics:
    """The next one of that leg, if need be the next that is as wanted."""
    told: LegStatistics | None = None
    try:
        async with asyncio.timeout(20):
            while told is None or not wanted(told):
                event = await events.get()
                if isinstance(event, Measured) and leg in event.legs:
                    assert event.room == ROOM
                    told = event.legs[leg]
    except TimeoutError:
        raise AssertionError(f"last told: {told}") from None
    return told


async def test_a_bad_line_is_told_from_a_good_one(plane: Plane, events: Events) -> None:
    async with BadLine(401) as ana, Phone(593, "PCMU") as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        bad = await measured(events, ANA, lambda told: told.packets_in >= 100)
        # A stall of the machine spoils a second, but not each of them.
        good = await measured(events, BOB, lambda told: told.quality is Quality.GOOD)
        assert (bad.codec, good.codec) == ("PCMA", "PCMU")
        assert bad.quality is Quality.BAD
        assert bad.missing > 0.1
        assert bad.lost / (bad.packets_in + bad.lost) == pytest.approx(0.2, abs=0.03)
        assert bad.concealed_ms > 300
        assert good.lost == 0
        assert 0 < good.bitrate_out < 70_000
        assert -30 < good.level < -15, "a tone of amplitude 4000 has -21 dBov"


async def test_comfort_noise_is_neither_loss_nor_refused(plane: Plane, events: Events) -> None:
    async with Thrifty(401) as ana, Phone(593) as bob:
        await call(plane, ANA, ana)
        await call(plane, BOB, bob)
        told = await measured(events, ANA, lambda told: told.packets_in >= 75)
        assert (told.lost, told.refused) == (0, 0)
        async with asyncio.timeout(10):
            while not plane.statistics() or plane.statistics()[0].totals["packets_in"] < 150:
                await bob.ear.next(10)
        assert plane.statistics()[0].refused["not-negotiated"] == 0
        assert plane.statistics()[0].totals["lost"] == 0


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
        await measured(events, ANA, lambda told: told.refused == 10)
        assert (await measured(events, BOB)).refused == 0
        async with asyncio.timeout(10):
            while plane.statistics()[0].refused["stranger"] < 10:
                await bob.ear.next(10)
        told = plane.statistics()[0]
        assert (told.legs, told.streams, told.rooms) == (2, 2, 1)
        assert told.totals["packets_in"] > 20
        assert told.steps > 50
        assert 0 <= told.late_ms[0] <= told.late_ms[1] <= told.late_ms[2]


async def test_a_round_trip_is_known_once_the_peer_reports(plane: Plane, events: Events) -> None:
    async with XmppClient(839) as eve, Phone(401) as ana:
        await call(plane, ANA, ana)
        answer = await plane.answer(ROOM, EVE, Offer(await eve.offer()))
        await eve.take(answer.sdp)
        plane.confirm(EVE)
        told = await measured(events, EVE, lambda told: told.round_trip_ms is not None)
        assert 0 <= (told.round_trip_ms or 0) < 1000
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
