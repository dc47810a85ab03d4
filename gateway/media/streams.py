"""The streams of an engine as columns: a row is what one leg, or one section of a seat, carries."""

from dataclasses import dataclass
from socket import socket
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.formats import CLOCK_RATE, Format
from gateway.media.srtp import SrtpSession
from gateway.media.transport import AddressKey

NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Receiving:
    """What to take of what comes in on a stream."""

    payload_type: int
    events_type: int = NOBODY
    """Of telephone events; RFC 4733."""
    level_number: int = 0
    """Of the header extension with audio levels (RFC 6464), 1 to 14; 0 for none."""
    noise_type: int = NOBODY
    """Of comfort noise; RFC 3389."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How a stream goes out."""

    payload_type: int
    ssrc: int
    sock: socket
    address: AddressKey
    session: SrtpSession | None = None
    """None is plain RTP."""
    mid: bytes = b""
    mid_number: int = 0
    """Of the MID header extension (RFC 9143), for the sections of a seat; 0 for none."""
    events_type: int = NOBODY
    """Of the telephone events that the peer takes; RFC 4733."""
    events_rate: int = 8000
    """Their clock, which some phones let differ from the sound's."""


class Streams:
    """All arrays are [capacity]; a row number is given again only after it was freed."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = list(range(capacity - 1, -1, -1))
        self.room = np.full(capacity, NOBODY, np.int64)
        self.format = np.zeros(capacity, np.int8)
        self.is_leg = np.zeros(capacity, np.bool_)
        self.is_muted = np.zeros(capacity, np.bool_)
        self.is_source = np.zeros(capacity, np.bool_)
        """Whether its room hears it, as far as roles go."""
        self.is_repacked = np.zeros(capacity, np.bool_)
        self.was_told = np.zeros(capacity, np.bool_)
        """Whether its first frame was reported."""
        self.receive_type = np.full(capacity, NOBODY, np.int64)
        self.events_type = np.full(capacity, NOBODY, np.int64)
        self.noise_type = np.full(capacity, NOBODY, np.int64)
        self.level_number = np.zeros(capacity, np.uint8)
        self.sending: dict[int, Sending] = {}
        self.sequence = np.zeros(capacity, np.int64)
        self.epoch = np.zeros(capacity, np.int64)
        self.step = np.zeros(capacity, np.int64)
        self.packets_sent = np.zeros(capacity, np.int64)
        self.octets_sent = np.zeros(capacity, np.int64)
        self.last_timestamp = np.zeros(capacity, np.int64)
        self.packets_received = np.zeros(capacity, np.int64)
        self.octets_received = np.zeros(capacity, np.int64)
        self.refused = np.zeros(capacity, np.int64)
        """Packets that came for it from strangers, forged, replayed, or far too many."""
        self.last_heard = np.zeros(capacity, np.float64)

    def __len__(self) -> int:
        return self.capacity - len(self._free)

    @property
    def free(self) -> int:
        """How many rows can still be taken."""
        return len(self._free)

    def take(self, room: int, format_: Format, *, is_leg: bool, start: tuple[int, int]) -> int:
        """A new row; `start` are random numbers for its first sequence number and timestamp.

        Raises `IndexError` when all rows are taken.
        """
        row = self._free.pop()
        self.room[row] = room
        self.is_leg[row] = is_leg
        self.is_muted[row] = self.is_source[row] = self.was_told[row] = False
        self.set_format(row, format_)
        self.receive_type[row] = self.events_type[row] = self.noise_type[row] = NOBODY
        self.level_number[row] = 0
        self.sequence[row], self.epoch[row] = start
        self.packets_sent[row] = self.octets_sent[row] = self.packets_received[row] = 0
        self.octets_received[row] = self.refused[row] = 0
        self.last_heard[row] = 0.0
        return row

    def set_format(self, row: int, format_: Format) -> None:
        self.format[row] = format_
        self.step[row] = CLOCK_RATE[format_] // 50
        self.is_repacked[row] = False

    def refuse(self, rows: NDArray[np.intp]) -> None:
        """A packet of each of `rows` was not taken; -1 is nobody's."""
        np.add.at(self.refused, rows[rows >= 0], 1)

    def timestamp(self, row: int, tick: int) -> int:
        """Of what goes out on the row in that tick."""
        return (int(self.epoch[row]) + tick * int(self.step[row])) & 0xFFFF_FFFF

    def give_back(self, row: int) -> None:
        self.room[row] = NOBODY
        self.sending.pop(row, None)
        self._free.append(row)
