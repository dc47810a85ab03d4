"""A recording outlives whatever kills the process that makes it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import (
    LegFailed,
    MediaEvent,
    Offer,
    ParticipantId,
    RecordingStarted,
    RecordingStopped,
    RoomName,
)
from support.media_peers import HEARD, Phone
from support.sound_files import RATE, heard_in, is_whole, read

ROOM = RoomName("demo")
SETTINGS = Settings(range(34_400, 34_500), "127.0.0.1", capacity=64)

_GATEWAY = """
import asyncio, sys
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import RecordingStarted

def tell(event):
    if isinstance(event, RecordingStarted):
        print(event.path, flush=True)

async def main():
    settings = Settings(range(34_500, 34_600), "127.0.0.1", recordings=sys.argv[1])
    plane = WorkerPlane(settings, 1)
    await plane.start(tell)
    print(*plane.pids, flush=True)
    plane.record("demo")
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_worker_that_is_killed_leaves_a_file_that_plays_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    events: asyncio.Queue[MediaEvent] = asyncio.Queue()
    plane = WorkerPlane(replace(SETTINGS, recordings=str(tmp_path)), 1)
    await plane.start(events.put_nowait)
    async with Phone(401) as ana, Phone(593) as bob, asyncio.timeout(25):
        for leg, phone in (("sip-ana", ana), ("sip-bob", bob)):
            answer = await plane.answer(ROOM, ParticipantId(leg), Offer(phone.offer()))
            phone.take(answer.sdp)
            plane.confirm(ParticipantId(leg))
        await ana.hears(593)
        plane.record(ROOM)
        started = await events.get()
        assert isinstance(started, RecordingStarted)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await ana.ear.next(170)
        seconds = loop.time() - began
        os.kill(plane.pids[0], signal.SIGKILL)
        for _ in range(2):
            failed = await events.get()
            assert isinstance(failed, LegFailed)
            plane.close(failed.leg)
        assert not is_whole(Path(started.path))
        sound = read(Path(started.path))
        assert len(sound) / RATE == pytest.approx(seconds, abs=1.5)
        assert len(sound) / RATE <= seconds + 0.5
        for hz in (401, 593):
            assert heard_in(sound, hz, 0.5, len(sound) / RATE) > HEARD
        ffprobe_finds(started.path, len(sound) / RATE)

        again = await events.get()
        assert isinstance(again, RecordingStarted)
        assert again.path != started.path
        plane.stop_recording(ROOM)
        assert await events.get() == RecordingStopped(ROOM, again.path)
    assert len(read(Path(started.path))) == len(sound), "nobody wrote over it"
    await plane.stop()


def ffprobe_finds(path: str, seconds: float) -> None:
    """Another reader, where there is one."""
    if shutil.which("ffprobe"):
        show = ("-show_entries", "format=duration", "-of", "csv=p=0")
        probe = subprocess.run(
            ["ffprobe", "-v", "error", *show, path], capture_output=True, text=True, check=True
        )
        assert probe.stderr == ""
        assert float(probe.stdout) == pytest.approx(seconds, abs=0.1)


def until_it_grows(path: Path) -> None:
    """A recording without a page of sound plays nowhere."""
    heads, deadline = path.stat().st_size, time.monotonic() + 10
    while path.stat().st_size == heads and time.monotonic() < deadline:
        time.sleep(0.05)


async def test_when_the_gateway_is_killed_its_worker_finishes_the_file(tmp_path: Path) -> None:
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _GATEWAY, str(tmp_path)), stdout=subprocess.PIPE
    )
    assert gateway.stdout is not None
    worker = int(await gateway.stdout.readline())
    path = Path((await gateway.stdout.readline()).decode().strip())
    await asyncio.to_thread(until_it_grows, path)
    ended = asyncio.Event()
    pidfd = os.pidfd_open(worker)
    asyncio.get_running_loop().add_reader(pidfd, ended.set)
    gateway.kill()
    await gateway.wait()
    async with asyncio.timeout(5):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)
    assert is_whole(path)
    assert len(read(path)) / RATE > 0.5
