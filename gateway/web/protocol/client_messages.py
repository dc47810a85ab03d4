"""What browsers say; docs/protocol.md, "Client to server"."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.ports import MediaKind, Muted, ParticipantId, RoomName, StreamKind

SIGNAL_MEMBERS = ("description", "candidate", "tracks", "connection")


@dataclass(frozen=True, slots=True)
class Join:
    """The first message."""

    room: RoomName
    name: str
    publishes: frozenset[MediaKind]
    token: str | None = None
    """Of the participant that this one replaces."""
    key: str | None = field(default=None, repr=False)
    """A moderator's."""
    device: Device = ANY_DEVICE


@dataclass(frozen=True, slots=True)
class Leave:
    """The participant goes."""


@dataclass(frozen=True, slots=True)
class Publish:
    """What the participant publishes from now on."""

    publishes: frozenset[MediaKind]


@dataclass(frozen=True, slots=True)
class Mute:
    """What the participant keeps back from now on."""

    muted: Muted


@dataclass(frozen=True, slots=True)
class Record:
    """The conference is to be recorded from now on, or not any more."""

    on: bool


@dataclass(frozen=True, slots=True)
class View:
    """All pictures that the participant shows from now on, by source."""

    shows: Mapping[ParticipantId, frozenset[StreamKind]]


@dataclass(frozen=True, slots=True)
class Block:
    """The participant wants nothing of another one from now on, or everything again."""

    participant: ParticipantId
    blocked: bool


@dataclass(frozen=True, slots=True)
class Hand:
    """The participant asks for the word, or not any more."""

    raised: bool
    participant: ParticipantId | None = None
    """Whose hand a moderator lowers; None: the sender's own."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A moderator says what another participant may publish from now on."""

    participant: ParticipantId
    kinds: frozenset[MediaKind]


@dataclass(frozen=True, slots=True)
class Told:
    """How the participant does: `report`."""

    report: Report


@dataclass(frozen=True, slots=True)
class Ready:
    """The participant has this edge's stream and can pass it on."""

    source: ParticipantId
    kind: StreamKind
    parent: ParticipantId


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The participant has found no network path to a neighbour."""

    neighbour: ParticipantId


@dataclass(frozen=True, slots=True)
class SignalTo:
    """Negotiation with the neighbour `to`; `body` holds `SIGNAL_MEMBERS` as they came."""

    to: ParticipantId
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for `pong`."""


InRoom = (
    Leave
    | Publish
    | Mute
    | Record
    | View
    | Block
    | Hand
    | Grant
    | Told
    | Ready
    | Unreachable
    | SignalTo
)
"""What is said after `welcome`."""

ClientMessage = Join | Ping | InRoom
