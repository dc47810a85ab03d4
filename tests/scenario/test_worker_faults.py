"""Workers that are killed, stopped, hang, or do not start: calls end in their protocol's words, the
gateway goes on, and every wait has an end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from gateway.errors import Reason, Refused
from gateway.media import worker_process
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import Offer, ParticipantId, RoomName
from support.held import descriptors, runs, udp_sockets
from support.media_peers import Phone
from support.small_gateway import Caller, SmallGateway, WebRtcLeg
from support.sockets import free_ports

pytestmark = pytest.mark.timeout(60)

CALLERS, CLIENTS = 16, 4


@pytest.fixture
async def plane() -> WorkerPlane:
    return WorkerPlane(Settings(free_ports(100), "127.0.0.1", capacity=128), 1)


@pytest.fixture
async def gateway(plane: WorkerPlane) -> AsyncIterator[SmallGateway]:
    async with SmallGateway(plane) as gateway:
        yield gateway
        assert set(gateway.rooms.inventory().values()) == {0}
        pids = plane.pids
    assert not [pid for pid in pids if runs(pid)]


async def _until(is_so: Callable[[], bool], within: float = 10.0) -> None:
    deadline = asyncio.get_running_loop().time() + within
    while True:
        if is_so():
            return
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_twenty_legs_of_a_killed_worker_are_hung_up_and_new_calls_work_at_once(
    gateway: SmallGateway, plane: WorkerPlane, caplog: pytest.LogCaptureFixture
) -> None:
    (pid,) = plane.pids
    before = descriptors(os.getpid()), descriptors(pid), udp_sockets(pid)
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(Caller(gateway, 401 + 24 * number))
            for number in range(CALLERS)
        ]
        clients = [
            await stack.enter_async_context(WebRtcLeg(number, 1601 + 40 * number))
            for number in range(CLIENTS)
        ]
        for number, caller in enumerate(callers):
            assert (await caller.invite(f"room{number % 4}")).status == 200
        for number, client in enumerate(clients):
            await client.join(gateway, f"room{number}")
        await callers[0].media.hears(1601)
        await clients[3].client.hears(callers[3].media.hz)
        legs = {one["id"] for room in gateway.rooms.describe().values() for one in _roster(room)}
        assert len(legs) == CALLERS + CLIENTS

        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(2):
            byes = [await caller.is_hung_up() for caller in callers]
            ended = [await client.ended for client in clients]
        await asyncio.gather(*(client.client.close() for client in clients))
        assert all("the media worker died (signal 9)" in bye for bye in byes)
        assert {reason for reason, _ in ended} == {Reason.FAILURE}
        (told,) = [one.getMessage() for one in caplog.records if "died" in one.getMessage()
                   and one.name == "trestle.media"]  # fmt: skip
        assert "died (signal 9), 20 legs end: " in told
        assert all(leg in told for leg in legs)

        for caller in callers[:2]:
            assert (await caller.invite("room0")).status == 200
        await callers[0].media.hears(callers[1].media.hz)
        for caller in callers[:2]:
            await caller.hang_up()
    (again,) = plane.pids
    assert again != pid
    assert not runs(pid)
    await _until(lambda: not any(plane.inventory().values()))
    await _until(
        lambda: (descriptors(os.getpid()), descriptors(again), udp_sockets(again)) == before
    )


def _roster(room: object) -> list[dict[str, str]]:
    assert isinstance(room, dict)
    return list(room["participants"])


async def test_a_worker_that_does_not_start_is_tried_again_ever_more_slowly(
    gateway: SmallGateway,
    plane: WorkerPlane,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_process, "_LONGEST_PAUSE", 0.5)
    async with Caller(gateway, 401) as ana, Caller(gateway, 593) as bob:
        with monkeypatch.context() as broken:
            broken.setattr(worker_process, "_COMMAND", ("false",))
            os.kill(plane.pids[0], signal.SIGKILL)
            await _until(lambda: caplog.text.count("did not start; next try in") >= 2)
            refused = await ana.invite("demo")
            assert (refused.status, refused.header("Retry-After")) == (503, "30")
            broken.setattr(worker_process, "_COMMAND", ("/no/such/program",))
            await _until(lambda: "cannot be started: No such file or directory" in caplog.text)
        await _until(lambda: bool(plane.pids))
        for caller in (ana, bob):
            assert (await caller.invite("demo")).status == 200
        await ana.media.hears(593)
        for caller in (ana, bob):
            await caller.hang_up()


def test_pauses_double_up_to_half_a_minute() -> None:
    pauses = [worker_process._pause(failures) for failures in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_calls_go_on_after_three_seconds_in_which_the_worker_stood_still(
    gateway: SmallGateway, plane: WorkerPlane
) -> None:
    async with Caller(gateway, 401) as ana, Caller(gateway, 593) as bob:
        for caller in (ana, bob):
            assert (await caller.invite("demo")).status == 200
        await ana.media.hears(593)
        (pid,) = plane.pids
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(3)
        heard = ana.media.ear.heard
        os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(0.5)
        # What was missed would be 150 packets at once.
        assert ana.media.ear.heard - heard < 75
        await ana.media.ear.next(10)
        await ana.media.hears(593)
        await bob.media.hears(401)
        assert plane.pids == (pid,)
        for caller in (ana, bob):
            await caller.hang_up()


async def test_a_worker_that_hangs_is_noticed_and_replaced(
    gateway: SmallGateway, plane: WorkerPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "SILENCE", 3)
    monkeypatch.setattr(worker_process, "ANSWER_TIMEOUT", 0.5)
    async with Caller(gateway, 401) as ana, Caller(gateway, 593) as bob:
        assert (await ana.invite("demo")).status == 200
        (pid,) = plane.pids
        os.kill(pid, signal.SIGSTOP)
        refused = await bob.invite("demo")
        assert (refused.status, refused.header("Retry-After")) == (503, "30")
        assert "the media worker died (it said nothing for 3 s)" in await ana.is_hung_up()
        await _until(lambda: bool(plane.pids))
        assert plane.pids != (pid,)
        for caller in (ana, bob):
            assert (await caller.invite("demo")).status == 200
        await ana.media.hears(593)
        for caller in (ana, bob):
            await caller.hang_up()


async def test_what_a_slow_worker_answers_too_late_is_closed_again(
    plane: WorkerPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "ANSWER_TIMEOUT", 0.2)
    await plane.start(lambda _: None)
    (pid,) = plane.pids
    async with Phone(401) as ana:
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Refused) as refused:
            await plane.answer(RoomName("demo"), ParticipantId("sip-ana"), Offer(ana.offer()))
        assert refused.value.reason is Reason.OVERLOADED
        before = udp_sockets(pid)
        os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr(worker_process, "ANSWER_TIMEOUT", 5.0)
        await plane.answer(RoomName("demo"), ParticipantId("sip-bob"), Offer(ana.offer()))
        assert udp_sockets(pid) == before + 2
    await plane.stop()


async def test_a_gateway_that_stops_does_not_wait_for_a_worker_that_hangs(
    plane: WorkerPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_LAST_WORDS", 0.2)
    await plane.start(lambda _: None)
    (pid,) = plane.pids
    os.kill(pid, signal.SIGSTOP)
    await plane.stop()
    assert not runs(pid)
