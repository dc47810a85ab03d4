"""Datagrams by the hundred: recvmmsg and sendmmsg on the rows of numpy arrays.

A batch costs one call of Python instead of one per packet; the kernel's part stays the same. Where
the two calls are missing (they are Linux's), plain sockets do the same work more slowly.

Addresses are rows of 32 octets: an `AddressKey` in little-endian order, which is a `sockaddr_in`
or `sockaddr_in6` as Linux lays it out, and then zeros.
"""

import ctypes
import socket
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.transport import AddressKey, address_of, key_of

Octets = NDArray[np.uint8]

ADDRESS: Final = 32
"""Octets of an address row."""

WIDTH: Final = 2048
"""Octets that are kept of a received datagram; more than any Ethernet frame carries."""

MESSAGE: Final = np.dtype(
    [
        ("name", "u8"),
        ("namelen", "u4"),
        ("_a", "u4"),
        ("iov", "u8"),
        ("iovlen", "u8"),
        ("control", "u8"),
        ("controllen", "u8"),
        ("flags", "i4"),
        ("_b", "u4"),
        ("len", "u4"),
        ("_c", "u4"),
    ]
)
"""`struct mmsghdr` of 64-bit Linux; its first 56 octets are a `struct msghdr`."""

_IOV = np.dtype([("base", "u8"), ("len", "u8")])
CONTROL: Final = 64
"""Octets of control data that are kept of a received datagram."""

_SO_TIMESTAMPNS = 35
_RECEIVE_BUFFER = 4 << 20


def _load() -> ctypes.PyDLL | None:
    """libc with the two calls. `PyDLL` keeps the interpreter's lock: the calls never block."""
    libc = ctypes.PyDLL(None)
    pointer, whole = ctypes.c_void_p, ctypes.c_int
    try:
        libc.recvmmsg.argtypes = [whole, pointer, ctypes.c_uint, whole, pointer]
        libc.sendmmsg.argtypes = [whole, pointer, ctypes.c_uint, whole]
        libc.sendmsg.argtypes = [whole, pointer, whole]
    except AttributeError:
        return None
    return libc if ctypes.sizeof(pointer) == 8 else None


_LIBC = _load()


def address_row(key: AddressKey) -> Octets:
    """The row, uint8[32], of an address key."""
    return np.frombuffer(key.to_bytes(ADDRESS, "little"), np.uint8)


def address_rows(keys: Sequence[AddressKey]) -> Octets:
    """uint8[n, 32], to read."""
    octets = b"".join(key.to_bytes(ADDRESS, "little") for key in keys)
    return np.frombuffer(octets, np.uint8).reshape(len(keys), ADDRESS)


def address_keys(rows: Octets) -> list[AddressKey]:
    """The key of each address row of uint8[n, 32]."""
    words = rows.view(np.uint64)
    if not words[:, 1:].any():
        keys: list[int] = words[:, 0].tolist()
        return keys
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def prepare(sock: socket.socket) -> socket.socket:
    """Makes a bound UDP socket fit for an `Inbox`: no waiting, room for bursts, arrival times."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    if _LIBC is not None:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return sock


def _headers(buffers: Octets, addresses: Octets) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """`mmsghdr` and `iovec` over the rows of both arrays, which have to be kept alive."""
    rows = np.arange(len(buffers), dtype=np.uint64)
    iov, msg = np.zeros(len(rows), _IOV), np.zeros(len(rows), MESSAGE)
    iov["base"] = buffers.ctypes.data + rows * np.uint64(buffers.strides[0])
    iov["len"] = buffers.shape[1]
    msg["name"] = addresses.ctypes.data + rows * np.uint64(ADDRESS)
    msg["iov"] = iov.ctypes.data + rows * np.uint64(_IOV.itemsize)
    msg["iovlen"] = 1
    return msg, iov


def _arrivals(control: Octets) -> NDArray[np.float64]:
    """When the kernel saw datagrams come, on the monotonic clock, by SO_TIMESTAMPNS."""
    # struct cmsghdr is 16 octets, then a timespec on the wall clock.
    stamps = control[:, 16:32].copy().view(np.int64)
    now, wall = time.monotonic(), time.time()
    ages = wall - (stamps[:, 0] + stamps[:, 1] * 1e-9)
    # A wall clock that was set meanwhile, or no stamp at all: then it came just now.
    return np.asarray(now - np.where((ages >= 0) & (ages < 1), ages, 0))


class Sockets:
    """Some sockets, with their descriptors at hand."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.sockets = sockets
        self.descriptors = [sock.fileno() for sock in sockets]

    def __len__(self) -> int:
        return len(self.sockets)


