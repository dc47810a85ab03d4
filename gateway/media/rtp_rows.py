"""PURE: the headers of many RTP packets at once; RFC 3550, section 5.1, RFC 6464, RFC 8285.

What is longer than its packet is not valid, and its other fields mean nothing.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.runs import where

Whole = NDArray[np.int64]

UNKNOWN_LEVEL: Final = 255

_HEADER = 12
_ALL = slice(None)
_ONE_BYTE = 0xBEDE


@dataclass(frozen=True, slots=True)
class RtpRows:
    """One element for each packet."""

    valid: NDArray[np.bool_]
    payload_type: Whole
    marker: NDArray[np.bool_]
    sequence: Whole
    timestamp: Whole
    ssrc: Whole
    start: Whole
    """Where the payload begins."""
    end: Whole
    extended: NDArray[np.bool_]
    """Whether there is a header extension."""

    @classmethod
    def parse(
        cls,
        rows: NDArray[np.uint8],
        lengths: NDArray[np.int32],
        which: NDArray[np.intp] | slice = _ALL,
    ) -> "RtpRows":
        """Of packets `which`. `rows` uint8[n, W], W a multiple of 4; `lengths` int32[n] <= W."""
        at = np.arange(len(rows)) if isinstance(which, slice) else which
        words = rows.view(">u4")[which, :3].T.astype(np.int64)
        head, end = words[0], lengths[which].astype(np.int64)
        valid = (head >> 30 == 2) & (end >= _HEADER)
        start = _HEADER + (head >> 22 & 0x3C)
        extended = head & 1 << 28 != 0
        if extended.any():
            halves = rows.view(">u2")
            size = halves[at, np.minimum((start >> 1) + 1, halves.shape[1] - 1)]
            start = np.where(extended, start + 4 + 4 * size.astype(np.int64), start)
        padded = head & 1 << 29 != 0
        if padded.any():
            last = rows[at, np.clip(end - 1, 0, rows.shape[1] - 1)].astype(np.int64)
            end = np.where(padded, end - last, end)
        valid &= start <= end
        return cls(
            valid,
            head >> 16 & 0x7F,
            head & 1 << 23 != 0,
            head & 0xFFFF,
            words[1],
            words[2],
            start,
            end,
            extended & valid,
        )

    def take(self, which: NDArray[np.intp]) -> "RtpRows":
        return RtpRows(*(getattr(self, name)[which] for name in self.__slots__))


def audio_levels(
    rows: NDArray[np.uint8],
    which: NDArray[np.intp],
    packets: RtpRows,
    numbers: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """-dBov by RFC 6464, section 3; `UNKNOWN_LEVEL` where a packet does not say it.

    Packet i is `rows[which[i]]`, `numbers[i]` that of the negotiated extension, 0 for none. Only
    one-byte headers (RFC 8285, section 4.2) are read, and of them the first four elements: senders
    put few there.
    """
    levels = np.full(len(which), UNKNOWN_LEVEL, np.uint8)
    told = where(packets.extended & (numbers != 0))
    if not len(told):
        return levels
    at, wanted = which[told], numbers[told]
    begin = _HEADER + 4 * (rows[at, 0] & 15).astype(np.int64)
    alive = rows.view(">u2")[at, begin >> 1] == _ONE_BYTE
    place, end = begin + 4, packets.start[told]
    for _ in range(4):
        alive &= place + 1 < end
        safe = np.where(alive, place, 0)
        head = rows[at, safe]
        found = alive & (head >> 4 == wanted)
        levels[told[found]] = rows[at[found], safe[found] + 1] & 0x7F
        alive &= ~found
        if not alive.any():
            break
        place = place + np.where(head == 0, 1, (head & 15).astype(np.int64) + 2)
    return levels
