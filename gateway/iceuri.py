"""PURE: the URIs of STUN and TURN servers (RFC 7064, RFC 7065), as an admin writes them.

Left out on purpose: names of hosts in other than ASCII letters, which browsers would have to be
given encoded (RFC 3490) anyway.
"""

import re
from ipaddress import IPv6Address

_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_STUN = re.compile(rf"stuns?:{_HOST}{_PORT}", re.IGNORECASE)
_TURN = re.compile(rf"turns?:{_HOST}{_PORT}(?:\?transport=(?:udp|tcp))?", re.IGNORECASE)


def stun_uri(text: str) -> str:
    """The same text. Raises `ValueError`, with what was expected, for what is no STUN URI."""
    return _checked(text, _STUN, "a STUN server such as stun:stun.example.org:3478")


def turn_uri(text: str) -> str:
    """The same for TURN."""
    return _checked(text, _TURN, "a TURN server such as turn:turn.example.org:3478?transport=udp")


def _checked(text: str, uri: re.Pattern[str], expected: str) -> str:
    found = uri.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 1) < 65_536 or not _is_host(found["host"]):
        raise ValueError(f"expected {expected}, not '{text}'")
    return text


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return True
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True