class Inbox:
    """Received datagrams as rows; `count` of them are valid until the next `clear`.

    `rows` uint8[capacity, WIDTH], `addresses` uint8[capacity, 32], `lengths` int32[capacity] and
    `arrivals` float64[capacity], seconds on the monotonic clock, as the kernel saw them come.
    """

    def __init__(self, capacity: int) -> None:
        self.count = 0
        self.rows = np.zeros((capacity, WIDTH), np.uint8)
        self.addresses = np.zeros((capacity, ADDRESS), np.uint8)
        self.lengths = np.zeros(capacity, np.int32)
        self.arrivals = np.zeros(capacity, np.float64)
        self.capacity = capacity
        self._settled = 0
        self._msg, self._iov = _headers(self.rows, self.addresses)
        self._control = np.zeros((capacity, CONTROL), np.uint8)
        places = np.arange(capacity, dtype=np.uint64) * np.uint64(CONTROL)
        self._msg["control"] = self._control.ctypes.data + places
        self._msg["namelen"], self._msg["controllen"] = 28, CONTROL
        self._first = self._msg.ctypes.data
        # As octets: fields of records are slow to copy.
        self._headers = self._msg.view(np.uint8).reshape(capacity, MESSAGE.itemsize)
        self._unused = self._headers.copy()

    def clear(self) -> None:
        used = slice(0, self.count)
        self.addresses[used] = self._control[used] = 0
        self._headers[used] = self._unused[used]
        self.count = self._settled = 0

    def receive(self, sock: socket.socket) -> bool:
        """Takes what is there; False if there may be more, for which there was no room."""
        if _LIBC is None:
            self._receive_plainly(sock, self.capacity)
        else:
            room = self.capacity - self.count
            place = self._first + self.count * MESSAGE.itemsize
            got = _LIBC.recvmmsg(sock.fileno(), place, room, socket.MSG_DONTWAIT, None)
            self.count += max(0, got)
        self._settle()
        return self.count < self.capacity

    def put(
        self, rows: Octets, lengths: NDArray[np.int32], addresses: Octets, control: Octets
    ) -> None:
        """Datagrams that were received otherwise: uint8[n, w], and as much of the other columns."""
        new = slice(self.count, self.count + len(rows))
        self.rows[new, : rows.shape[1]] = rows
        self.lengths[new] = lengths
        self.addresses[new] = addresses
        self.arrivals[new] = _arrivals(control)
        self.count = self._settled = new.stop

    def receive_each(self, sockets: Sockets, each: int) -> NDArray[np.intp]:
        """Up to `each` datagrams from every socket; gives each row's position in `sockets`.

        The caller passes no more sockets than `capacity` / `each`.
        """
        before = self.count
        numbers: list[int] = []
        if _LIBC is None:
            for sock in sockets.sockets:
                start = self.count
                self._receive_plainly(sock, start + each)
                numbers.append(self.count - start)
        else:
            receive, wait = _LIBC.recvmmsg, socket.MSG_DONTWAIT
            size, place = MESSAGE.itemsize, self._first + before * MESSAGE.itemsize
            for descriptor in sockets.descriptors:
                got = receive(descriptor, place, each, wait, None)
                if got > 0:
                    place += got * size
                    numbers.append(got)
                else:
                    numbers.append(0)
            self.count += sum(numbers)
        self._settle()
        return np.repeat(np.arange(len(sockets)), numbers)

    def _settle(self) -> None:
        """Lengths and arrival times of what came since the last call."""
        new = slice(self._settled, self.count)
        if new.start == new.stop:
            return
        self._settled = self.count
        if _LIBC is None:
            self.arrivals[new] = time.monotonic()
            return
        self.lengths[new] = self._msg["len"][new]
        self.arrivals[new] = _arrivals(self._control[new])

    def _receive_plainly(self, sock: socket.socket, until: int) -> None:
        while self.count < min(until, self.capacity):
            try:
                size, source = sock.recvfrom_into(self.rows[self.count])
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier datagram of ours
            self.addresses[self.count] = address_row(key_of(source[0], source[1]))
            self.lengths[self.count] = size
            self.count += 1


class Outbox:
    """Datagrams to send as rows: fill `rows`, `lengths` and `addresses`, then send.

    `rows` uint8[capacity, width], `lengths` int32[capacity], `addresses` uint8[capacity, 32].
    What cannot be sent now is lost, as on any other hop: it is told by the number sent.
    """

    def __init__(self, capacity: int, width: int) -> None:
        self.capacity = capacity
        self.rows = np.zeros((capacity, width), np.uint8)
        self.addresses = np.zeros((capacity, ADDRESS), np.uint8)
        self.lengths = np.zeros(capacity, np.int32)
        self._msg, self._iov = _headers(self.rows, self.addresses)
        self._first = self._msg.ctypes.data

    def send(self, sock: socket.socket, start: int, stop: int) -> int:
        """The rows from `start` to `stop` by one socket; gives how many went."""
        if _LIBC is None:
            return sum(self._send_plainly(sock, row) for row in range(start, stop))
        self._settle(sock.family, slice(start, stop))
        base, at, sent, descriptor = self._first, start, 0, sock.fileno()
        while at < stop:
            place = base + at * MESSAGE.itemsize
            got = _LIBC.sendmmsg(descriptor, place, min(1024, stop - at), socket.MSG_DONTWAIT)
            # The first of them cannot be sent (no route, or an ICMP error came back): read over.
            at += max(1, got)
            sent += max(0, got)
        return sent

    def send_each(self, sockets: Sockets, start: int) -> int:
        """Row `start` by the first socket, the next by the second, and so on."""
        if _LIBC is None:
            return sum(
                self._send_plainly(sock, start + i) for i, sock in enumerate(sockets.sockets)
            )
        if not len(sockets):
            return 0
        self._settle(None, slice(start, start + len(sockets)))
        send, wait, size = _LIBC.sendmsg, socket.MSG_DONTWAIT, MESSAGE.itemsize
        place = self._first + start * size
        sent = 0
        for descriptor in sockets.descriptors:
            if send(descriptor, place, wait) >= 0:
                sent += 1
            place += size
        return sent

    def _settle(self, family: socket.AddressFamily | None, which: slice) -> None:
        self._iov["len"][which] = self.lengths[which]
        if family is None:
            families = self.addresses[which, :2].view(np.uint16)[:, 0]
            self._msg["namelen"][which] = np.where(families == socket.AF_INET, 16, 28)
        else:
            self._msg["namelen"][which] = 16 if family == socket.AF_INET else 28

    def _send_plainly(self, sock: socket.socket, row: int) -> int:
        data = self.rows[row, : self.lengths[row]].tobytes()
        target = address_of(address_keys(self.addresses[row : row + 1])[0])
        try:
            sock.sendto(data, target)
        except OSError:
            return 0
        return 1
