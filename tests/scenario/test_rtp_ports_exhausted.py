"""More calls than ports: the one too many is told so, and the next one after a hang-up gets in."""

import logging
import socket
from collections.abc import Iterator

import pytest

from gateway.errors import Reason, Refused
from gateway.media.plane import InlinePlane
from gateway.media.rtp_ports import RtpPorts
from gateway.media.settings import Settings
from support.small_gateway import Caller, SmallGateway
from support.sockets import free_ports


@pytest.fixture
def ports() -> range:
    return free_ports(6)


@pytest.fixture
def foreign(ports: range) -> Iterator[int]:
    """Another program has one half of the middle pair."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", ports[3]))
        yield ports[3]


async def test_a_caller_without_a_port_is_503_and_the_next_one_gets_the_port_of_who_left(
    ports: range, foreign: int, caplog: pytest.LogCaptureFixture
) -> None:
    plane = InlinePlane(Settings(ports, "127.0.0.1", capacity=64))
    async with (
        SmallGateway(plane) as gateway,
        Caller(gateway, 401) as ana,
        Caller(gateway, 593) as bob,
        Caller(gateway, 709) as cid,
    ):
        for caller in (ana, bob):
            assert (await caller.invite("demo")).status == 200
        used = {caller.media.target[1] for caller in (ana, bob) if caller.media.target}
        assert used == {ports[0], ports[4]}
        for _ in range(2):
            refused = await cid.invite("demo")
            assert (refused.status, refused.header("Retry-After")) == (503, "30")
        assert _cures(caplog) == ["no RTP ports for another phone: all 3 pairs are in use; widen "
                                  "media.rtp_ports"]  # fmt: skip
        await ana.hang_up()
        assert (await cid.invite("demo")).status == 200
        await bob.media.hears(709)
        for caller in (bob, cid):
            await caller.hang_up()
    assert set(plane.inventory().values()) == {0}


def _cures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_port_that_another_program_gave_up_is_tried_again(ports: range) -> None:
    pool = RtpPorts(ports)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("", ports[3]))
        pairs = [pool.bind("127.0.0.1") for _ in range(2)]
        with pytest.raises(Refused):
            pool.bind("127.0.0.1")
    pairs.append(pool.bind("127.0.0.1"))
    assert pairs[-1][1].getsockname()[1] == ports[3]
    for pair in pairs:
        pool.give_back(pair)


def test_a_closed_pair_comes_round_again_after_all_others(ports: range) -> None:
    pool = RtpPorts(ports)
    first = pool.bind("127.0.0.1")
    number = first[0].getsockname()[1]
    pool.give_back(first)
    others = [pool.bind("127.0.0.1") for _ in range(2)]
    assert number not in [pair[0].getsockname()[1] for pair in others]
    again = pool.bind("127.0.0.1")
    assert again[0].getsockname()[1] == number
    for pair in (*others, again):
        pool.give_back(pair)


def test_without_descriptors_a_phone_is_refused_and_the_log_says_why(
    ports: range, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_socket(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    pool = RtpPorts(ports)
    with monkeypatch.context() as patched:
        patched.setattr("gateway.media.rtp_ports.socket.socket", no_socket)
        with pytest.raises(Refused) as refused:
            pool.bind("127.0.0.1")
    assert refused.value.reason is Reason.OVERLOADED
    assert _cures(caplog) == ["no RTP ports for another phone: Too many open files; raise the "
                              "limit of open files"]  # fmt: skip
    pool.give_back(pool.bind("127.0.0.1"))
