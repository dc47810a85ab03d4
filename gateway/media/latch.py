"""PURE: where a phone's media comes from, and so where ours goes: symmetric RTP (RFC 4961).

What a phone signals is often wrong behind a NAT, so the source that is seen counts. The rule:
1. Until the first valid packet we send to the signalled address, where that is an address.
2. The first valid packet from the signalled host latches. Where the signalled host cannot be
   reached from everywhere (private, a name, none), the first valid packet from any host does.
3. From then on only that host counts, until the peer signals another address by a new offer; a
   new port of the same host counts once the old one has been silent for two seconds.
So nobody who guesses our port can take a call over, or speak into it.
"""

from ipaddress import ip_address
from typing import Final

Endpoint = tuple[str, int]

PORT_SILENCE: Final = 2.0


class Latch:
    """The remote end of one RTP stream."""

    def __init__(self, signalled: Endpoint) -> None:
        self._signalled = signalled
        self._latched: Endpoint | None = None

    @property
    def target(self) -> Endpoint | None:
        """Where to send; None while that is unknown."""
        if self._latched is not None:
            return self._latched
        return self._signalled if _can_be_sent_to(self._signalled) else None

    def accept(self, source: Endpoint, silence: float) -> bool:
        """Whether a valid packet from there belongs to the call.

        `silence`: seconds since the last packet that did.
        """
        if self._latched is None:
            host = self._signalled[0]
            if source[0] != host and _is_reachable_from_everywhere(host):
                return False
        elif source != self._latched and (source[0] != self._latched[0] or silence < PORT_SILENCE):
            return False
        self._latched = source
        return True

    def signal(self, signalled: Endpoint) -> None:
        """The peer made a new offer; the same address again keeps what was latched."""
        if signalled != self._signalled:
            self._signalled = signalled
            self._latched = None


def _is_reachable_from_everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return False


def _can_be_sent_to(endpoint: Endpoint) -> bool:
    try:
        address = ip_address(endpoint[0])
    except ValueError:
        return False
    return endpoint[1] != 0 and not (address.is_unspecified or address.is_multicast)
