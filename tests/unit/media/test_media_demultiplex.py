"""RFC 7983, section 7, and RFC 5761, section 4."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.demultiplex import DTLS, JUNK, RTCP, RTP, STUN, kinds_of


def kind(data: bytes) -> int:
    rows = np.full((1, 64), 0xA5, np.uint8)
    rows[0, : len(data)] = np.frombuffer(data[:64], np.uint8)
    return int(kinds_of(rows, np.array([len(data)], np.int32))[0])


COOKIE = bytes.fromhex("2112a442")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", JUNK),
        (b"\x00", JUNK),
        (bytes.fromhex("00010000") + COOKIE + bytes(12), STUN),
        (bytes.fromhex("00010000") + COOKIE + bytes(11), JUNK),
        (bytes.fromhex("00010000") + COOKIE + bytes(13), JUNK),
        (bytes.fromhex("00010000") + bytes(16), JUNK),
        (b"\x04" + bytes(30), JUNK),
        (b"\x16\xfe\xfd" + bytes(10), DTLS),
        (b"\x16\xfe\xfd", JUNK),
        (b"\x3f" + bytes(12), DTLS),
        (b"\x40" + bytes(12), JUNK),
        (b"\x7f" + bytes(12), JUNK),
        (b"\x80\x00" + bytes(10), RTP),
        (b"\x80\x80" + bytes(9), JUNK),
        (b"\xbf\xff" + bytes(10), RTP),
        (b"\x80\xc8" + bytes(6), RTCP),
        (b"\x80\xc8" + bytes(5), JUNK),
        (b"\x80\xbf" + bytes(10), RTP),
        (b"\x80\xdf" + bytes(10), RTCP),
        (b"\x80\xe0" + bytes(10), RTP),
        (b"\xc0\x00" + bytes(10), JUNK),
    ],
)
def test_each_packet_is_of_its_kind(data: bytes, expected: int) -> None:
    assert kind(data) == expected


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
def test_rows_do_not_depend_on_each_other(packets: list[bytes]) -> None:
    rows = np.zeros((len(packets), 64), np.uint8)
    for row, data in zip(rows, packets, strict=True):
        row[: len(data)] = np.frombuffer(data, np.uint8)
    lengths = np.array([len(data) for data in packets], np.int32)
    assert kinds_of(rows, lengths).tolist() == [kind(data) for data in packets]
