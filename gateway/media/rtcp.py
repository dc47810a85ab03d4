"""PURE: RTCP packets as values; RFC 3550, section 6, and some feedback (RFC 4585, 5104).

`parse` reads a compound packet, or one alone (RFC 5506), and reads over types we do not know.
Everything in a received packet was written by a stranger; a report block is only believed about
SSRCs that are ours.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

MAX_PACKETS: Final = 32
"""Of one compound packet; more are not read."""

_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IB3sIIII")
_NACK = struct.Struct("!HH")
_FIR = struct.Struct("!IB3x")


class _Kind(IntEnum):
    """Packet types; RFC 3550, section 12.1, and RFC 4585, section 6.1."""

    SR = 200
    RR = 201
    SDES = 202
    BYE = 203
    RTPFB = 205
    PSFB = 206


_NACK_FORMAT = _PLI_FORMAT = 1
_FIR_FORMAT = 4
_CNAME = 1
_MAX_COUNT = 31

_NTP_EPOCH = 2_208_988_800
"""1970 in seconds since 1900."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says about one SSRC; section 6.4.1."""

    ssrc: int
    fraction_lost: int
    """Since the last report, in 256ths."""
    packets_lost: int
    """Since the beginning; negative where there were duplicates."""
    highest_sequence: int
    """Extended by the cycles of the 16-bit number."""
    jitter: int
    """In units of the RTP clock."""
    last_sr: int = 0
    """`middle_of` the NTP time in the last sender report that came; 0 for none."""
    delay_since_last_sr: int = 0
    """In 65536ths of a second."""

    def __bytes__(self) -> bytes:
        lost = max(-0x80_0000, min(0x7F_FFFF, self.packets_lost)).to_bytes(3, "big", signed=True)
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost,
            lost,
            self.highest_sequence & 0xFFFF_FFFF,
            self.jitter & 0xFFFF_FFFF,
            self.last_sr,
            self.delay_since_last_sr & 0xFFFF_FFFF,
        )

    @classmethod
    def _parse(cls, data: bytes, at: int) -> Self:
        ssrc, fraction, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(data, at)
        signed = int.from_bytes(lost, "big", signed=True)
        return cls(ssrc, fraction, signed, highest, jitter, last_sr, delay)


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Section 6.4.1."""

    ssrc: int
    ntp: int
    """64 bits: seconds since 1900 and their fraction."""
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        info = _SENDER_INFO.pack(
            self.ntp,
            self.rtp_timestamp & 0xFFFF_FFFF,
            self.packets & 0xFFFF_FFFF,
            self.octets & 0xFFFF_FFFF,
        )
        body = _word(self.ssrc) + info + b"".join(map(bytes, self.blocks))
        return _packet(_Kind.SR, len(self.blocks), body)


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Section 6.4.2."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def __bytes__(self) -> bytes:
        return _packet(
            _Kind.RR, len(self.blocks), _word(self.ssrc) + b"".join(map(bytes, self.blocks))
        )


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """One chunk with the CNAME; section 6.5. Only written: we ask for no names."""

    ssrc: int
    cname: str

    def __bytes__(self) -> bytes:
        name = self.cname.encode()[:255]
        chunk = _word(self.ssrc) + bytes((_CNAME, len(name))) + name + b"\0"
        return _packet(_Kind.SDES, 1, chunk + bytes(-len(chunk) % 4))


@dataclass(frozen=True, slots=True)
class Bye:
    """Section 6.6; the reason is not kept."""

    ssrcs: tuple[int, ...]

    def __bytes__(self) -> bytes:
        return _packet(_Kind.BYE, len(self.ssrcs), b"".join(map(_word, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers that did not come, ascending; RFC 4585, section 6.2.1."""

    sender: int
    source: int
    lost: tuple[int, ...]

    def __bytes__(self) -> bytes:
        items = b"".join(_NACK.pack(first, mask) for first, mask in _nack_items(self.lost))
        return _packet(_Kind.RTPFB, _NACK_FORMAT, _word(self.sender) + _word(self.source) + items)


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """PLI: a whole picture is wanted; RFC 4585, section 6.3.1."""

    sender: int
    source: int

    def __bytes__(self) -> bytes:
        return _packet(_Kind.PSFB, _PLI_FORMAT, _word(self.sender) + _word(self.source))


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """FIR: a picture that needs no other; RFC 5104, section 4.3.1."""

    sender: int
    sources: tuple[tuple[int, int], ...]
    """SSRC, and a number that tells a new request from one that is repeated."""

    def __bytes__(self) -> bytes:
        items = b"".join(_FIR.pack(ssrc, number) for ssrc, number in self.sources)
        return _packet(_Kind.PSFB, _FIR_FORMAT, _word(self.sender) + _word(0) + items)


