"""How often one address may join: who comes and goes makes everybody's trees change, too."""

import ipaddress

from gateway.allowance import Allowance

MAX_ADDRESSES = 10_000


class Joins:
    """Of one server. An IPv6 address stands for its /64: whoever has one has all of these."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left: dict[str, Allowance] = {}

    def may(self, address: str, now: float) -> bool:
        """Whether somebody at `address`, whatever text that is, may join now."""
        network = _network(address)
        left = self._left.pop(network, None) or Allowance(self._rate, self._burst, now)
        self._left[network] = left
        if len(self._left) > MAX_ADDRESSES:
            del self._left[next(iter(self._left))]  # heard of the longest ago
        return left.take(1, now)


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
