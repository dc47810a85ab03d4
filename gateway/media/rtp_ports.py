"""Pairs of UDP ports for plain RTP: RTP on the even one, RTCP on the next; RFC 3550, section 11."""

import secrets
import socket

from gateway.errors import Reason, Refused


class RtpPorts:
    """Hands out bound sockets. A closed pair comes round again only after all others.

    So late packets of a call that has ended do not reach the next one.
    """

    def __init__(self, ports: range) -> None:
        self._even = [port for port in ports if port % 2 == 0 and port + 1 in ports]
        self._next = secrets.randbelow(len(self._even)) if self._even else 0

    def bind(self, family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
        """Raises `Refused` (unavailable) when no pair is free."""
        for _ in self._even:
            port = self._even[self._next]
            self._next = (self._next + 1) % len(self._even)
            pair = _bind_pair(family, port)
            if pair is not None:
                return pair
        raise Refused(Reason.UNAVAILABLE, "no RTP port is free: widen the range of media ports")


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


def _bind_pair(
    family: socket.AddressFamily, port: int
) -> tuple[socket.socket, socket.socket] | None:
    pair = (socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM))
    try:
        for offset, half in enumerate(pair):
            half.setblocking(False)
            half.bind(("", port + offset))
    except OSError:
        for half in pair:
            half.close()
        return None
    return pair
