"""PURE: the jitter buffer puts packets into order and tells loss from silence.

It holds audio back at the start of a talk spurt, so that later packets may be late by that much.
The reader asks for one packet after the other at the pace of its own clock; where the sender's is
faster, or packets came in a burst, the oldest are dropped, so that delay does not grow.
"""

from collections.abc import Iterable
from enum import Enum
from math import ceil
from typing import Literal

from gateway.media.rtp import RtpPacket, sequence_distance, timestamp_distance

PREFETCH = 0.060
"""Seconds of audio that must be there before playing begins."""

MAX_DELAY = 0.120
"""Seconds of audio beyond which the oldest is dropped, down to `PREFETCH`."""

# RFC 3550, appendix A.1: farther than this from what we expect, the sender has started anew.
_MAX_MISORDER = 100
_MAX_DROPOUT = 1000

_LONGEST_PACKET = 0.120
_SHORTEST_PACKET = 0.0025


class _Lost(Enum):
    LOST = "lost"


LOST = _Lost.LOST
"""A packet that did not come in time, though later ones are here."""


class JitterBuffer:
    """One RTP stream's packets between arrival and playing.

    A change of SSRC begins a new stream (RFC 3550, section 8.2: phones change it after a hold).
    """

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._packets: dict[int, RtpPacket] = {}
        self._ssrc: int | None = None
        self._next: int | None = None
        """The sequence number to play next; None: nothing was heard yet."""
        self._newest = 0
        self._packet_time = 0.020
        self._playing = False
        self._played = False
        """Whether anything of this stream was handed out; before that nothing comes too late."""

    def put(self, packet: RtpPacket) -> None:
        if packet.ssrc != self._ssrc or self._next is None:
            self._restart(packet)
        ahead = sequence_distance(packet.sequence, self._newest)
        behind = sequence_distance(self._next_or(packet), packet.sequence)
        if ahead > _MAX_DROPOUT or behind > _MAX_MISORDER:
            self._restart(packet)
        elif behind > 0:
            if self._played:
                return
            self._next = packet.sequence
        self._measure(packet)
        self._packets[packet.sequence] = packet
        if ahead > 0:
            self._newest = packet.sequence
        if self._delay() > MAX_DELAY:
            self._drop_oldest()

    def get(self) -> RtpPacket | Literal[_Lost.LOST] | None:
        """The next packet in order, `LOST`, or None when there is nothing (more) to play."""
        if not self._packets:
            self._playing = False
        elif not self._playing:
            self._playing = self._delay() >= PREFETCH - self._packet_time / 2
            if self._playing:
                self._next = self._oldest()
                self._played = True
        if not self._playing or self._next is None:
            return None
        packet = self._packets.pop(self._next, None)
        self._next = (self._next + 1) & 0xFFFF
        return LOST if packet is None else packet

    def _restart(self, packet: RtpPacket) -> None:
        self._packets.clear()
        self._ssrc = packet.ssrc
        self._next = self._newest = packet.sequence
        self._playing = self._played = False

    def _next_or(self, packet: RtpPacket) -> int:
        return packet.sequence if self._next is None else self._next

    def _measure(self, packet: RtpPacket) -> None:
        """Learns how much audio one packet holds, from two that follow each other."""
        before = self._packets.get((packet.sequence - 1) & 0xFFFF)
        if before is not None:
            ticks = timestamp_distance(packet.timestamp, before.timestamp)
            seconds = ticks / self._clock_rate
            if _SHORTEST_PACKET <= seconds <= _LONGEST_PACKET:
                self._packet_time = seconds

    def _delay(self) -> float:
        """How many seconds lie between what is played next and the newest packet's end."""
        if not self._packets:
            return 0.0
        first = self._next if self._playing and self._next is not None else self._oldest()
        return (sequence_distance(self._newest, first) + 1) * self._packet_time

    def _oldest(self) -> int:
        return min(self._packets, key=lambda number: sequence_distance(number, self._newest))

    def _drop_oldest(self) -> None:
        keep = max(1, ceil(PREFETCH / self._packet_time))
        self._next = (self._newest - keep + 1) & 0xFFFF
        self._forget(n for n in self._packets if sequence_distance(self._newest, n) >= keep)

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in tuple(numbers):
            del self._packets[number]
