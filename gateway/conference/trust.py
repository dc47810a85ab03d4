"""Who claims to relay and does not: what children tell of their parents against what these tell.

A parent that is overburdened, or lies about its uplink, is seen at its children: they miss packets
or stand still. One child's word is not enough, since its own network may be to blame, or it may
lie itself.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.conference.report import Receiving
from gateway.ports import ParticipantId, StreamKind

LOSSY = 0.1
"""The part of the packets: above what FEC and retransmission put right without being noticed."""

LOOKS = 5
COMPLAINTS = 3
"""In so many of a child's last `LOOKS` reports about a parent: about ten seconds."""

CHILDREN = 2
"""So many children have to complain, and half of the parent's at least."""

FIRST_BAN, LONGEST_BAN = 60.0, 960.0
"""Seconds, twice as many each time: who was overburdened for a while may relay again."""

_Pair = tuple[ParticipantId, ParticipantId]
"""Parent and child."""


@dataclass(slots=True)
class _Ban:
    until: float
    seconds: float


@dataclass(slots=True)
class Trust:
    """Of one conference's parents. Core shape: `receive`, `handle_timeout`, `next_timeout`."""

    _told: dict[ParticipantId, tuple[Receiving, ...]] = field(default_factory=dict)
    """What each child told last."""
    _excused: dict[ParticipantId, frozenset[tuple[ParticipantId, StreamKind]]] = field(
        default_factory=dict
    )
    """Source and kind of what each did not get well itself, by its last report."""
    _looks: dict[_Pair, deque[bool]] = field(default_factory=dict)
    _bans: dict[ParticipantId, _Ban] = field(default_factory=dict)
    _banned: set[ParticipantId] = field(default_factory=set)

    def distrusts(self, parent: ParticipantId) -> bool:
        """Whether it shall have no children now but in its own tree."""
        return parent in self._banned

    def receive(self, child: ParticipantId, receives: Iterable[Receiving], now: float) -> bool:
        """`child` tells of all that it receives. Whether somebody is distrusted by it from now."""
        edges = tuple(receives)
        before = {(e.source, e.kind, e.parent): e for e in self._told.get(child, ())}
        bad = {e for e in edges if _is_bad(e, before.get((e.source, e.kind, e.parent)))}
        self._told[child] = edges
        parents = {e.parent for e in edges}
        if len(parents) > 1 and {e.parent for e in bad} == parents:
            # Everything comes badly: it is the child's own network, and its children may say so.
            bad = set()
        self._excused[child] = frozenset((e.source, e.kind) for e in bad)
        blamed = {e.parent for e in bad if self._is_to_blame(e)}
        for parent in parents:
            self._looks.setdefault((parent, child), deque(maxlen=LOOKS)).append(parent in blamed)
        for pair in [p for p in self._looks if p[1] == child and p[0] not in parents]:
            del self._looks[pair]
        guilty = [p for p in sorted(blamed - self._banned) if self._is_guilty(p)]
        for parent in guilty:
            self._ban(parent, now)
        return bool(guilty)

    def forget(self, leaver: ParticipantId) -> None:
        self._told.pop(leaver, None)
        self._excused.pop(leaver, None)
        self._bans.pop(leaver, None)
        self._banned.discard(leaver)
        self._looks = {pair: looks for pair, looks in self._looks.items() if leaver not in pair}

    def next_timeout(self) -> float | None:
        return min((self._bans[one].until for one in self._banned), default=None)

    def handle_timeout(self, now: float) -> bool:
        """Whether some ban has ended."""
        before = len(self._banned)
        self._banned = {one for one in self._banned if self._bans[one].until > now}
        return len(self._banned) < before

    def _is_to_blame(self, edge: Receiving) -> bool:
        """Not a parent that does not get the stream well itself: the fault is higher up."""
        return (edge.source, edge.kind) not in self._excused.get(edge.parent, frozenset())

    def _is_guilty(self, parent: ParticipantId) -> bool:
        verdicts = [sum(looks) >= COMPLAINTS for looks in self._about(parent)]
        return sum(verdicts) >= max(CHILDREN, len(verdicts) / 2)

    def _ban(self, parent: ParticipantId, now: float) -> None:
        last = self._bans.get(parent)
        seconds = FIRST_BAN if last is None else min(2 * last.seconds, LONGEST_BAN)
        self._bans[parent] = _Ban(now + seconds, seconds)
        self._banned.add(parent)
        for looks in self._about(parent):
            looks.clear()

    def _about(self, parent: ParticipantId) -> list[deque[bool]]:
        return [looks for pair, looks in self._looks.items() if pair[0] == parent]


def _is_bad(edge: Receiving, before: Receiving | None) -> bool:
    """Whether it came badly since the last report."""
    return edge.loss > LOSSY or (before is not None and edge.stalls > before.stalls)
