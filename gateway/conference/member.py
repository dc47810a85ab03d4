"""Who is in a conference, as its focus knows them, and which streams each of them wants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.ports import MediaKind, Participant, ParticipantId, StreamKind

Shown = Mapping[ParticipantId, frozenset[StreamKind]]
"""The pictures that somebody shows, by source."""

PICTURES = (StreamKind.LOW, StreamKind.HIGH, StreamKind.SCREEN)

MEDIUM = {
    StreamKind.AUDIO: MediaKind.AUDIO,
    StreamKind.LOW: MediaKind.VIDEO,
    StreamKind.HIGH: MediaKind.VIDEO,
    StreamKind.SCREEN: MediaKind.SCREEN,
}
"""What somebody has to publish for a stream of the kind."""

_SHOWN_UNSAID = frozenset({StreamKind.HIGH, StreamKind.SCREEN})


@dataclass(frozen=True, slots=True)
class Member:
    """One participant with what only the focus knows of it."""

    participant: Participant
    native: bool
    """Sends and receives its own media; the others' media ends at the seat."""
    relays: bool = True
    shows: Shown | None = field(default_factory=dict)
    """None: it never says, and is taken to show all of them, cameras large."""
    says_by: float | None = None
    """When it has said what it shows at the latest, of one who has not yet."""
    blocks: frozenset[ParticipantId] = frozenset()
    """Of whom it wants nothing at all."""
    leaves_at: float | None = None
    """When it goes at the latest, of one who is about to."""

    def wants(self, kind: StreamKind, source: ParticipantId) -> bool:
        if source in self.blocks or self.leaves_at is not None:
            return False
        if kind is StreamKind.AUDIO:
            return True
        shown = _SHOWN_UNSAID if self.shows is None else self.shows.get(source, frozenset())
        return kind in shown


@dataclass(frozen=True, slots=True)
class Attendance:
    """Everyone in a conference, in order of joining, and whether it is recorded."""

    members: Mapping[ParticipantId, Member]
    recorded: bool

    @property
    def has_seat(self) -> bool:
        """Whether the gateway takes part: as long as media ends there, somebody's or all for a
        recording."""
        return self.recorded or any(not member.native for member in self.members.values())

    def is_mixed(self, source: ParticipantId) -> bool:
        """Whether the seat needs a browser's sound: somebody hears it there, or it is recorded."""
        hears = (not m.native and source not in m.blocks for m in self.members.values())
        return self.recorded or any(hears)
