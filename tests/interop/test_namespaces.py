"""The network on which browsers lose packets loses what it says, where it says."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from support.namespaces import Host, Network, unavailable
from support.processes import Process

pytestmark = [
    pytest.mark.skipif(bool(unavailable()), reason=unavailable()),
    pytest.mark.timeout(60),
]

PACKETS = 4000

RECEIVE = """
import socket
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
here.bind(("0.0.0.0", 5000))
print("listens", flush=True)
count = 0
while here.recv(100) != b"last":
    count += 1
print("received", count, flush=True)
"""

SEND = """
import socket, sys, time
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    here.sendto(b"one", (sys.argv[1], 5000))
    time.sleep(0.0001)
for _ in range(20):
    here.sendto(b"last", (sys.argv[1], 5000))
"""


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    async with Network() as network:
        yield network


def at(host: Host, script: str, *arguments: str) -> Process:
    enter = ("nsenter", "--target", str(host.pid), "--net")
    return Process(*enter, sys.executable, "-c", script, *arguments)


async def arrive(sender: Host, receiver: Host) -> int:
    async with at(receiver, RECEIVE) as there:
        await there.line("listens")
        async with at(sender, SEND, receiver.address, str(PACKETS)) as here:
            await here.exit_code()
        return int((await there.line("received")).split()[1])


async def test_a_link_loses_its_part_in_each_direction_and_others_nothing(
    network: Network,
) -> None:
    one, other, third = [await network.host() for _ in range(3)]
    await network.lose(one, other, 0.05)
    for sender, receiver in ((one, other), (other, one)):
        # 200 of 4000 on average; 14 is the standard deviation.
        assert 0.97 * PACKETS > await arrive(sender, receiver) > 0.93 * PACKETS
    assert 300 < await network.dropped() < 500
    assert await arrive(one, third) == PACKETS
    await network.lose(one, other, 0)
    assert await arrive(one, other) == PACKETS


async def test_a_host_that_is_cut_off_comes_back_when_mended(network: Network) -> None:
    one, other = [await network.host() for _ in range(2)]
    await network.cut(other)
    assert not await reaches(network, one, other)
    await network.mend(other)
    assert await reaches(network, one, other)


async def test_the_test_itself_is_on_the_network(network: Network) -> None:
    host = await network.host()
    came = asyncio.Event()

    async def welcome(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()
        came.set()

    server = await asyncio.start_server(welcome, network.address, 0)
    port = server.sockets[0].getsockname()[1]
    connect = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])))"
    async with server, at(host, connect, network.address, str(port)) as there:
        assert await there.exit_code() == 0
        await came.wait()


async def reaches(network: Network, one: Host, other: Host) -> bool:
    """Whether a datagram of one's comes to the other; several are sent."""
    async with at(other, RECEIVE) as there:
        await there.line("listens")
        async with at(one, SEND, other.address, "0") as here:
            await here.exit_code()
        try:
            await there.line("received", within=1)
        except AssertionError:
            return False
        return True
