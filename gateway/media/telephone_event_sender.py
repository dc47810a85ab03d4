"""PURE: keypad digits as RTP telephone events; RFC 4733, section 2.5.1.

A packet every 20 ms while the key is down, each with the whole duration so far, and the end three
times. The mix goes on meanwhile under timestamps of its own, so that nothing is missing around a
key that nobody understood.
"""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.media.telephone_event import DIGITS

MAX_DIGITS: Final = 64
"""That may wait: 12 s of them."""

_HELD = 5
"""Ticks: 100 ms, as trunks and keypads of doors want it."""

_ENDS = 3
_PAUSE = 2
"""Ticks after the last end; 80 ms after the key was let go."""

_VOLUME = 10
"""-dBm0, for those who make a tone of it."""

_PAYLOAD = struct.Struct("!BBH")
_END = 0x80


@dataclass(frozen=True, slots=True)
class EventPacket:
    """What goes out in one tick."""

    timestamp: int
    """Of the beginning of the event, in all its packets."""
    payload: bytes
    marker: bool
    """On the first of an event."""


class EventSender:
    """The digits of one stream, one after the other."""

    def __init__(self, unit: int) -> None:
        """`unit`: 20 ms in ticks of the events' clock."""
        self._unit = unit
        self._waiting: deque[str] = deque()
        self._tick = 0
        """Of the present key."""
        self._timestamp = 0

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    def add(self, digits: str) -> None:
        """Raises `ValueError` for what is on no keypad, and for more than may wait."""
        wrong = [digit for digit in digits if digit not in DIGITS]
        if wrong or not digits:
            raise ValueError(f"{digits!a} are no keys: expected some of {DIGITS}")
        if len(self._waiting) + len(digits) > MAX_DIGITS:
            raise ValueError(f"more than {MAX_DIGITS} digits at once")
        self._waiting.extend(digits)

    def next(self, timestamp: int) -> EventPacket | None:
        """One tick; `timestamp` is that of the sound that goes out now. None in a pause."""
        if not self._waiting:
            return None
        tick, self._tick = self._tick, self._tick + 1
        if tick == 0:
            self._timestamp = timestamp
        if tick >= _HELD - 1 + _ENDS:
            if self._tick == _HELD - 1 + _ENDS + _PAUSE:
                self._waiting.popleft()
                self._tick = 0
            return None
        held = min(tick + 1, _HELD)
        flags = (_END if held == _HELD else 0) | _VOLUME
        event = DIGITS.index(self._waiting[0])
        payload = _PAYLOAD.pack(event, flags, held * self._unit)
        return EventPacket(self._timestamp, payload, tick == 0)
