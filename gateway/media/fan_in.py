"""Datagrams from many sockets: what phones send, who have a port each.

Only sockets that have something cost anything. Where io_uring is missing, epoll tells which they
are.
"""

import select
import socket
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import ADDRESS, CONTROL, MESSAGE, WIDTH, Inbox, Sockets
from gateway.media.uring import (
    CANCEL,
    ENTRY,
    MORE,
    MULTISHOT,
    RECVMSG,
    SELECT_BUFFER,
    Entries,
    Ring,
    entry,
)

Rows = NDArray[np.intp]

_ENTRIES = 256
_EACH = 8
"""Datagrams that one socket gives in one go, where epoll is used."""

_HEAD: Final = 16 + ADDRESS + CONTROL
"""Octets before a datagram in its buffer: `struct io_uring_recvmsg_out`, source, control data."""

_KEY: Final = np.uint64((1 << 32) - 1)


class FanIn(Protocol):
    """`add` sockets under keys of one's own choice, below `keys`."""

    def add(self, sock: socket.socket, key: int) -> None: ...

    def remove(self, sock: socket.socket, key: int) -> None:
        """Before it is closed."""
        ...

    def receive(self, box: Inbox) -> Rows:
        """What came since, into the cleared box, as far as it has room; each row's key.

        In order of arrival as far as rows have the same key.
        """
        ...

    def close(self) -> None: ...


def fan_in(keys: int, capacity: int) -> FanIn:
    """For boxes of at least `capacity` rows."""
    ring = Ring.open(_ENTRIES, 2 * capacity)
    if ring is not None:
        try:
            return RingFanIn(ring, keys, capacity)
        except OSError:
            ring.close()
    return PollFanIn()


