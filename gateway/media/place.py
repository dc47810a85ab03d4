"""PURE: where a phone wants its plain RTP: an address that media can be sent to, or nowhere yet.

Refusing here means that a caller hears of it; anything else would be a call in silence.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from gateway.errors import Reason, Refused
from gateway.sdp import MediaDescription

NOWHERE = ("0.0.0.0", "::")
"""RFC 3264, section 8.4, and RFC 2543: the old way to say "send me nothing"."""

_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_RESERVED = IPv4Network("240.0.0.0/4")
"""RFC 1112, section 4, with the broadcast address in it."""


def read_place(section: MediaDescription, local: str | None = None) -> str:
    """The IP address of the c= line that holds for `section`, in its usual spelling.

    `local` is the address that we would send from. Raises `Refused` (bad-request, media).
    """
    host = section.connection
    if host is None:
        raise Refused(Reason.BAD_REQUEST, "the session description has no c= line for its audio")
    # RFC 6157, section 3.1: IPv6 says "nowhere" by a name that nobody can have.
    if host.lower().rstrip(".").endswith(".invalid"):
        return "::"
    try:
        address = ip_address(host)
    except ValueError:
        raise _refused(host, "is no IP address, and names are not looked up") from None
    if str(address) in NOWHERE:
        return str(address)
    why = _why_not_v4(address) if isinstance(address, IPv4Address) else _why_not_v6(address)
    if why:
        raise _refused(host, why)
    if local is not None and ip_address(local).version != address.version:
        raise _refused(host, f"cannot be reached: we have IPv{ip_address(local).version} here")
    return str(address)


def _why_not_v4(address: IPv4Address) -> str:
    if address.is_multicast:
        return "is a multicast address: a conference sends to each phone by itself"
    if address in _RESERVED or address in _THIS_NETWORK:
        return "is no address of a host"
    return ""


def _why_not_v6(address: IPv6Address) -> str:
    if address.is_multicast:
        return "is a multicast address: a conference sends to each phone by itself"
    if address.is_link_local:
        return "is valid on the phone's own link only"
    if address.ipv4_mapped is not None:
        return "is an IPv4 address: write it as one"
    return ""


def _refused(host: str, why: str) -> Refused:
    return Refused(Reason.MEDIA, f"audio cannot be sent to {ascii(host[:80])[1:-1]}: it {why}")
