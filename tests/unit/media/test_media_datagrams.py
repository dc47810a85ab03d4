"""Batches of datagrams on real sockets: by the two calls of Linux, and by plain ones."""

import select
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media import datagrams
from gateway.media.datagrams import (
    ADDRESS,
    WIDTH,
    Inbox,
    Outbox,
    Sockets,
    address_keys,
    address_row,
    prepare,
)
from gateway.media.transport import address_of, key_of

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture(params=["calls of Linux", "plain sockets"], autouse=True)
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain sockets":
        monkeypatch.setattr(datagrams, "_LIBC", None)
    else:
        assert datagrams._LIBC is not None


@pytest.fixture(params=list(HOSTS), ids=["IPv4", "IPv6"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    family = request.param
    with (
        socket.socket(family, socket.SOCK_DGRAM) as one,
        socket.socket(family, socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.bind((HOSTS[family], 0))
            prepare(sock)
        yield one, other


def _key(sock: socket.socket) -> int:
    return key_of(*sock.getsockname()[:2])


def _fill(outbox: Outbox, row: int, data: bytes, target: socket.socket) -> None:
    outbox.rows[row, : len(data)] = np.frombuffer(data, np.uint8)
    outbox.lengths[row] = len(data)
    outbox.addresses[row] = address_row(_key(target))


def _texts(inbox: Inbox) -> list[bytes]:
    return [inbox.rows[row, : inbox.lengths[row]].tobytes() for row in range(inbox.count)]


def test_what_is_sent_arrives_in_order_with_its_source(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    sent = [bytes((number,)) * (number + 1) for number in range(40)]
    outbox, inbox = Outbox(50, 128), Inbox(64)
    for row, data in enumerate(sent):
        _fill(outbox, row + 5, data, other)
    before = time.monotonic()
    assert outbox.send(one, 5, 45) == 40
    assert inbox.receive(other)
    assert _texts(inbox) == sent
    assert set(address_keys(inbox.addresses[:40])) == {_key(one)}
    assert (inbox.arrivals[:40] >= before - 0.1).all()
    assert (inbox.arrivals[:40] <= time.monotonic()).all()


def test_what_has_no_room_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    outbox, inbox = Outbox(10, 16), Inbox(8)
    for row in range(10):
        _fill(outbox, row, bytes((row,)), other)
    outbox.send(one, 0, 10)
    assert not inbox.receive(other)
    assert _texts(inbox) == [bytes((row,)) for row in range(8)]
    inbox.clear()
    assert inbox.receive(other)
    assert _texts(inbox) == [b"\x08", b"\x09"]
    assert not inbox.addresses[2:].any()


def test_each_socket_has_its_turn(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    outbox, inbox = Outbox(8, 16), Inbox(8)
    for row in range(8):
        _fill(outbox, row, bytes((row,)), (one, other)[row % 2])
    both = Sockets((other, one))
    assert outbox.send_each(both, 0) == 2
    assert outbox.send_each(both, 2) == 2
    assert outbox.send(other, 4, 8) == 4
    owners = inbox.receive_each(both, 3)
    texts = _texts(inbox)
    of_other = [text for text, owner in zip(texts, owners, strict=True) if owner == 0]
    of_one = [text for text, owner in zip(texts, owners, strict=True) if owner == 1]
    assert of_other == [b"\x01", b"\x03", b"\x05"]
    assert of_one == [b"\x00", b"\x02", b"\x04"]
    again = inbox.receive_each(both, 3)
    assert again.tolist() == [0, 1]


def test_a_packet_that_cannot_go_does_not_keep_the_others(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    outbox, inbox = Outbox(3, 16), Inbox(8)
    for row in range(3):
        _fill(outbox, row, bytes((row,)), other)
    # Port 0 is nobody's.
    outbox.addresses[1] = address_row(key_of(HOSTS[one.family], 0))
    assert outbox.send(one, 0, 3) == 2
    inbox.receive(other)
    assert _texts(inbox) == [b"\x00", b"\x02"]


def test_an_icmp_error_of_an_earlier_packet_is_no_end(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, inbox = pair[0], Inbox(8)
    with socket.socket(one.family, socket.SOCK_DGRAM) as gone:
        gone.bind((HOSTS[one.family], 0))
        # A connected socket is told of "port unreachable" by its next call.
        one.connect(gone.getsockname())
        target = gone.getsockname()
    one.send(b"nobody is there")
    select.select((one,), (), (), 5)
    inbox.receive(one)
    assert inbox.count == 0
    with socket.socket(one.family, socket.SOCK_DGRAM) as back:
        back.bind(target)
        back.sendto(b"here again", one.getsockname())
    select.select((one,), (), (), 5)
    inbox.receive(one)
    assert _texts(inbox) == [b"here again"]


def test_of_an_oversized_datagram_only_the_beginning_is_kept(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    one, other = pair
    inbox = Inbox(4)
    one.sendto(bytes(WIDTH) + b"more", other.getsockname())
    one.sendto(b"next", other.getsockname())
    inbox.receive(other)
    assert inbox.lengths[:2].tolist() == [WIDTH, 4]


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 5004), ("2001:db8::1", 65_535)])
def test_addresses_are_rows_and_keys_alike(host: str, port: int) -> None:
    key = key_of(host, port)
    row = address_row(key)
    assert row.shape == (ADDRESS,)
    assert address_keys(row[np.newaxis].copy()) == [key]
    assert address_of(key) == (host, port)