class PollFanIn:
    """By epoll and `recvmmsg`."""

    def __init__(self) -> None:
        self._ready = select.epoll()
        self._sockets: dict[int, tuple[socket.socket, int]] = {}

    def add(self, sock: socket.socket, key: int) -> None:
        self._sockets[sock.fileno()] = (sock, key)
        self._ready.register(sock, select.EPOLLIN)

    def remove(self, sock: socket.socket, key: int) -> None:
        self._ready.unregister(sock)
        del self._sockets[sock.fileno()]

    def receive(self, box: Inbox) -> Rows:
        room = max(1, box.capacity // _EACH)
        ready = [self._sockets[number] for number, _ in self._ready.poll(0, room)]
        which = box.receive_each(Sockets([sock for sock, _ in ready]), _EACH)
        return np.array([key for _, key in ready], np.intp)[which]

    def close(self) -> None:
        self._ready.close()


class RingFanIn:
    """By a multishot RECVMSG on each socket, into buffers that the kernel takes from a ring."""

    def __init__(self, ring: Ring, keys: int, capacity: int) -> None:
        """`capacity` is a power of two, 32,768 at most. Raises `OSError`."""
        self._ring = ring
        self._capacity = capacity
        self._buffers = np.zeros((capacity, _HEAD + WIDTH), np.uint8)
        # `struct io_uring_buf`: address; length, number. The ring's tail is in the first one.
        self._provided = _aligned(capacity)
        self._provided_tail = self._provided.view(np.uint16)[0, 7:8]
        ring.register_buffers(0, self._provided.ctypes.data, capacity)
        self._tail = 0
        self._provide(np.arange(capacity))
        # What each request wants to know: `struct msghdr` with lengths only.
        self._wanted = np.zeros(1, MESSAGE)
        self._wanted["namelen"], self._wanted["controllen"] = ADDRESS, CONTROL
        self._descriptor = np.full(keys, -1, np.int64)
        self._waiting: Entries = np.zeros((0, ENTRY), np.uint64)
        """Requests that the kernel had no memory for when they were made."""
        self._turn = np.zeros(keys, np.uint64)
        """How often a key was given anew: completions of older ones are nobody's."""

    def add(self, sock: socket.socket, key: int) -> None:
        self._turn[key] = (self._turn[key] + np.uint64(1)) & _KEY
        self._descriptor[key] = sock.fileno()
        self._arm(np.array([key]))

    def remove(self, sock: socket.socket, key: int) -> None:
        cancel = np.zeros((1, ENTRY), np.uint64)
        cancel[0, 0] = entry(CANCEL, -1)
        cancel[0, 2] = self._user_data(np.array([key]))[0]
        cancel[0, 4] = ~np.uint64(0)
        self._descriptor[key] = -1
        self._start(cancel)
        # Only then does closing the socket free its port.
        self._ring.settle()

    def receive(self, box: Inbox) -> Rows:
        if len(self._waiting):
            self._start(self._waiting[:0])
        done = self._ring.completions()
        if not len(done):
            return np.zeros(0, np.intp)
        keys = (done["user_data"] & _KEY).astype(np.intp)
        known = keys < len(self._descriptor)
        keys[~known] = 0
        known &= done["user_data"] == self._user_data(keys)
        known &= self._descriptor[keys] >= 0
        has_buffer = (done["flags"] & 1) != 0
        buffers = (done["flags"] >> 16).astype(np.intp)
        good = known & has_buffer & (done["result"] >= _HEAD)
        self._copy(box, buffers[good], done["result"][good])
        self._provide(buffers[has_buffer])
        self._arm(keys[known & ((done["flags"] & MORE) == 0)])
        taken: Rows = keys[good]
        return taken

    def close(self) -> None:
        self._ring.close()

    def _copy(self, box: Inbox, buffers: Rows, results: NDArray[Any]) -> None:
        heads = self._buffers[buffers, :_HEAD]  # a copy
        sizes = heads[:, :8].view(np.uint32)
        # Behind what the kernel wrote stands what an earlier datagram left.
        addresses = heads[:, 16 : 16 + ADDRESS]
        addresses[np.arange(ADDRESS) >= sizes[:, :1]] = 0
        control = heads[:, 16 + ADDRESS :]
        control[sizes[:, 1] == 0] = 0
        lengths = results - _HEAD
        width = int(lengths.max(initial=0))
        box.put(self._buffers[buffers, _HEAD : _HEAD + width], lengths, addresses, control)

    def _provide(self, buffers: Rows) -> None:
        count = len(buffers)
        places = np.arange(self._tail, self._tail + count) & (self._capacity - 1)
        # The last uint16 of the first place is the tail: it is written below, after the rest.
        tail = np.uint64(self._tail << 48)
        lengths = np.uint64(_HEAD + WIDTH) | buffers.astype(np.uint64) << np.uint64(32)
        lengths[places == 0] |= tail
        step = np.uint64(self._buffers.strides[0])
        self._provided[places, 0] = self._buffers.ctypes.data + buffers.astype(np.uint64) * step
        self._provided[places, 1] = lengths
        self._tail = (self._tail + count) & 0xFFFF
        self._provided_tail[0] = self._tail

    def _arm(self, keys: Rows) -> None:
        entries = np.zeros((len(keys), ENTRY), np.uint64)
        entries[:, 0] = [
            entry(RECVMSG, one, SELECT_BUFFER) | MULTISHOT
            for one in self._descriptor[keys].tolist()
        ]
        entries[:, 2] = self._wanted.ctypes.data
        entries[:, 3] = 1
        entries[:, 4] = self._user_data(keys)
        self._start(entries)

    def _start(self, entries: Entries) -> None:
        """What is waiting, and then these."""
        ring, left = self._ring, np.concatenate((self._waiting, entries))
        while len(left):
            some = left[: ring.entries]
            ring.queue[ring.places(len(some))] = some
            started = ring.submit(len(some))
            left = left[started:]
            if started < len(some):
                break
        self._waiting = left

    def _user_data(self, keys: Rows) -> NDArray[np.uint64]:
        return keys.astype(np.uint64) | self._turn[keys] << np.uint64(32)


def _aligned(count: int) -> NDArray[np.uint64]:
    """uint64[count, 2] on a page of its own, as the kernel wants it."""
    page = 4096
    memory = np.zeros(count * 16 + page, np.uint8)
    start = -memory.ctypes.data % page
    return memory[start : start + count * 16].view(np.uint64).reshape(count, 2)
