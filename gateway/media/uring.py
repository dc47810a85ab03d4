"""io_uring(7): many system calls by one, through ctypes and numpy.

A phone has a port of its own, so its packets cannot share a `sendmmsg` with another's. A ring takes
one entry for each socket instead: sending that way costs about a quarter less processor time, and
receiving half, since only sockets that have something are looked at.

Missing before Linux 6.1, and where a sandbox forbids it (Docker's default does): `Ring.open` gives
None then.
"""

import ctypes
import os
import weakref
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Entries = NDArray[np.uint64]

_SETUP, _ENTER, _REGISTER = 425, 426, 427
"""System calls; these numbers are the same on all architectures."""

_CQSIZE, _SUBMIT_ALL, _SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 3, 1 << 7, 1 << 12, 1 << 13
_SQES: Final = 0x1000_0000
_GETEVENTS, _EXT_ARG = 1, 8
_REGISTER_PBUF_RING = 22
_PROT_READ_WRITE = 1 | 2
_MAP_SHARED_POPULATE = 0x01 | 0x8000

ENTRY: Final = 8
"""uint64 words of a submission entry (`struct io_uring_sqe`); see `entry`."""

SEND: Final = 26
RECVMSG: Final = 10
CANCEL: Final = 14
"""Opcodes; `enum io_uring_op`."""

SELECT_BUFFER: Final = 1 << 5
ONLY_FAILURES: Final = 1 << 6
MULTISHOT: Final = 1 << 1 << 16
"""Flags for `entry`: of the entry, or of receiving."""

MORE: Final = 1 << 1
"""A completion's flag: its request goes on."""

COMPLETION = np.dtype([("user_data", "u8"), ("result", "i4"), ("flags", "u4")])

_PARAMS = np.dtype([("head", "u4", 10), ("sq", "u4", 10), ("cq", "u4", 10)])


def _load() -> ctypes.PyDLL | None:
    """libc. `PyDLL` keeps the interpreter's lock: these calls never wait."""
    libc = ctypes.PyDLL(None, use_errno=True)
    if not hasattr(libc, "syscall") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    libc.syscall.restype = ctypes.c_long
    libc.syscall.argtypes = [ctypes.c_long] * 7
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int),
        *(ctypes.c_int, ctypes.c_long),
    ]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


_LIBC = _load() if os.uname().sysname == "Linux" else None


def entry(opcode: int, descriptor: int, flags: int = 0) -> int:
    """The first word of a submission entry; the others stand in `struct io_uring_sqe`'s order."""
    return opcode | flags << 8 | (descriptor & 0xFFFF_FFFF) << 32


class Ring:
    """One submission and one completion queue; for the thread that opened it."""

    def __init__(self, descriptor: int, params: NDArray[Any]) -> None:
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        # Python's mmap would keep a descriptor of its own.
        head, sq, cq = (params[name][0].tolist() for name in ("head", "sq", "cq"))
        self.entries: int = head[0]
        count: int = head[1]
        size = max(sq[6] + 4 * self.entries, cq[5] + COMPLETION.itemsize * count)
        self._memory = self._map(size, 0)
        entries = self._map(self.entries * ENTRY * 8, _SQES)
        self.queue: Entries = np.frombuffer(entries, np.uint64).reshape(-1, ENTRY)
        self._tail = self._word(sq[1])
        np.frombuffer(self._memory, np.uint32, self.entries, sq[6])[:] = np.arange(self.entries)
        self._done_head, self._done_tail = self._word(cq[0]), self._word(cq[1])
        self._done = np.frombuffer(self._memory, COMPLETION, count, cq[5])
        # A wait of no time: all that is ready is looked at, and nothing is waited for.
        self._no_time = np.zeros(2, np.int64)
        self._at_once = np.array([0, 0, self._no_time.ctypes.data], np.uint64)

    @classmethod
    def open(cls, entries: int, completions: int) -> Self | None:
        """Both are rounded up to powers of two. None where there is no io_uring for us."""
        if _LIBC is None:
            return None
        params = np.zeros(1, _PARAMS)
        params["head"][0, 1:3] = (
            completions,
            _CQSIZE | _SUBMIT_ALL | _SINGLE_ISSUER | _DEFER_TASKRUN,
        )
        descriptor = _LIBC.syscall(_SETUP, entries, params.ctypes.data, 0, 0, 0, 0)
        if descriptor < 0:
            return None
        try:
            return cls(descriptor, params)
        except OSError:
            return None

    def close(self) -> None:
        """Ends whatever is under way."""
        self._close()

    def places(self, count: int) -> NDArray[np.intp]:
        """Where in `queue` the next `count` entries, `entries` at most, have to stand."""
        start = int(self._tail[0])
        return np.arange(start, start + count) & (self.entries - 1)

    def submit(self, count: int) -> int:
        """Starts the entries at `places(count)`; those that the kernel has no memory for are lost.

        Gives how many were started.
        """
        tail = int(self._tail[0])
        self._tail[0] = (tail + count) & 0xFFFF_FFFF
        started = max(0, self._enter(count, 0, 0, 0))
        self._tail[0] = (tail + started) & 0xFFFF_FFFF
        return started

    def completions(self) -> NDArray[Any]:
        """What has ended or gone on since; COMPLETION[n]."""
        self._enter(0, len(self._done), _GETEVENTS | _EXT_ARG, self._at_once.ctypes.data)
        return self.taken()

    def settle(self) -> None:
        """Lets what has been cancelled end now; its completions are taken later."""
        self._enter(0, 0, _GETEVENTS, 0)

    def taken(self) -> NDArray[Any]:
        """The completions that are there without asking the kernel for more."""
        head, tail = int(self._done_head[0]), int(self._done_tail[0])
        count = (tail - head) & 0xFFFF_FFFF
        done: NDArray[Any] = self._done[np.arange(head, head + count) & (len(self._done) - 1)]
        self._done_head[0] = tail
        return done

    def register_buffers(self, group: int, address: int, count: int) -> None:
        """A ring of provided buffers (IORING_REGISTER_PBUF_RING). Raises `OSError`."""
        assert _LIBC is not None
        request = np.array([address, count | group << 32, 0, 0, 0], np.uint64)
        done = _LIBC.syscall(
            _REGISTER, self._descriptor, _REGISTER_PBUF_RING, request.ctypes.data, 1, 0, 0
        )
        if done < 0:
            raise OSError(ctypes.get_errno(), "io_uring has no buffer rings")

    def _enter(self, submit: int, complete: int, flags: int, argument: int) -> int:
        assert _LIBC is not None
        size = 24 if argument else 0
        return int(_LIBC.syscall(_ENTER, self._descriptor, submit, complete, flags, argument, size))

    def _map(self, size: int, offset: int) -> memoryview:
        """The ring's memory; it is given back when nobody knows this object any more."""
        assert _LIBC is not None
        shared, flags = _PROT_READ_WRITE, _MAP_SHARED_POPULATE
        address = _LIBC.mmap(None, size, shared, flags, self._descriptor, offset)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no memory for io_uring")
        weakref.finalize(self, _LIBC.munmap, address, size)
        return memoryview((ctypes.c_char * size).from_address(address)).cast("B")

    def _word(self, offset: int) -> NDArray[np.uint32]:
        return np.frombuffer(self._memory, np.uint32, 1, offset)
