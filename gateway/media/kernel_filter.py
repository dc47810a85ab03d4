"""What is neither STUN, DTLS nor RTP does not get past the kernel (RFC 7983, section 7).

A flood of rubbish then takes no room in the socket's buffer, where real packets have to wait for
the next step. It is the same rule as `demultiplex`, as a classic BPF program.
"""

import contextlib
import ctypes
import socket
import struct
from typing import Final

_SO_ATTACH_FILTER = 26
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")

# linux/bpf_common.h
_LOAD_OCTET, _LOAD_WORD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x30, 0x20, 0x15, 0x35, 0x06
_PAYLOAD = 8
"""Where it begins: offsets count from the UDP header on. What is too short is dropped."""

_WHOLE = 0xFFFF

_PROGRAM: Final = (
    # (operation, steps over if true, steps over if false, operand); struct sock_filter
    (_LOAD_OCTET, 0, 0, _PAYLOAD),
    (_IF_AT_LEAST, 2, 0, 4),
    (_LOAD_WORD, 0, 0, _PAYLOAD + 4),
    (_IF_EQUAL, 4, 5, 0x2112A442),  # STUN has its magic cookie
    (_IF_AT_LEAST, 0, 4, 20),
    (_IF_AT_LEAST, 0, 2, 64),  # DTLS
    (_IF_AT_LEAST, 0, 2, 128),
    (_IF_AT_LEAST, 1, 0, 192),  # RTP and RTCP
    (_RETURN, 0, 0, _WHOLE),
    (_RETURN, 0, 0, 0),
)


def attach(sock: socket.socket) -> None:
    """Where the kernel knows no such filters, everything passes, as it does without."""
    code = b"".join(struct.pack("=HBBI", *line) for line in _PROGRAM)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_PROGRAM), ctypes.addressof(kept))
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def drops(sock: socket.socket) -> int:
    """Datagrams that the kernel has dropped: by the filter, or for want of room. 0: unknown."""
    try:
        told = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(told)[8]) if len(told) == _MEMINFO.size else 0
