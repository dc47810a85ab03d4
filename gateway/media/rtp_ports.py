"""Pairs of UDP ports for plain RTP: RTP on the even one, RTCP on the next; RFC 3550, section 11."""

import errno
import logging
import secrets
import socket
from collections import deque

from gateway.errors import Reason, Refused

log = logging.getLogger("trestle.media")

Pair = tuple[socket.socket, socket.socket]

_NOTHING_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class RtpPorts:
    """Hands out bound sockets. A pair that was given back comes round again only after all others.

    So late packets of a call that has ended do not reach the next one.
    """

    def __init__(self, ports: range) -> None:
        even = [port for port in ports if port % 2 == 0 and port + 1 in ports]
        self._free = deque(even)
        self._free.rotate(-secrets.randbelow(len(even)) if even else 0)
        self._size = len(even)
        self._has_told = False

    def bind(self, address: str) -> Pair:
        """On `address`, if it is this machine's. Raises `Refused` (overloaded) when none is free.

        Ports that another program holds are passed over, and tried again later.
        """
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                pair = _bind_pair(address, port)
            except OSError as error:
                self._free.append(port)
                raise self._refused(f"{error.strerror}; raise the limit of open files") from None
            if pair is not None:
                return pair
            self._free.append(port)
        raise self._refused(f"all {self._size} pairs are in use; widen media.rtp_ports")

    def give_back(self, pair: Pair) -> None:
        """Closes them."""
        self._free.append(pair[0].getsockname()[1])
        self._has_told &= len(self._free) * 10 < self._size
        for half in pair:
            half.close()

    def _refused(self, why: str) -> Refused:
        """One line in the log, until a tenth of the ports is free again."""
        if not self._has_told:
            self._has_told = True
            log.error("no RTP ports for another phone: %s", why)
        return Refused(Reason.OVERLOADED, "no RTP port is free, try again later")


def own_addresses() -> tuple[str, ...]:
    """Those that lead to the rest of the world, of both families (RFC 5737, RFC 3849)."""
    return tuple(dict.fromkeys(map(address_towards, (None, "2001:db8::1"))))


def address_towards(host: str | None) -> str:
    """Our address on the interface that leads to `host`, or to the rest of the world."""
    for target in (host, "198.51.100.1", "127.0.0.1"):
        if target is None:
            continue
        family = family_of(target)
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                # Sends nothing: it only asks the kernel for a route. Port 9 is "discard".
                probe.connect((target, 9))
            except OSError:
                continue
            address: str = probe.getsockname()[0]
            if address not in ("0.0.0.0", "::"):
                return address
    return "127.0.0.1"


def family_of(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind_pair(address: str, port: int) -> Pair | None:
    """None where a port is taken. Raises `OSError` when nothing more can be opened at all."""
    halves: list[socket.socket] = []
    try:
        for offset in (0, 1):
            half = socket.socket(family_of(address), socket.SOCK_DGRAM)
            halves.append(half)
            half.setblocking(False)
            _bind(half, address, port + offset)
    except OSError as error:
        for half in halves:
            half.close()
        if error.errno in _NOTHING_LEFT:
            raise
        return None
    return halves[0], halves[1]


def _bind(sock: socket.socket, address: str, port: int) -> None:
    """To all addresses where the described one belongs to a NAT in front of us."""
    try:
        sock.bind((address, port))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        sock.bind(("", port))
