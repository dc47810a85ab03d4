"""PURE: keypad digits out of RTP telephone events; RFC 4733.

A key press is a row of packets with one timestamp. Its end comes three times, or, on a bad line,
not at all; either way it is told once, when it has ended.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.media.rtp import timestamp_distance

DIGITS = "0123456789*#ABCD"
"""Events 0 to 15; RFC 4733, section 3.2."""

SILENCE_AFTER = 0.150
"""Without a further packet for that long a press has ended: three packets lost (s. 2.5.1.2)."""

_PAYLOAD = struct.Struct("!BBH")
_LONGEST = 0xFFFF


@dataclass(frozen=True, slots=True)
class _Press:
    event: int
    timestamp: int
    duration: int
    last_heard: float
    told: bool = False


class TelephoneEvents:
    """The telephone events of one RTP stream."""

    def __init__(self) -> None:
        self._press: _Press | None = None

    def receive(self, payload: bytes, timestamp: int, now: float) -> Iterator[str]:
        """The presses that have ended by this packet, mostly none. Drain it."""
        if len(payload) < _PAYLOAD.size:
            return
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        if event >= len(DIGITS):
            return
        press = self._press
        if press is not None and self._continues(press, event, timestamp):
            press = replace(press, timestamp=timestamp, duration=duration, last_heard=now)
        elif press is not None and timestamp_distance(timestamp, press.timestamp) <= 0:
            return  # a late packet of a press before
        else:
            yield from self._end()
            press = _Press(event, timestamp, duration, now)
        self._press = press
        if flags & 0x80:
            yield from self._end()

    def handle_timeout(self, now: float) -> Iterator[str]:
        """The press whose end got lost. Drain it."""
        if self._press is not None and now - self._press.last_heard >= SILENCE_AFTER:
            yield from self._end()

    def _continues(self, press: _Press, event: int, timestamp: int) -> bool:
        if event != press.event:
            return False
        # Section 2.5.1.3: a press longer than a duration can say goes on as a new segment.
        next_segment = (press.timestamp + _LONGEST) & 0xFFFF_FFFF
        return timestamp == press.timestamp or (
            press.duration == _LONGEST and timestamp == next_segment
        )

    def _end(self) -> Iterator[str]:
        if self._press is not None and not self._press.told:
            self._press = replace(self._press, told=True)
            yield DIGITS[self._press.event]