RtcpPacket = SenderReport | ReceiverReport | Bye | Nack | PictureLoss | FullIntraRequest


def parse(data: bytes) -> tuple[RtcpPacket, ...]:
    """Raises `ValueError` where a packet is cut off or is no RTCP."""
    return tuple(_parse(data))


def ntp_of(wall_clock: float) -> int:
    """`wall_clock` counts seconds since 1970."""
    return int((wall_clock + _NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF


def middle_of(ntp: int) -> int:
    """The 32 bits that report blocks carry; RFC 3550, section 4."""
    return ntp >> 16 & 0xFFFF_FFFF


def round_trip(block: ReportBlock, ntp: int) -> float | None:
    """Seconds, for a block that arrived at `ntp`; None where it cannot be told. Section 6.4.1."""
    if not block.last_sr:
        return None
    ticks = (middle_of(ntp) - block.last_sr - block.delay_since_last_sr) & 0xFFFF_FFFF
    # A peer whose clock runs fast makes it negative: that is no time at all.
    return 0.0 if ticks >= 0x8000_0000 else ticks / 65_536


def fraction_lost(expected: int, received: int) -> int:
    """In 256ths, of the packets since the last report; appendix A.3."""
    lost = expected - received
    return min(255, lost * 256 // expected) if lost > 0 else 0


def _packet(kind: int, count: int, body: bytes) -> bytes:
    if count > _MAX_COUNT:
        raise ValueError(f"{count} do not fit into one packet")
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body


def _word(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _parse(data: bytes) -> Iterator[RtcpPacket]:
    position = 0
    for _ in range(MAX_PACKETS):
        if position == len(data):
            return
        if position + _HEADER.size > len(data):
            raise ValueError("a header is cut off")
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 * (words + 1)
        if first >> 6 != 2 or end > len(data):
            raise ValueError("no RTCP, or cut off")
        body = data[position + 4 : end]
        if first & 0x20:
            body = body[: len(body) - _padding(body)]
        packet = _read(kind, first & 0x1F, body)
        if packet is not None:
            yield packet
        position = end


def _padding(body: bytes) -> int:
    if not body or not 0 < body[-1] <= len(body):
        raise ValueError("padding longer than its packet")
    return body[-1]


def _read(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    match kind:
        case _Kind.SR:
            _need(body, 4 + _SENDER_INFO.size)
            ntp, timestamp, packets, octets = _SENDER_INFO.unpack_from(body, 4)
            blocks = _blocks(body, 4 + _SENDER_INFO.size, count)
            return SenderReport(_ssrc(body, 0), ntp, timestamp, packets, octets, blocks)
        case _Kind.RR:
            _need(body, 4)
            return ReceiverReport(_ssrc(body, 0), _blocks(body, 4, count))
        case _Kind.BYE:
            _need(body, 4 * count)
            return Bye(tuple(_ssrc(body, 4 * number) for number in range(count)))
        case _Kind.RTPFB if count == _NACK_FORMAT:
            _need(body, 8)
            lost = tuple(sorted(set(_nack_numbers(body))))
            return Nack(_ssrc(body, 0), _ssrc(body, 4), lost)
        case _Kind.PSFB if count == _PLI_FORMAT:
            _need(body, 8)
            return PictureLoss(_ssrc(body, 0), _ssrc(body, 4))
        case _Kind.PSFB if count == _FIR_FORMAT:
            _need(body, 8)
            ends = range(8 + _FIR.size, len(body) + 1, _FIR.size)
            requests = (_FIR.unpack_from(body, end - _FIR.size) for end in ends)
            return FullIntraRequest(_ssrc(body, 0), tuple(requests))
    return None


def _need(body: bytes, length: int) -> None:
    if len(body) < length:
        raise ValueError("a packet is too short for what it says")


def _ssrc(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 4], "big")


def _blocks(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    _need(body, start + count * _BLOCK.size)
    return tuple(ReportBlock._parse(body, start + n * _BLOCK.size) for n in range(count))


def _nack_items(lost: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """(first number, bits of the 16 after it)."""
    numbers = list(lost)
    while numbers:
        first, mask = numbers.pop(0), 0
        while numbers and 0 < (numbers[0] - first) & 0xFFFF <= 16:
            mask |= 1 << ((numbers.pop(0) - first) & 0xFFFF) - 1
        yield first, mask


def _nack_numbers(body: bytes) -> Iterator[int]:
    for at in range(8, len(body) - 3, 4):
        first, mask = _NACK.unpack_from(body, at)
        yield first
        yield from ((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
