"""The kernel lets through what `demultiplex` knows, and counts the rest."""

import socket

import numpy as np
import pytest

from gateway.media.demultiplex import JUNK, kinds_of
from gateway.media.kernel_filter import attach, drops

COOKIE = bytes((0x21, 0x12, 0xA4, 0x42))


def _is_junk(data: bytes) -> bool:
    row = np.frombuffer(data.ljust(64, b"\0"), np.uint8)[np.newaxis]
    return bool(kinds_of(row, np.array([len(data)], np.int32))[0] == JUNK)


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_only_what_can_be_used_arrives(family: socket.AddressFamily, host: str) -> None:
    sent = [bytes((first, 1, 0, 28)) + COOKIE + bytes(24) for first in range(256)]
    sent += [bytes((0, 1, 0, 28)) + bytes(28), bytes((0, 1)), b""]
    with (
        socket.socket(family, socket.SOCK_DGRAM) as port,
        socket.socket(family, socket.SOCK_DGRAM) as peer,
    ):
        port.bind((host, 0))
        port.setblocking(False)
        attach(port)
        for data in sent:
            peer.sendto(data, port.getsockname())
        arrived = []
        while True:
            try:
                arrived.append(port.recv(2048))
            except BlockingIOError:
                break
        assert arrived == [data for data in sent if not _is_junk(data)]
        assert drops(port) == len(sent) - len(arrived)


def test_a_kernel_without_filters_is_lived_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.media.kernel_filter._SO_ATTACH_FILTER", 9999)
    monkeypatch.setattr("gateway.media.kernel_filter._SO_MEMINFO", 9999)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        attach(port)
        assert drops(port) == 0
