"""Where a message came from and where its answer goes: a socket, or one connection of it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Flow:
    """RFC 5626's word: an address pair of a protocol, the only way back through a NAT."""

    protocol: Literal["UDP", "TCP"]
    host: str
    """The peer's IP address, IPv6 without brackets."""
    port: int
    connection: int = 0
    """Which TCP connection; always 0 for UDP."""

    @property
    def reliable(self) -> bool:
        """Messages are neither lost nor repeated on the way: no retransmission of ours."""
        return self.protocol != "UDP"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol} {host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Packet:
    """One whole message on its way out."""

    flow: Flow
    data: bytes
