"""How a participant says it does; docs/protocol.md, "Reports".

Nothing here is proved: a report is what its sender claims. `None` is what it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.ports import ParticipantId, StreamKind


@dataclass(frozen=True, slots=True)
class Device:
    """What somebody joins with."""

    mobile: bool = False
    """On a battery or a metered network: it shall not relay."""
    relays: bool = True
    """Whether it can at all."""


ANY_DEVICE = Device()


class Pressure(StrEnum):
    """Of the processor: W3C Compute Pressure, section 6.3."""

    NOMINAL = "nominal"
    FAIR = "fair"
    SERIOUS = "serious"
    CRITICAL = "critical"


class Method(StrEnum):
    """How a stream is passed on: encoded here, with the payloads that came, or encoded anew."""

    OWN = "own"
    SWAP = "swap"
    REFORWARD = "reforward"


@dataclass(frozen=True, slots=True)
class Receiving:
    """One edge, as its child sees it."""

    source: ParticipantId
    kind: StreamKind
    parent: ParticipantId
    bitrate: float
    """In bit/s."""
    loss: float
    """The part of the packets that was lost since the last report, 0 to 1."""
    stalls: int
    """How often the stream stood still, since joining."""
    stalled_ms: float
    """How long in all, since joining."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One edge, as its parent sees it."""

    source: ParticipantId
    kind: StreamKind
    child: ParticipantId
    method: Method
    bitrate: float
    """In bit/s."""


@dataclass(frozen=True, slots=True)
class Report:
    """One message, about once a second."""

    uplink: float | None = None
    """In bit/s: what its network can send, over all connections."""
    limited: bool = True
    """Whether that is a limit; False where it is only as much as was tried."""
    cpu: Pressure | None = None
    battery: float | None = None
    """0 to 1; None also where it is plugged in."""
    round_trips: Mapping[ParticipantId, float] = field(default_factory=dict)
    """In ms, to its neighbours."""
    receives: tuple[Receiving, ...] | None = None
    """All that it receives; None in those reports that do not tell."""
    sends: tuple[Sending, ...] | None = None
