"""PURE: Opus in Ogg (RFC 3533, RFC 7845), page by page: what a recording is on disk.

A page stands for itself and says where in time it ends, so that a file can be played up to its
last whole page, however its writer ended.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

RATE: Final = 48_000
"""Of granule positions, whatever the sound was sampled with; RFC 7845, section 4."""

PAGE: Final = RATE
"""Samples of a page at most: one second is what a crash can cost."""

_MOST_SEGMENTS = 255
_FIRST, _LAST = 0x02, 0x04
_VENDOR = b"Trestle"

_MIRRORED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


class OggOpus:
    """One logical stream, mono. What the methods give is written in that order."""

    def __init__(self, serial: int, sample_rate: int, pre_skip: int, tags: Mapping[str, str]):
        """`serial` is any 32 bits; `pre_skip` the encoder's delay in samples at 48 kHz; `tags` as
        in Vorbis comments (RFC 7845, section 5.2): TITLE, DATE ..."""
        self._serial = serial
        self._pages = 0
        self._granule = 0
        self._packets: list[bytes] = []
        self._samples = 0
        head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, pre_skip, sample_rate, 0, 0)
        comments = [f"{name}={value}".encode() for name, value in tags.items()]
        words = b"".join(struct.pack("<I", len(one)) + one for one in comments)
        count = struct.pack("<I", len(comments))
        described = b"OpusTags" + struct.pack("<I", len(_VENDOR)) + _VENDOR + count + words
        self._head = self._page([head], _FIRST) + self._page([described], 0)

    def head(self) -> bytes:
        """Two pages that come first."""
        return self._head

    def add(self, packet: bytes, samples: int) -> bytes:
        """A packet that lasts `samples` at 48 kHz; gives the page before it if that is full."""
        page = b""
        segments = sum(map(_segments, self._packets)) + _segments(packet)
        if self._packets and (self._samples + samples > PAGE or segments > _MOST_SEGMENTS):
            page = self._flush(0)
        self._packets.append(packet)
        self._samples += samples
        return page

    def end(self) -> bytes:
        """The last page, with what is left."""
        return self._flush(_LAST)

    def _flush(self, flags: int) -> bytes:
        self._granule += self._samples
        page = self._page(self._packets, flags)
        self._packets, self._samples = [], 0
        return page

    def _page(self, packets: list[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(one) // 255) + bytes((len(one) % 255,)) for one in packets)
        place = struct.pack("<QIII", self._granule, self._serial, self._pages, 0)
        head = struct.pack("<4sBB", b"OggS", 0, flags) + place + bytes((len(lacing),))
        page = head + lacing + b"".join(packets)
        self._pages += 1
        return page[:22] + struct.pack("<I", checksum(page)) + page[26:]


def checksum(page: bytes) -> int:
    """RFC 3533, section 6: zlib's polynomial, but with the most significant bit first. So zlib is
    given mirrored octets, and its result is mirrored back."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


def _segments(packet: bytes) -> int:
    return len(packet) // 255 + 1
