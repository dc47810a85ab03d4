"""RTCP against a second implementation (aiortc's), and against strangers."""

import pytest
from aiortc import rtp as theirs
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.rtcp import (
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    fraction_lost,
    middle_of,
    ntp_of,
    parse,
    round_trip,
)

words = st.integers(0, 2**32 - 1)
blocks = st.builds(
    ReportBlock,
    words,
    st.integers(0, 255),
    st.integers(-(2**23), 2**23 - 1),
    words,
    words,
    words,
    words,
)
some_blocks = st.lists(blocks, max_size=31).map(tuple)
packets = st.one_of(
    st.builds(SenderReport, words, st.integers(0, 2**64 - 1), words, words, words, some_blocks),
    st.builds(ReceiverReport, words, some_blocks),
    st.builds(Bye, st.lists(words, max_size=31).map(tuple)),
    st.builds(Nack, words, words, st.sets(st.integers(0, 65_535)).map(sorted).map(tuple)),
    st.builds(PictureLoss, words, words),
    st.builds(
        FullIntraRequest,
        words,
        st.lists(st.tuples(words, st.integers(0, 255)), max_size=9).map(tuple),
    ),
)


@given(st.lists(packets, max_size=5))
def test_what_is_written_is_read(written: list[RtcpPacket]) -> None:
    assert parse(b"".join(map(bytes, written))) == tuple(written)


@given(packets)
def test_another_implementation_reads_the_same(written: RtcpPacket) -> None:
    (read,) = theirs.RtcpPacket.parse(bytes(written))
    match written, read:
        case SenderReport(), theirs.RtcpSrPacket():
            assert read.sender_info.ntp_timestamp == written.ntp
            assert [one.ssrc for one in read.reports] == [one.ssrc for one in written.blocks]
        case ReceiverReport(), theirs.RtcpRrPacket():
            assert [one.packets_lost for one in read.reports] == [
                one.packets_lost for one in written.blocks
            ]
        case Bye(), theirs.RtcpByePacket():
            assert tuple(read.sources) == written.ssrcs
        case Nack(), theirs.RtcpRtpfbPacket():
            assert sorted(set(read.lost)) == list(written.lost)
        case FullIntraRequest(), theirs.RtcpPsfbPacket():
            assert (read.fmt, read.ssrc, len(read.fci)) == (
                4,
                written.sender,
                8 * len(written.sources),
            )
        case PictureLoss(), theirs.RtcpPsfbPacket():
            assert (read.ssrc, read.media_ssrc) == (written.sender, written.source)
        case _:
            raise AssertionError(f"{written} was read as {read}")


def test_the_source_description_is_whole_words() -> None:
    for name in ("trestle", "trestl", "t", "x" * 300):
        (read,) = theirs.RtcpPacket.parse(bytes(SourceDescription(7, name)))
        assert isinstance(read, theirs.RtcpSdesPacket)
        assert read.chunks[0].items == [(1, name.encode()[:255])]
    assert parse(bytes(SourceDescription(7, "trestle"))) == ()


def test_padding_is_taken_off() -> None:
    report = bytes(ReceiverReport(1))
    padded = bytes((report[0] | 0x20,)) + report[1:3] + b"\x02" + report[4:] + b"\0\0\0\x04"
    assert parse(padded) == (ReceiverReport(1),)


@pytest.mark.parametrize(
    "data",
    [
        "80",
        "80c8",
        "40c90001" + "00000001",
        "80c90002" + "00000001",
        "80c80001" + "00000001",
        "81c90001" + "00000001",
        "81cb0000",
        "81cd0001" + "00000001",
        "a0c90001" + "00000009",
        "a0c90000",
    ],
)
def test_what_is_cut_off_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"cut off|too short|padding"):
        parse(bytes.fromhex(data))


def test_unknown_packets_are_read_over() -> None:
    xr = bytes.fromhex("80cf0001" + "00000001")
    remb = bytes.fromhex("8fce0002" + "00000001" + "00000000")
    assert parse(xr + remb + bytes(Bye((5,)))) == (Bye((5,)),)


@given(st.binary(max_size=200))
def test_no_datagram_is_worse_than_a_value_error(data: bytes) -> None:
    for kind in (b"", b"\x81\xc8\x00\x10", b"\x81\xc9\x00\x07", b"\x81\xcd\x00\x04", b"\x9f\xcb"):
        try:
            parse(kind + data)
        except ValueError:
            continue


def test_the_round_trip_is_told_by_what_came_back() -> None:
    """RFC 3550, figure 2: sent at 0xb44db705, held for 5.25 s, back at 0xb710:8000."""
    block = ReportBlock(1, 0, 0, 0, 0, last_sr=0xB705_2000, delay_since_last_sr=0x0005_4000)
    assert round_trip(block, 0xB44D_B710_8000_0000) == pytest.approx(6.125)
    assert round_trip(ReportBlock(1, 0, 0, 0, 0), 0xB44D_B710_8000_0000) is None
    early = ReportBlock(1, 0, 0, 0, 0, last_sr=0xB710_8000, delay_since_last_sr=1)
    assert round_trip(early, 0xB44D_B710_8000_0000) == 0.0


def test_ntp_counts_from_1900() -> None:
    assert ntp_of(0.5) == (2_208_988_800 << 32) + 2**31
    assert middle_of(0x1234_5678_9ABC_DEF0) == 0x5678_9ABC


@pytest.mark.parametrize(
    ("expected", "received", "fraction"),
    [(0, 0, 0), (4, 3, 64), (4, 5, 0), (10, 0, 255), (0, 3, 0)],
)
def test_the_fraction_lost_is_in_256ths(expected: int, received: int, fraction: int) -> None:
    assert fraction_lost(expected, received) == fraction
