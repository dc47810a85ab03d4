import pytest

from gateway.media.rtp import RtpPacket, is_rtcp, sequence_distance, timestamp_distance


def test_a_packet_survives_the_wire() -> None:
    packet = RtpPacket(111, 65_535, 4_294_967_295, 0xDEADBEEF, b"payload", True, "audio7")
    assert RtpPacket.parse(packet.serialize(4), 4) == packet


def test_without_a_negotiated_extension_the_mid_is_not_read() -> None:
    packet = RtpPacket(0, 1, 2, 3, b"x", mid="a")
    assert RtpPacket.parse(packet.serialize(4)).mid == ""
    assert RtpPacket.parse(packet.serialize(4)).payload == b"x"


def test_two_byte_header_extensions_are_read() -> None:
    header = bytes.fromhex("9000 0001 00000002 00000003".replace(" ", ""))
    extension = bytes.fromhex("1000 0002".replace(" ", "")) + b"\x01\x00\x04\x02hi\x00\x00"
    assert RtpPacket.parse(header + extension + b"x", 4).mid == "hi"


def test_contributing_sources_and_padding_are_no_payload() -> None:
    header = bytes((0xA2, 0x00)) + bytes(10) + bytes(8)
    assert RtpPacket.parse(header + b"sound" + b"\x00\x00\x03").payload == b"sound"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        b"\x40" + bytes(11),
        b"\x81" + bytes(11),
        b"\x90" + bytes(11),
        b"\x90" + bytes(11) + b"\xbe\xde\x00\x09abcd",
        b"\xa0" + bytes(11) + b"\xff",
    ],
)
def test_what_is_no_rtp_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        RtpPacket.parse(data, 1)


def test_numbers_wrap() -> None:
    assert sequence_distance(2, 65_534) == 4
    assert sequence_distance(65_534, 2) == -4
    assert timestamp_distance(160, 2**32 - 160) == 320


def test_rtcp_is_told_from_rtp() -> None:
    assert is_rtcp(bytes((0x80, 200)))
    assert not is_rtcp(bytes((0x80, 0x80 | 111)))
