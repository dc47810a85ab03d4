"""PURE: ICE-lite for one leg: who may reach it, and where its media goes; RFC 8445.

We answer checks and never make any: the peer finds the path, and proves on each check that it
knows our password. What it nominates is where media goes. Firefox nominates every pair at once
("aggressively", RFC 5245) and means the one with the highest priority; Chromium nominates one and
moves by nominating another while it stops nominating the first. So the address in use is, among
those whose latest check carried USE-CANDIDATE and is not long ago, the one of highest priority.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from gateway.media.stun import Attribute, Message, MessageClass
from gateway.media.transport import AddressKey, key_of

MAX_ADDRESSES: Final = 8
"""Of one leg; the one that was checked longest ago makes room for another."""

STALE: Final = 7.0
"""A path without a check for so long is no candidate any more; peers check every 4 to 6 s
(RFC 7675, section 5.1)."""

_HOST_TYPE_PREFERENCE = 126
"""RFC 8445, section 5.1.2.2."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Our ufrag and password for one leg."""

    ufrag: str
    password: str

    @classmethod
    def of(cls, random: bytes) -> "Credentials":
        """From 20 random bytes: more than the 24 and 128 bits that section 5.3 asks for."""
        return cls(random[:4].hex(), random[4:20].hex())


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response; `authenticated` says whether it is signed with our password."""

    code: int
    reason: str
    authenticated: bool = False


@dataclass(slots=True)
class _Path:
    """A source address that has proved itself."""

    priority: int
    nominated: bool
    checked_at: float


class IceLite:
    """One component of one leg."""

    def __init__(self, local: Credentials, remote_ufrag: str) -> None:
        self.local = local
        self.key = local.password.encode()
        """Of MESSAGE-INTEGRITY, both ways."""
        self._username = f"{local.ufrag}:{remote_ufrag}".encode()
        self._paths: dict[AddressKey, _Path] = {}
        self.address: AddressKey | None = None
        """Where media goes; None until a check has come through."""

    @property
    def addresses(self) -> Iterable[AddressKey]:
        """Where packets of this leg may come from."""
        return self._paths.keys()

    def refusal(self, request: Message) -> Refusal | None:
        """What is wrong with a binding request, in the order of RFC 8489, section 9.1.3."""
        username = request.attributes.get(Attribute.USERNAME)
        if username is None or not request.integrity_at:
            return Refusal(400, "Bad Request")
        if username != self._username or not request.has_integrity(self.key):
            return Refusal(401, "Unauthenticated")
        if request.unknown_attributes():
            return Refusal(420, "Unknown Attribute", authenticated=True)
        if Attribute.ICE_CONTROLLED in request.attributes:
            # Section 7.3.1.1, but a lite agent cannot lead: the peer has to change its role.
            return Refusal(487, "Role Conflict", authenticated=True)
        return None

    def check(self, request: Message, source: AddressKey, now: float) -> AddressKey | None:
        """A request without refusal came from `source`. Returns the address that made room."""
        dropped = None
        if source not in self._paths and len(self._paths) == MAX_ADDRESSES:
            idle = (one for one in self._paths if one != self.address)
            dropped = min(idle, key=lambda one: self._paths[one].checked_at)
            del self._paths[dropped]
        self._paths[source] = _Path(
            int.from_bytes(request.attributes.get(Attribute.PRIORITY, b""), "big"),
            Attribute.USE_CANDIDATE in request.attributes,
            now,
        )
        self._choose(now)
        return dropped

    def trust(self, address: AddressKey, now: float) -> None:
        """A peer that is ICE-lite too makes no checks: its candidate has to do."""
        self._paths[address] = _Path(0, True, now)
        self.address = address

    def forget(self, address: AddressKey) -> None:
        """Another leg has proved that the address is its own now."""
        self._paths.pop(address, None)
        if self.address == address:
            self.address = next(iter(self._paths), None)

    def _choose(self, now: float) -> None:
        fresh = {key: path for key, path in self._paths.items() if now - path.checked_at < STALE}
        nominated = [key for key, path in fresh.items() if path.nominated]
        if nominated:
            self.address = max(nominated, key=lambda key: fresh[key].priority)
        elif self.address not in self._paths:
            # Nothing is nominated yet; DTLS may begin on what is known to work.
            self.address = next(iter(fresh))


def username_of(request: Message) -> str:
    """Our ufrag in the USERNAME of a check; "" where there is none. Section 7.2.2."""
    username = request.attributes.get(Attribute.USERNAME, b"")
    return username.partition(b":")[0].decode("ascii", "replace")


def is_check(message: Message) -> bool:
    """A binding request; all else is a keepalive or none of our business."""
    return message.message_class is MessageClass.REQUEST and message.method == 1


def host_candidates(addresses: Iterable[tuple[str, int]], component: int = 1) -> tuple[str, ...]:
    """Values of `a=candidate` for (host, port) in order of preference; RFC 8839, section 5.1."""
    return tuple(
        f"{number} {component} udp {_priority(number - 1, component)} {host} {port} typ host"
        for number, (host, port) in enumerate(addresses, 1)
    )


def _priority(rank: int, component: int) -> int:
    return _HOST_TYPE_PREFERENCE << 24 | (65_535 - rank) << 8 | (256 - component)


def candidate_address(line: str, component: int = 1) -> AddressKey | None:
    """Where a peer's candidate leads; None for what cannot be sent to from a UDP port."""
    words = line.split()
    if len(words) < 8 or words[1] != str(component) or words[2].lower() != "udp":
        return None
    try:
        address, port = ip_address(words[4]), int(words[5])
        if address.is_unspecified or address.is_multicast or not 0 < port <= 65_535:
            return None
        return key_of(str(address), port)
    except ValueError:
        return None


def candidate_addresses(lines: Iterable[str], component: int = 1) -> Iterator[AddressKey]:
    """The usable ones, in the peer's order."""
    for line in lines:
        address = candidate_address(line, component)
        if address is not None:
            yield address
