"""Prompts and recordings through the whole plane: what peers hear, and what a file holds."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.ports import (
    SEAT,
    Edge,
    MediaEvent,
    Offer,
    ParticipantId,
    PlayEnded,
    RecordingStarted,
    RecordingStopped,
    RoomName,
    SeatReceiving,
    StreamKind,
    Track,
)
from support.media_peers import HEARD, UNHEARD, Phone, XmppClient
from support.sound_files import RATE, heard_in, is_whole, read, write_prompt

ROOM = RoomName("demo")
ANA, BOB, EVE = map(ParticipantId, ("sip-ana", "sip-bob", "xmpp-eve"))

PROMPT_HZ = 1069
OTHER_HZ = 1217


class Plane(InlinePlane):
    """With tones in place of prompts."""

    def __init__(self, folder: Path) -> None:
        write_prompt(folder, "enter-pin", PROMPT_HZ, 1)
        write_prompt(folder, "goodbye", OTHER_HZ, 1)
        write_prompt(folder, "muted", PROMPT_HZ, 30)
        settings = Settings(
            range(30_000, 32_000),
            "127.0.0.1",
            capacity=256,
            sounds=str(folder),
            recordings=str(folder / "recordings"),
        )
        super().__init__(settings)
        self.events: asyncio.Queue[MediaEvent] = asyncio.Queue()

    async def next_event(self) -> MediaEvent:
        async with asyncio.timeout(5):
            return await self.events.get()

    async def call(self, leg: ParticipantId, phone: Phone) -> None:
        answer = await self.answer(ROOM, leg, Offer(phone.offer()))
        phone.take(answer.sdp)
        self.confirm(leg)

    async def starts_recording(self) -> Path:
        self.record(ROOM)
        started = await self.next_event()
        assert isinstance(started, RecordingStarted), started
        return Path(started.path)

    async def has_recorded(self, path: Path) -> None:
        self.stop_recording(ROOM)
        assert await self.next_event() == RecordingStopped(ROOM, str(path))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Plane]:
    plane = Plane(folder)
    await plane.start(plane.events.put_nowait)
    yield plane
    await plane.stop()
    assert set(plane.inventory().values()) == {0}, plane.inventory()


async def test_a_prompt_to_one_leg_is_heard_by_that_one_alone_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path) as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call(ANA, ana)
        await plane.call(BOB, bob)
        plane.play(ROOM, ANA, ("enter-pin", "goodbye"))
        await ana.hears(PROMPT_HZ, 593, but_not=(401,))
        await bob.hears(401, but_not=(PROMPT_HZ,))
        await ana.hears(OTHER_HZ, but_not=(PROMPT_HZ,))
        assert await plane.next_event() == PlayEnded(ROOM, ANA)
        await ana.hears(593, but_not=(OTHER_HZ,))


async def test_a_prompt_to_the_room_is_heard_by_phones_and_an_xmpp_client_until_it_is_stopped(
    tmp_path: Path,
) -> None:
    async with (
        running(tmp_path) as plane,
        Phone(401) as ana,
        Phone(593, speaks=False) as bob,
        XmppClient(839) as eve,
    ):
        await plane.call(ANA, ana)
        await plane.call(BOB, bob)
        plane.play(ROOM, None, ("muted",))
        await ana.hears(PROMPT_HZ)  # in a room at 8 kHz, which changes to 16 kHz under way
        answer = await plane.answer(ROOM, EVE, Offer(await eve.offer()))
        await eve.take(answer.sdp)
        plane.confirm(EVE)
        await ana.hears(PROMPT_HZ, 839, but_not=(401,))
        await bob.hears(PROMPT_HZ, 401, 839)
        await eve.hears(PROMPT_HZ, 401, but_not=(839,))
        plane.stop_playing(ROOM, None)
        assert await plane.next_event() == PlayEnded(ROOM, None)
        for peer in (ana, bob, eve):
            await peer.hears_no_longer(PROMPT_HZ)


async def test_who_is_alone_and_silent_hears_a_prompt(tmp_path: Path) -> None:
    async with running(tmp_path) as plane, Phone(401, speaks=False) as ana:
        await plane.call(ANA, ana)
        plane.play(ROOM, ANA, ("muted",))
        await ana.hears(PROMPT_HZ)
        plane.close(ANA)


async def test_an_unknown_prompt_is_left_out_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as plane, Phone(401) as ana:
        await plane.call(ANA, ana)
        plane.play(ROOM, ANA, ("nonsense", "enter-pin"))
        await ana.hears(PROMPT_HZ)
        assert "there is no prompt nonsense" in caplog.messages
        for room, leg in ((ROOM, EVE), (RoomName("nowhere"), None)):
            plane.play(room, leg, ("enter-pin",))
            plane.stop_playing(room, leg)


async def test_everybody_is_in_the_recording_also_a_browser_and_also_the_silence(
    tmp_path: Path,
) -> None:
    source = ParticipantId("web-1")
    async with (
        running(tmp_path) as plane,
        Phone(401) as ana,
        XmppClient(593) as web,
    ):
        path = await plane.starts_recording()
        assert path.parent == tmp_path / "recordings"
        assert path.name.startswith("demo-")
        start = asyncio.get_running_loop().time()
        # Nobody is there yet: that is time all the same.
        await asyncio.sleep(1.5)
        await plane.call(ANA, ana)
        plane.attach(ROOM, Edge(source, source, SEAT))
        offer, tracks = Offer(await web.offer()), {"0": Track(source, StreamKind.AUDIO)}
        await web.take((await plane.seat_answer(ROOM, source, "k", offer, tracks)).sdp)
        assert isinstance(await plane.next_event(), SeatReceiving)
        await ana.hears(593)
        await ana.ear.next(50)
        plane.close(ANA)
        plane.drop_peer(ROOM, source)
        await plane.has_recorded(path)
        seconds = asyncio.get_running_loop().time() - start
        assert plane.inventory()["mixers"] == 0
    sound = read(path)
    assert len(sound) / RATE == pytest.approx(seconds, abs=0.5)
    assert heard_in(sound, 401, 0.0, 1.2) < UNHEARD
    end = len(sound) / RATE
    for hz in (401, 593):
        assert heard_in(sound, hz, end - 0.8, end - 0.3) > HEARD


async def test_two_browsers_alone_are_recorded(tmp_path: Path) -> None:
    peers = [ParticipantId("web-1"), ParticipantId("web-2")]
    async with running(tmp_path) as plane, XmppClient(401) as one, XmppClient(593) as two:
        path = await plane.starts_recording()
        for peer, client in zip(peers, (one, two), strict=True):
            plane.attach(ROOM, Edge(peer, peer, SEAT))
            offer, tracks = Offer(await client.offer()), {"0": Track(peer, StreamKind.AUDIO)}
            await client.take((await plane.seat_answer(ROOM, peer, "k", offer, tracks)).sdp)
            assert isinstance(await plane.next_event(), SeatReceiving)
        # Both are received; what is recorded from now on has to have a length.
        await asyncio.sleep(1.0)
        await plane.has_recorded(path)
        for peer in peers:
            plane.drop_peer(ROOM, peer)
    sound = read(path)
    end = len(sound) / RATE
    assert min(heard_in(sound, hz, end - 0.5, end) for hz in (401, 593)) > HEARD


async def test_a_prompt_is_in_the_recording_as_those_who_listen_hear_it(tmp_path: Path) -> None:
    async with running(tmp_path) as plane, Phone(401) as ana:
        await plane.call(ANA, ana)
        path = await plane.starts_recording()
        plane.play(ROOM, None, ("muted",))
        await ana.hears(PROMPT_HZ)
        await ana.ear.next(50)
        await plane.has_recorded(path)
        plane.close(ANA)
    sound = read(path)
    end = len(sound) / RATE
    assert heard_in(sound, PROMPT_HZ, end - 0.7, end) > HEARD
    assert heard_in(sound, 401, end - 0.7, end) > HEARD


async def test_a_recording_that_cannot_be_written_ends_alone_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "recordings").write_text("a file where a folder should be")
    async with running(tmp_path) as plane, Phone(401) as ana, Phone(593) as bob:
        await plane.call(ANA, ana)
        await plane.call(BOB, bob)
        plane.record(ROOM)
        stopped = await plane.next_event()
        assert stopped == RecordingStopped(ROOM, "", f"{tmp_path / 'recordings'}: File exists")
        assert "the recording of demo has failed: " in caplog.text
        await ana.ear.next(30)
        await ana.hears(593)
        plane.stop_recording(ROOM)


async def test_two_recordings_of_one_second_are_two_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with running(tmp_path) as plane, Phone(401) as ana:
        await plane.call(ANA, ana)
        paths = []
        for _ in range(2):
            paths.append(await plane.starts_recording())
            plane.record(ROOM)  # it is recorded already
            await plane.has_recorded(paths[-1])
        assert len(set(paths)) == 2
        assert f"demo is recorded in {paths[0]}" in caplog.messages
        assert f"the recording of demo is whole: {paths[1]}" in caplog.messages
        plane.close(ANA)


async def test_the_end_of_the_plane_is_the_end_of_a_whole_file(tmp_path: Path) -> None:
    async with running(tmp_path) as plane, Phone(401) as ana:
        await plane.call(ANA, ana)
        path = await plane.starts_recording()
        await ana.ear.next(30)
    assert is_whole(path)
    assert len(read(path)) / RATE > 0.5
