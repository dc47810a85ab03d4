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
    def parse(cls, rows: NDArray[np.uint8], lengths: NDArray[np.int32]) -> "RtpRows":
        """`rows` uint8[n, W], `lengths` int32[n] <= W."""
        width = rows.shape[1]
        at = np.arange(len(rows))
        first, second = rows[:, 0], rows[:, 1]
        words = rows[:, :_HEADER].astype(np.int64)
        end = lengths.astype(np.int64)
        valid = (first >> 6 == 2) & (end >= _HEADER)
        start = _HEADER + 4 * (first & 15).astype(np.int64)
        extended = first & 0x10 != 0
        if extended.any():
            place = np.minimum(start + 2, width - 2)
            size = rows[at, place].astype(np.int64) << 8 | rows[at, place + 1]
            start = np.where(extended, start + 4 + 4 * size, start)
        padded = first & 0x20 != 0
        if padded.any():
            last = rows[at, np.clip(end - 1, 0, width - 1)].astype(np.int64)
            end = np.where(padded, end - last, end)
        valid &= start <= end
        return cls(
            valid,
            (second & 0x7F).astype(np.int64),
            second & 0x80 != 0,
            words[:, 2] << 8 | words[:, 3],
            words[:, 4] << 24 | words[:, 5] << 16 | words[:, 6] << 8 | words[:, 7],
            words[:, 8] << 24 | words[:, 9] << 16 | words[:, 10] << 8 | words[:, 11],
            start,
            end,
            extended & valid,
        )

    def take(self, which: NDArray[np.intp]) -> "RtpRows":
        return RtpRows(*(getattr(self, name)[which] for name in self.__slots__))


def audio_levels(
    rows: NDArray[np.uint8], packets: RtpRows, numbers: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """-dBov by RFC 6464, section 3; `UNKNOWN_LEVEL` where a packet does not say it.

    `numbers`: of the negotiated extension for each packet, 0 for none. Only one-byte headers
    (RFC 8285, section 4.2) are read, and of them the first four elements: senders put few there.
    """
    levels = np.full(len(rows), UNKNOWN_LEVEL, np.uint8)
    which = where(packets.extended & (numbers != 0))
    if not len(which):
        return levels
    begin = _HEADER + 4 * (rows[which, 0] & 15).astype(np.int64)
    profile = rows[which, begin].astype(np.int64) << 8 | rows[which, begin + 1]
    place, end = begin + 4, packets.start[which]
    alive = profile == _ONE_BYTE
    for _ in range(4):
        alive &= place + 1 < end
        safe = np.where(alive, place, 0)
        head = rows[which, safe]
        found = alive & (head >> 4 == numbers[which])
        levels[which[found]] = rows[which[found], safe[found] + 1] & 0x7F
        alive &= ~found
        place = place + np.where(head == 0, 1, (head & 15).astype(np.int64) + 2)
    return levels
