"""Packets that are made and sent one by one."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media.datagrams import Inbox, prepare
from gateway.media.formats import Format
from gateway.media.single import SinglePackets
from gateway.media.srtp import AES_CM_128_HMAC_SHA1_80, PacketRows, SrtpSession
from gateway.media.streams import Sending, Streams
from gateway.media.transport import key_of

KEY = bytes(range(30))


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield prepare(sock)


def test_what_cannot_be_closed_is_not_sent_in_the_clear(
    peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Streams(1)
    row = streams.take(0, Format.OPUS, is_leg=False, start=(0, 0))
    session = SrtpSession.outbound(AES_CM_128_HMAC_SHA1_80, KEY)
    streams.sending[row] = Sending(111, 7, peer, key_of(*peer.getsockname()), session)
    packets, box = SinglePackets(streams), Inbox(4)

    packets.send(row, 111, 960, b"speech", marker=True)
    box.receive(peer)
    assert box.count == 1
    assert b"speech" not in box.rows[0].tobytes()
    box.clear()

    monkeypatch.setattr(PacketRows, "protect", lambda *_: np.array([False]))
    packets.send(row, 111, 1920, b"speech", marker=False)
    box.receive(peer)
    assert box.count == 0
