"""PURE: the seam between the mixing engine and whatever secures and carries its packets.

The engine owns sockets and rows of packets; what is here tells it which leg a packet belongs to
and with which SRTP sessions its rows are opened and closed. Three kinds of transport fill it:

- `endpoint.IceLiteEndpoint`: ICE and DTLS-SRTP. One instance serves all legs of one UDP port; a
  leg whose peer wants RTCP on a port of its own gets two instances, one for each of its two ports.
- `dtls_leg.DtlsLeg`: DTLS-SRTP without ICE on one of a phone's own ports (RFC 5763).
- `sdes`: keys from the session description (RFC 4568), no packets of its own.

Driving one (`IceLiteEndpoint` and `DtlsLeg` nearly alike): `receive(data, source, now)` for what
`demultiplex.kinds_of` calls STUN or DTLS, `handle_timeout(now)` once `next_timeout()` has come,
and after each of them drain `datagrams_to_send()` and `events()`. `now` is monotonic seconds.

RTP and RTCP are found by `leg_of[source]`; their rows go through `srtp.PacketRows`. Everything
that opens is proof of life: tell it by `heard(legs, now)`, or a peer that makes no checks of its
own after connecting would lose its consent (RFC 7675) after 30 s.
"""

import functools
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.media.srtp import SrtpSession

AddressKey = int
"""A socket address as one number: the bytes of sockaddr_in[:8] or sockaddr_in6[:28], little-endian.

For IPv4 on a little-endian machine that is the first word of the address row, read as uint64. The
flow label of an IPv6 address has to be zero; the family is `key & 0xFFFF`.
"""

_IN = struct.Struct("=H2s4s")
_IN6 = struct.Struct("=H2s4x16sI")


@functools.lru_cache(8192)
def key_of(host: str, port: int, scope: int = 0) -> AddressKey:
    """Raises `ValueError` for what is no numeric address."""
    try:
        if ":" in host:
            address = socket.inet_pton(socket.AF_INET6, host)
            data = _IN6.pack(socket.AF_INET6, port.to_bytes(2, "big"), address, scope)
        else:
            address = socket.inet_pton(socket.AF_INET, host)
            data = _IN.pack(socket.AF_INET, port.to_bytes(2, "big"), address)
    except (OSError, OverflowError) as error:
        raise ValueError(f"{host!r} port {port} is no numeric address") from error
    return int.from_bytes(data, "little")


@functools.lru_cache(8192)
def address_of(key: AddressKey) -> tuple[str, int]:
    """(host, port), without an IPv6 scope."""
    if key & 0xFFFF == socket.AF_INET6:
        _, port, packed, _ = _IN6.unpack(key.to_bytes(_IN6.size, "little"))
        return socket.inet_ntop(socket.AF_INET6, packed), int.from_bytes(port, "big")
    _, port, packed = _IN.unpack(key.to_bytes(_IN.size, "little"))
    return socket.inet_ntop(socket.AF_INET, packed), int.from_bytes(port, "big")


@dataclass(frozen=True, slots=True)
class RemoteTransport:
    """The peer's end of ICE and DTLS, as its session description tells it."""

    ufrag: str
    """Both empty for a phone that does DTLS-SRTP without ICE."""
    password: str
    ice_lite: bool
    fingerprints: tuple[tuple[str, str], ...]
    """(hash name in lower case, digest in hexadecimal with colons, any case); never empty."""
    setup: str
    """Our role in the answer: "active" or "passive"; RFC 5763, section 5."""
    candidates: tuple[str, ...] = ()
    """Values of `a=candidate`; only a peer that is ICE-lite itself is ever found by them."""
    rtcp_mux: bool = True
    """False: RTCP has a port, an ICE component and a DTLS association of its own."""


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end of ICE and DTLS, for the answer."""

    ufrag: str
    password: str
    fingerprint: str
    """By SHA-256, in upper-case hexadecimal with colons."""
    candidates: tuple[str, ...]
    """Values of `a=candidate`."""


@dataclass(frozen=True, slots=True)
class SecureLeg:
    """The SRTP sessions of one leg's transport.

    None is plain RTP. A session knows all SSRCs of its direction, RTP and RTCP alike.
    """

    tx: "SrtpSession | None"
    rx: "SrtpSession | None"


@dataclass(frozen=True, slots=True)
class Connected:
    """Keys are there, and media can go to `address`. Comes at most once for each leg."""

    leg: int
    secure: SecureLeg
    address: AddressKey


@dataclass(frozen=True, slots=True)
class AddressChanged:
    """ICE has nominated another pair: media goes to `address` from now on."""

    leg: int
    address: AddressKey


@dataclass(frozen=True, slots=True)
class Failed:
    """The transport is gone for good. The leg stays known until `remove_leg`."""

    leg: int
    text: str


TransportEvent = Connected | AddressChanged | Failed
