"""Machines with more than one address, of both families."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.media.ice_sockets import ice_sockets
from gateway.media.plane import InlinePlane
from gateway.media.rtp_ports import RtpPorts, own_addresses
from gateway.media.settings import Settings
from gateway.ports import LegFailed, MediaEvent, Offer, ParticipantId, RoomName
from support.media_peers import Phone
from support.secure_client import SecureClient
from support.sockets import free_port, free_ports

ROOM = RoomName("demo")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "::1")


@asynccontextmanager
async def _plane(hosts: tuple[str, ...]) -> AsyncIterator[InlinePlane]:
    plane = InlinePlane(Settings(free_ports(20), "127.0.0.1", ice_addresses=hosts, capacity=64))
    failed: list[MediaEvent] = []
    await plane.start(lambda event: failed.append(event) if isinstance(event, LegFailed) else None)
    yield plane
    await plane.stop()
    assert not failed


async def _join(plane: InlinePlane, leg: str, offer: str) -> str:
    answer = await plane.answer(ROOM, ParticipantId(leg), Offer(offer))
    plane.confirm(ParticipantId(leg))
    return answer.sdp


@pytest.mark.parametrize("asked", ADDRESSES)
async def test_a_client_is_answered_from_the_address_that_it_asked(asked: str) -> None:
    async with (
        _plane(ADDRESSES) as plane,
        Phone(593) as bob,
        SecureClient(401, "::1" if ":" in asked else "127.0.0.1") as eve,
    ):
        bob.take(await _join(plane, "sip-bob", bob.offer()))
        eve.take(await _join(plane, "xmpp-eve", eve.offer()), asked)
        await eve.hears(593)
        await bob.hears(401)
        assert eve.sources == {eve.target}
        assert eve.target[0] == asked
        plane.close(ParticipantId("xmpp-eve"))
        plane.close(ParticipantId("sip-bob"))


async def test_candidates_are_the_configured_address_and_those_towards_the_world() -> None:
    async with _plane(()) as plane, SecureClient(401) as eve:
        answer = await _join(plane, "xmpp-eve", eve.offer())
        offered = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
        assert [host for host, _ in offered] == list(dict.fromkeys(("127.0.0.1", *own_addresses())))
        assert len({port for _, port in offered}) == 1
        plane.close(ParticipantId("xmpp-eve"))


def test_behind_a_nat_one_socket_serves_all_addresses() -> None:
    sockets = ice_sockets(("198.51.100.7", "127.0.0.1", "::1"), 0)
    names = [sock.getsockname()[:2] for sock in sockets]
    port = names[0][1]
    assert names == [("0.0.0.0", port), ("::1", port)]
    for sock in sockets:
        sock.close()


def test_a_port_that_is_taken_on_one_address_is_an_error_and_leaves_nothing_open() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.bind(("127.0.0.2", port))
        with pytest.raises(OSError, match="in use"):
            ice_sockets(("127.0.0.1", "127.0.0.2"), port)
    for sock in ice_sockets(("127.0.0.1", "127.0.0.2"), port):
        sock.close()


@pytest.mark.parametrize(
    ("described", "bound"),
    [("127.0.0.2", "127.0.0.2"), ("::1", "::1"), ("198.51.100.7", "0.0.0.0")],
)
def test_a_phones_ports_are_bound_where_its_description_says(described: str, bound: str) -> None:
    pool = RtpPorts(free_ports(2))
    pair = pool.bind(described)
    assert [half.getsockname()[0] for half in pair] == [bound, bound]
    pool.give_back(pair)
