"""PURE: RTP packets as values; RFC 3550, section 5.1, with the MID extension of RFC 9143.

Other header extensions are read over. Everything in a received packet was written by a stranger.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_ONE_BYTE_PROFILE = 0xBEDE
"""RFC 8285, section 4.2; two-byte headers (section 4.3) have profiles 0x1000 to 0x100F."""

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""RFC 6464."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet. `mid` is "" where it carries none, or none was negotiated."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    mid: str = ""

    @classmethod
    def parse(cls, data: bytes, mid_extension: int = 0) -> Self:
        """Raises `ValueError` for what is no RTP packet."""
        if len(data) < _HEADER.size:
            raise ValueError("shorter than a header")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first >> 6 != 2:
            raise ValueError("not version 2")
        position = _HEADER.size + 4 * (first & 15)
        mid = ""
        if first & 0x10:
            if len(data) < position + _EXTENSION.size:
                raise ValueError("header extension cut off")
            profile, words = _EXTENSION.unpack_from(data, position)
            position += _EXTENSION.size
            elements = _elements(profile, data[position : position + 4 * words])
            if mid_extension:
                found = next((value for number, value in elements if number == mid_extension), b"")
                mid = found.decode("ascii", "replace")
            position += 4 * words
        end = len(data) - (data[-1] if first & 0x20 else 0)
        if position > end:
            raise ValueError("padding or header longer than the packet")
        marker, payload_type = second >> 7 == 1, second & 0x7F
        return cls(payload_type, sequence, timestamp, ssrc, data[position:end], marker, mid)

    def serialize(self, mid_extension: int = 0) -> bytes:
        """`mid_extension` is the negotiated number (1 to 14) of the MID extension, or 0."""
        extension = b""
        if mid_extension and 0 < len(self.mid) <= 16:
            element = bytes((mid_extension << 4 | len(self.mid) - 1,)) + self.mid.encode("ascii")
            element += bytes(-len(element) % 4)
            extension = _EXTENSION.pack(_ONE_BYTE_PROFILE, len(element) // 4) + element
        first = 0x90 if extension else 0x80
        second = self.marker << 7 | self.payload_type
        header = _HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)
        return header + extension + self.payload


def _elements(profile: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """RFC 8285: (number, value) of each element; ends quietly at the first that is cut off."""
    one_byte = profile == _ONE_BYTE_PROFILE
    if not one_byte and profile >> 4 != 0x100:
        return
    position = 0
    while position < len(data):
        if data[position] == 0:  # padding
            position += 1
            continue
        if one_byte:
            number, length, start = data[position] >> 4, (data[position] & 15) + 1, position + 1
        elif position + 1 < len(data):
            number, length, start = data[position], data[position + 1], position + 2
        else:
            return
        position = start + length
        if position <= len(data):
            yield number, data[start:position]


def is_rtcp(data: bytes) -> bool:
    """Tells RTCP from RTP on one port; RFC 5761, section 4."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def sequence_distance(newer: int, older: int) -> int:
    """How far 16-bit sequence number `newer` lies ahead of `older`: -32768 to 32767."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(newer: int, older: int) -> int:
    """The same for 32-bit timestamps."""
    return ((newer - older + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
