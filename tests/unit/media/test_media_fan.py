"""Many sockets by one call: the ring and what stands in for it do the same."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from gateway.media import uring
from gateway.media.datagrams import Inbox, Outbox, Sockets, address_keys, address_row, prepare
from gateway.media.fan_in import FanIn, PollFanIn, RingFanIn, fan_in
from gateway.media.fan_out import FanOut
from gateway.media.transport import key_of
from gateway.media.uring import Ring

CAPACITY = 64
KEYS = 100

needs_ring = pytest.mark.skipif(Ring.open(2, 2) is None, reason="no io_uring here")


def ring_fan_in() -> RingFanIn:
    ring = Ring.open(16, 2 * CAPACITY)
    assert ring is not None
    return RingFanIn(ring, KEYS, CAPACITY)


@pytest.fixture(params=[pytest.param(ring_fan_in, marks=needs_ring, id="ring"), PollFanIn])
def fan(request: pytest.FixtureRequest) -> Iterator[FanIn]:
    make: Callable[[], FanIn] = request.param
    made = make()
    yield made
    made.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def bound(stack: ExitStack, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    return prepare(sock)


def received(fan: FanIn, rounds: int = 3) -> list[tuple[int, bytes, int]]:
    """Key, content and source of all that is there; loopback delivers before `sendto` returns."""
    box, got = Inbox(CAPACITY), []
    for _ in range(rounds):
        box.clear()
        keys = fan.receive(box)
        assert len(keys) == box.count
        sources = address_keys(box.addresses[: box.count])
        for index, key in enumerate(keys.tolist()):
            content = box.rows[index, : box.lengths[index]].tobytes()
            got.append((key, content, sources[index]))
    return got


def test_each_datagram_comes_once_with_its_key_and_source(fan: FanIn, stack: ExitStack) -> None:
    ours = [bound(stack) for _ in range(20)]
    peer = bound(stack)
    for key, sock in enumerate(ours):
        fan.add(sock, key * 3)
    for key in (4, 9, 4, 19):
        peer.sendto(b"to %d" % key, ours[key].getsockname())
    source = key_of(*peer.getsockname())
    assert sorted(received(fan)) == sorted(
        (key * 3, b"to %d" % key, source) for key in (4, 4, 9, 19)
    )
    assert received(fan) == []


def test_datagrams_of_one_socket_keep_their_order(fan: FanIn, stack: ExitStack) -> None:
    sock, peer = bound(stack), bound(stack)
    fan.add(sock, 7)
    for number in range(30):
        peer.sendto(bytes([number]), sock.getsockname())
    assert [content[0] for _, content, _ in received(fan, 10)] == list(range(30))


def test_more_than_there_is_room_for_comes_the_next_time(fan: FanIn, stack: ExitStack) -> None:
    ours, peer = [bound(stack) for _ in range(50)], bound(stack)
    for key, sock in enumerate(ours):
        fan.add(sock, key)
    for _ in range(5):
        for sock in ours:
            peer.sendto(bytes(300), sock.getsockname())
    keys = [key for key, _, _ in received(fan, 20)]
    assert np.bincount(keys).tolist() == [5] * 50


def test_an_empty_and_a_giant_datagram_do_not_end_a_socket(fan: FanIn, stack: ExitStack) -> None:
    sock, peer = bound(stack), bound(stack)
    fan.add(sock, 1)
    peer.sendto(b"", sock.getsockname())
    peer.sendto(bytes(9000), sock.getsockname())
    assert [len(content) for _, content, _ in received(fan)] == [0, 2048]
    peer.sendto(b"after", sock.getsockname())
    assert [content for _, content, _ in received(fan)] == [b"after"]


def test_a_key_given_anew_gets_nothing_of_its_former_owner(fan: FanIn, stack: ExitStack) -> None:
    peer, first, second = bound(stack), bound(stack), bound(stack)
    fan.add(first, 5)
    peer.sendto(b"late", first.getsockname())
    fan.remove(first, 5)
    port = first.getsockname()
    first.close()
    fan.add(second, 5)
    peer.sendto(b"new", second.getsockname())
    assert [content for _, content, _ in received(fan)] == [b"new"]
    # The port is free for others at once.
    again = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    again.bind(port)


def test_sources_of_both_families_share_a_box(fan: FanIn, stack: ExitStack) -> None:
    four, six = bound(stack), bound(stack, socket.AF_INET6)
    peer_four, peer_six = bound(stack), bound(stack, socket.AF_INET6)
    fan.add(four, 4)
    fan.add(six, 6)
    for _ in range(CAPACITY):  # every buffer has served a long address before
        peer_six.sendto(b"6", six.getsockname())
    received(fan, 10)
    peer_four.sendto(b"4", four.getsockname())
    peer_six.sendto(b"6", six.getsockname())
    assert sorted(received(fan)) == [
        (4, b"4", key_of(*peer_four.getsockname())),
        (6, b"6", key_of(*peer_six.getsockname()[:2])),
    ]


def test_arrival_is_when_the_kernel_saw_it(fan: FanIn, stack: ExitStack) -> None:
    sock, peer = bound(stack), bound(stack)
    fan.add(sock, 1)
    before = time.monotonic()
    peer.sendto(b"x", sock.getsockname())
    after = time.monotonic()
    box = Inbox(CAPACITY)
    while not len(fan.receive(box)):
        box.clear()
    # The two clocks are read one after the other.
    assert before - 0.001 <= box.arrivals[0] <= after + 0.001


@pytest.mark.parametrize("has_ring", [pytest.param(True, marks=needs_ring), False])
def test_each_row_goes_by_its_own_socket(has_ring: bool, stack: ExitStack) -> None:
    ours, peer = [bound(stack) for _ in range(40)], bound(stack)
    outbox = Outbox(42, 100)
    for row in range(42):
        text = b"row %d" % row
        outbox.rows[row, : len(text)] = np.frombuffer(text, np.uint8)
        outbox.lengths[row] = len(text)
        outbox.addresses[row] = address_row(key_of(*peer.getsockname()))
    ring = Ring.open(16, 16) if has_ring else None
    fan = FanOut(outbox, 2, Sockets(ours), ring)
    for _ in range(3):
        fan.send()
        box = Inbox(64)
        box.receive(peer)
        sources = address_keys(box.addresses[: box.count])
        got = {box.rows[i, : box.lengths[i]].tobytes(): sources[i] for i in range(box.count)}
        assert got == {
            b"row %d" % (row + 2): key_of(*sock.getsockname()) for row, sock in enumerate(ours)
        }


@needs_ring
def test_what_cannot_be_sent_is_lost_and_the_rest_goes(stack: ExitStack) -> None:
    ours, peer = [bound(stack) for _ in range(4)], bound(stack)
    outbox = Outbox(4, 100)
    outbox.lengths[:] = 10
    for row in range(4):
        where = ("::1", 9) if row == 1 else peer.getsockname()  # no way there by IPv4
        outbox.addresses[row] = address_row(key_of(*where))
    fan = FanOut(outbox, 0, Sockets(ours), Ring.open(4, 4))
    for _ in range(10):
        fan.send()
        box = Inbox(8)
        box.receive(peer)
        assert box.count == 3


def test_where_io_uring_is_forbidden_epoll_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uring, "_LIBC", None)
    chosen = fan_in(KEYS, CAPACITY)
    assert isinstance(chosen, PollFanIn)
    chosen.close()


@needs_ring
def test_what_the_kernel_had_no_memory_for_is_asked_again(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fan, sock, peer = ring_fan_in(), bound(stack), bound(stack)
    submit = Ring.submit
    monkeypatch.setattr(Ring, "submit", lambda ring, count: 0)
    fan.add(sock, 3)
    monkeypatch.setattr(Ring, "submit", submit)
    peer.sendto(b"heard", sock.getsockname())
    assert [content for _, content, _ in received(fan)] == [b"heard"]
    fan.close()
