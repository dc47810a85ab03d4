"""What is mixed together: the rooms of one phase and one rate, as arrays that last until somebody
comes, goes or changes."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from socket import socket

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import Outbox, Sockets, address_rows
from gateway.media.fan_out import FanOut
from gateway.media.opus import MAX_PAYLOAD
from gateway.media.runs import starts
from gateway.media.speaking import Payloads
from gateway.media.srtp import MAX_TRAILER, PacketRows
from gateway.media.streams import Streams
from gateway.media.uring import Ring

Rows = NDArray[np.intp]

Tap = Callable[[int, NDArray[np.int16]], None]
"""Takes a tick's number and what the whole room sounds like in it."""

HEADER = 12
_WIDTH = HEADER + MAX_PAYLOAD + MAX_TRAILER


@dataclass(slots=True)
class Room:
    """`number` is its lane; `phase` the quarter of the tick in which it is mixed."""

    number: int
    phase: int
    rows: set[int] = field(default_factory=set)
    has_failed: bool = False
    gains: dict[tuple[int, int], float] = field(default_factory=dict)
    """(listener, source): what the one makes of the other's voice; 0.0 is a block."""
    tap: Tap | None = None
    """Takes each tick's mix, for a recording."""


@dataclass(frozen=True, slots=True)
class Run:
    """Packets `start` to `stop` of the outbox leave by one socket."""

    sock: socket
    start: int
    stop: int


class Group:
    """All positions count in `sources` or `listeners`; rooms are numbered from 0 here too."""

    def __init__(
        self, rooms: Sequence[Room], streams: Streams, ring: Ring | None, *, wide: bool
    ) -> None:
        self.wide = wide
        self.rooms = rooms
        self.numbers: Rows = np.array([room.number for room in rooms], np.intp)
        rows = [(place, row) for place, room in enumerate(rooms) for row in sorted(room.rows)]
        sources = [(place, row) for place, row in rows if streams.receive_type[row] >= 0]
        self.sources: Rows = np.array([row for _, row in sources], np.intp)
        self.room_of_source: Rows = np.array([place for place, _ in sources], np.intp)
        listeners = [(place, row) for place, row in rows if self._hears(streams, row)]
        self._place_listeners(listeners, streams, ring)
        position = {row: index for index, row in enumerate(self.listeners.tolist())}
        self.listener_of_source: Rows = np.array(
            [position.get(row, -1) for _, row in sources], np.intp
        )

    @staticmethod
    def _hears(streams: Streams, row: int) -> bool:
        return bool(streams.is_leg[row]) and row in streams.sending

    def _place_listeners(
        self, listeners: list[tuple[int, int]], streams: Streams, ring: Ring | None
    ) -> None:
        """Sorted by socket; the last ones have a socket for each."""
        descriptor_of = {row: streams.sending[row].sock.fileno() for _, row in listeners}
        users = Counter(descriptor_of.values())
        is_alone = {row: users[one] == 1 for row, one in descriptor_of.items()}
        listeners.sort(key=lambda one: (is_alone[one[1]], descriptor_of[one[1]]))
        self.listeners: Rows = np.array([row for _, row in listeners], np.intp)
        self.room_of_listener: Rows = np.array([place for place, _ in listeners], np.intp)
        sendings = [streams.sending[row] for _, row in listeners]
        alone = [streams.sending[row].sock for _, row in listeners if is_alone[row]]
        shared = len(listeners) - len(alone)
        begins = starts(np.array([descriptor_of[row] for _, row in listeners[:shared]], np.int64))
        self.runs = [
            Run(sendings[start].sock, start, stop)
            for start, stop in itertools.pairwise([*begins.tolist(), shared])
        ]
        self.outbox = Outbox(len(listeners), _WIDTH)
        self._sequences = self.outbox.rows.view(">u2")[:, 1]
        self._timestamps = self.outbox.rows.view(">u4")[:, 1]
        self.packets = PacketRows(self.outbox.rows, self.outbox.lengths)
        secure = [(i, one.session) for i, one in enumerate(sendings) if one.session is not None]
        self.secured = self.packets.choose([at for at, _ in secure], [one for _, one in secure])
        self.outbox.addresses[:] = address_rows([sending.address for sending in sendings])
        types = np.array([sending.payload_type for sending in sendings], np.int64)
        words = self.outbox.rows.view(">u4")
        words[:, 0] = 2 << 30 | types << 16
        words[:, 2] = [sending.ssrc for sending in sendings]
        self.fan_out = FanOut(self.outbox, shared, Sockets(alone), ring)
        self.formats: NDArray[np.int8] = streams.format[self.listeners]

    def send(self, streams: Streams, payloads: Payloads, tick: int) -> None:
        """One packet to each listener."""
        rows, outbox = self.listeners, self.outbox
        octets, which = payloads.octets, payloads.of_listener
        sequence = (streams.sequence[rows] + 1) & 0xFFFF
        timestamp = (streams.epoch[rows] + tick * streams.step[rows]) & 0xFFFF_FFFF
        streams.sequence[rows] = sequence
        streams.last_timestamp[rows] = timestamp
        self._sequences[:] = sequence
        self._timestamps[:] = timestamp
        outbox.rows[:, HEADER : HEADER + octets.shape[1]] = octets[which]
        length = payloads.lengths[which]
        outbox.lengths[:] = length + HEADER
        streams.packets_sent[rows] += 1
        streams.octets_sent[rows] += length
        if len(self.secured.which):
            sealed = self.packets.protect_chosen(self.secured)
            if not sealed.all():
                # Never in the clear: an empty datagram goes instead.
                outbox.lengths[self.secured.which[~sealed]] = 0
        for run in self.runs:
            outbox.send(run.sock, run.start, run.stop)
        self.fan_out.send()
