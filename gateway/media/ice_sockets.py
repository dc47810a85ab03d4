"""The sockets of the ICE port: one for each of our addresses, so that an answer leaves from the
address that was asked, whatever way the kernel would choose."""

import contextlib
import errno
import socket
from collections.abc import Sequence

from gateway.media.datagrams import prepare
from gateway.media.kernel_filter import attach

_TRIES = 20
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 4 << 20


def ice_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """All on one port (0: any). Raises `OSError`.

    Where one of the addresses is not this machine's (behind a NAT that keeps ports), one socket
    serves all addresses of its family.
    """
    for _ in range(_TRIES if port == 0 else 1):
        try:
            return _bind_all(hosts, port)
        except OSError as error:
            failed = error
            if error.errno != errno.EADDRINUSE:
                break
    raise failed


def _bind_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            some = [host for host in hosts if (":" in host) == (family == socket.AF_INET6)]
            for host in some if all(_is_ours(family, host) for host in some) else [""]:
                if some:
                    bound.append(_bind(family, host, port))
                    port = bound[-1].getsockname()[1]
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def _is_ours(family: socket.AddressFamily, host: str) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    attach(sock)
    prepare(sock)
    # Everybody's calls wait in this one buffer. Only root may have more than net.core.rmem_max.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    return sock
