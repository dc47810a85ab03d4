"""Who is behind the reverse proxies in front of us, by what these say (`X-Forwarded-For`)."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """The address of the client itself, not of a proxy of ours.

    `peer`: who the connection is with. `forwarded`: the request's `X-Forwarded-For`, where each
    proxy appends whom it has the request from. Whatever stands before the first one that is no
    proxy of ours the client may have written itself.
    """
    hops = [_without_port(hop) for hop in forwarded.split(",")] if forwarded else []
    client = peer
    while hops and _is_among(client, proxies):
        client = hops.pop()
    return client


def _without_port(hop: str) -> str:
    """Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`; RFC 7239, section 6."""
    hop = hop.strip()
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_among(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in proxy for proxy in proxies)
