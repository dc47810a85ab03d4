"""The plane in processes of its own: the same calls, and what happens when a process dies."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.errors import Reason, Refused
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import DigitPressed, LegFailed, MediaEvent, Offer, ParticipantId, RoomName
from support.held import runs
from support.media_peers import Phone, XmppClient

ROOM = RoomName("demo")
SETTINGS = Settings(range(34_000, 34_200), "127.0.0.1", capacity=256)

_GATEWAY = """
import asyncio, sys
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane

async def main():
    plane = WorkerPlane(Settings(range(34_300, 34_400), "127.0.0.1", capacity=64), 1)
    await plane.start(print)
    print(*plane.pids, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def events() -> "asyncio.Queue[MediaEvent]":
    return asyncio.Queue()


@pytest.fixture
async def plane(events: "asyncio.Queue[MediaEvent]") -> AsyncIterator[WorkerPlane]:
    plane = WorkerPlane(SETTINGS, 2)
    await plane.start(events.put_nowait)
    pids = plane.pids
    yield plane
    await plane.stop()
    assert not [pid for pid in pids if runs(pid)]


async def _call(plane: WorkerPlane, room: str, leg: str, phone: Phone) -> None:
    answer = await plane.answer(RoomName(room), ParticipantId(leg), Offer(phone.offer()))
    phone.take(answer.sdp)
    plane.confirm(ParticipantId(leg))


async def test_phones_and_a_client_hear_each_other(plane: WorkerPlane) -> None:
    async with Phone(401) as ana, Phone(593, "PCMU") as bob, XmppClient(839) as eve:
        await _call(plane, ROOM, "sip-ana", ana)
        await _call(plane, ROOM, "sip-bob", bob)
        answer = await plane.answer(ROOM, ParticipantId("xmpp-eve"), Offer(await eve.offer()))
        await eve.take(answer.sdp)
        plane.confirm(ParticipantId("xmpp-eve"))
        await ana.hears(593, 839, but_not=(401,))
        await bob.hears(401, 839, but_not=(593,))
        await eve.hears(401, 593, but_not=(839,))


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
async def test_a_worker_logs_as_much_as_its_gateway(
    level: str, capfd: pytest.CaptureFixture[str]
) -> None:
    plane = WorkerPlane(replace(SETTINGS, log_level=level), 1)
    events: asyncio.Queue[MediaEvent] = asyncio.Queue()
    await plane.start(events.put_nowait)
    try:
        async with Phone(401) as ana:
            await _call(plane, ROOM, "sip-ana", ana)
            ana.press("5")
            async with asyncio.timeout(5):
                assert await events.get() == DigitPressed(ParticipantId("sip-ana"), "5")
    finally:
        await plane.stop()
    said = capfd.readouterr().err
    assert ("sip-ana < digit 5" in said) == (level == "debug")
    assert ("sip-ana RTP with" in said) == (level != "warning")
    assert ("sip-ana had PCMA, " in said) == (level != "warning")


async def test_what_a_worker_refuses_is_refused(plane: WorkerPlane) -> None:
    async with Phone(401) as ana:
        offer = ana.offer().replace("PCMA/8000", "GSM/8000")
        with pytest.raises(Refused) as refused:
            await plane.answer(ROOM, ParticipantId("sip-ana"), Offer(offer))
        assert refused.value.reason is Reason.MEDIA


async def test_a_worker_that_is_killed_ends_its_calls_alone_and_comes_back(
    plane: WorkerPlane, events: "asyncio.Queue[MediaEvent]", caplog: pytest.LogCaptureFixture
) -> None:
    async with Phone(401) as ana, Phone(593) as bob, Phone(709) as cid, Phone(839) as dan:
        await _call(plane, "one", "sip-ana", ana)
        await _call(plane, "one", "sip-bob", bob)
        await _call(plane, "two", "sip-cid", cid)
        await _call(plane, "two", "sip-dan", dan)
        await ana.hears(593)
        await cid.hears(839)
        os.kill(plane.pids[0], signal.SIGKILL)
        async with asyncio.timeout(2):
            failed = [await events.get(), await events.get()]
        assert {one.leg for one in failed if isinstance(one, LegFailed)} == {"sip-ana", "sip-bob"}
        assert all(isinstance(one, LegFailed) and "signal 9" in one.text for one in failed)
        assert "died (signal 9), 2 legs end: sip-ana, sip-bob" in caplog.text
        for leg in ("sip-ana", "sip-bob"):
            plane.close(ParticipantId(leg))
        # The other worker has the room now, without any waiting.
        assert len(plane.pids) == 1
        await _call(plane, "one", "sip-ana-again", ana)
        await _call(plane, "one", "sip-bob-again", bob)
        await ana.hears(593)
        await cid.ear.next(30)
        await cid.hears(839)
        async with asyncio.timeout(10):
            while len(plane.pids) < 2:
                await cid.ear.next(5)
        assert events.empty()


async def test_no_worker_outlives_a_gateway_that_is_killed() -> None:
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _GATEWAY, stdout=subprocess.PIPE
    )
    assert gateway.stdout is not None
    worker = int(await gateway.stdout.readline())
    ended = asyncio.Event()
    pidfd = os.pidfd_open(worker)
    asyncio.get_running_loop().add_reader(pidfd, ended.set)
    gateway.kill()
    await gateway.wait()
    async with asyncio.timeout(5):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)
