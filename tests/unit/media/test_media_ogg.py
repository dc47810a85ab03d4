"""Ogg pages, read by FFmpeg and by hand."""

import io
import struct

import av
import numpy as np
import pytest

from gateway.media import opus
from gateway.media.ogg import OggOpus, checksum


def naive_checksum(page: bytes) -> int:
    """RFC 3533, section 6, bit by bit."""
    register = 0
    for octet in page:
        register ^= octet << 24
        for _ in range(8):
            carry = register & 0x8000_0000
            register = (register << 1 & 0xFFFF_FFFF) ^ (0x04C1_1DB7 if carry else 0)
    return register


@pytest.mark.parametrize("page", [b"", b"\0", b"\x80", b"OggS", bytes(range(256)) * 3])
def test_the_checksum_is_the_one_of_the_standard(page: bytes) -> None:
    assert checksum(page) == naive_checksum(page)


def pages(data: bytes) -> list[tuple[int, int, int, list[bytes]]]:
    """Flags, granule position and number of each page, and its packets; checks its checksum."""
    found = []
    while data:
        assert data[:5] == b"OggS\0"
        flags, granule, _, number, crc, count = struct.unpack_from("<BQIIIB", data, 5)
        lacing = data[27 : 27 + count]
        end = 27 + count + sum(lacing)
        assert crc == naive_checksum(data[:22] + bytes(4) + data[26:end])
        packets, packet, at = [], b"", 27 + count
        for size in lacing:
            packet += data[at : at + size]
            at += size
            if size < 255:
                packets.append(packet)
                packet = b""
        assert packet == b""
        found.append((flags, granule, number, packets))
        data = data[end:]
    return found


def test_pages_are_numbered_timed_and_hold_a_second_at_most() -> None:
    ogg = OggOpus(7, 16_000, 312, {"TITLE": "démo"})
    given = [bytes((number,)) * (number * 5) for number in range(1, 121)]
    data = ogg.head() + b"".join(ogg.add(packet, 960) for packet in given) + ogg.end()
    head, tags, *rest = pages(data)
    head_packet = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 312, 16_000, 0, 0)
    assert head == (2, 0, 0, [head_packet])
    assert tags[:3] == (0, 0, 1)
    assert tags[3][0].startswith(b"OpusTags\x07\0\0\0Trestle\x01\0\0\0")
    assert tags[3][0].endswith("TITLE=démo".encode())
    assert [(flags, granule, number) for flags, granule, number, _ in rest] == [
        (0, 48_000, 2),
        (0, 96_000, 3),
        (4, 115_200, 4),
    ]
    assert [packet for *_, packets in rest for packet in packets] == given


def test_a_page_never_has_more_segments_than_it_can() -> None:
    ogg = OggOpus(7, 16_000, 0, {})
    data = b"".join(ogg.add(bytes(2550), 960) for _ in range(50)) + ogg.end()
    assert [len(packets) for *_, packets in pages(data)] == [23, 23, 4]


def test_packets_of_no_sound_and_lengths_that_end_with_a_segment_are_kept() -> None:
    ogg = OggOpus(7, 16_000, 0, {})
    for length in (255, 0, 510):
        ogg.add(bytes(length), 960)
    (page,) = pages(ogg.end())
    assert [len(packet) for packet in page[3]] == [255, 0, 510]


def test_ffmpeg_plays_what_is_written_sample_for_sample_in_time() -> None:
    encoder = opus.Encoder()
    ogg = OggOpus(7, opus.RATE, encoder.lookahead * 3, {"TITLE": "demo"})
    # Silent but for one click at 1.0 s.
    sound = np.zeros(32_000, np.int16)
    sound[16_000:16_008] = 20_000
    payload = np.zeros(opus.MAX_PAYLOAD, np.uint8)
    data = ogg.head()
    for frame in sound.reshape(-1, opus.FRAME):
        data += ogg.add(payload[: encoder.encode(frame, payload)].tobytes(), 960)
    with av.open(io.BytesIO(data + ogg.end())) as container:
        assert container.streams.audio[0].metadata["TITLE"] == "demo"
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    heard = np.concatenate(frames)
    assert len(heard) == 96_000 - encoder.lookahead * 3
    assert abs(int(np.abs(heard).argmax()) - 48_000) < 48
