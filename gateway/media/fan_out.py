"""One packet by each of many sockets: what phones hear, who have a port each."""

import socket
from typing import Final

import numpy as np

from gateway.media.datagrams import ADDRESS, Outbox, Sockets
from gateway.media.uring import ENTRY, ONLY_FAILURES, SEND, Ring, entry

RING_ENTRIES: Final = 1024
"""Of a ring to send by."""


class FanOut:
    """Row `start` of an outbox goes by the first socket, the next by the second, and so on.

    By a ring where there is one; its entries are made once, only lengths change. The addresses in
    the outbox are final.
    """

    def __init__(self, outbox: Outbox, start: int, sockets: Sockets, ring: Ring | None) -> None:
        self._outbox = outbox
        self._rows = slice(start, start + len(sockets))
        self._sockets = sockets
        self._ring = ring
        if ring is None:
            return
        rows = np.arange(start, start + len(sockets), dtype=np.uint64)
        families = outbox.addresses[self._rows, :2].view(np.uint16)[:, 0]
        self._entries = np.zeros((len(sockets), ENTRY), np.uint64)
        self._entries[:, 0] = [entry(SEND, one, ONLY_FAILURES) for one in sockets.descriptors]
        self._entries[:, 1] = outbox.addresses.ctypes.data + rows * np.uint64(ADDRESS)
        self._entries[:, 2] = outbox.rows.ctypes.data + rows * np.uint64(outbox.rows.strides[0])
        self._entries[:, 5] = np.where(families == socket.AF_INET, 16, 28).astype(np.uint64) << 32

    def send(self) -> None:
        """What cannot be sent now is lost, as on any other hop."""
        ring, count = self._ring, len(self._sockets)
        if not count:
            return
        if ring is None:
            self._outbox.send_each(self._sockets, self._rows.start)
            return
        self._entries[:, 3] = self._outbox.lengths[self._rows]
        self._entries[:, 3] |= np.uint64(socket.MSG_DONTWAIT << 32)
        for at in range(0, count, ring.entries):
            some = self._entries[at : at + ring.entries]
            ring.queue[ring.places(len(some))] = some
            ring.submit(len(some))
        ring.taken()
