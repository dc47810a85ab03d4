"""A room with cameras, without browsers: the trees of sound and those of the pictures together.

Everybody publishes both. Pictures are planned after sound, and shall use its connections.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from gateway.ports import ParticipantId, StreamKind
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.topology import Forest, edges, neighbours, uplinks

KINDS = (StreamKind.AUDIO, StreamKind.LOW, StreamKind.HIGH)

Pair = frozenset[ParticipantId]


class Watching(Enum):
    """Whose picture is shown large; all others' are shown small."""

    SPEAKER = "the speaker's"
    PINNED = "somebody's, each as they like"


@dataclass
class PicturesOutcome:
    """What was seen after the room had filled."""

    uplinks_vs_mesh: dict[StreamKind, float] = field(default_factory=dict)
    """The busiest peer's, right after planning or after settling, whichever is more."""
    neighbours_max: int = 0
    """Over all kinds, after settling."""
    neighbours_unsettled: int = 0
    own_connections: dict[StreamKind, int] = field(default_factory=dict)
    """The most pairs that only trees of this kind and later ones need, after settling."""


class PicturesSimulation:
    """One room; `run` tells how it went."""

    def __init__(self, policy: TreePolicy, peers: int, watching: Watching, seed: int = 1) -> None:
        self._policy = policy
        self._watching = watching
        self._random = random.Random(seed)
        self._names = (ParticipantId(f"web-{number:06}") for number in range(10**6))
        self._here: list[ParticipantId] = []
        self._large: dict[ParticipantId, ParticipantId] = {}
        """By viewer, whose picture is shown large."""
        self._forests: dict[StreamKind, Forest] = {kind: {} for kind in KINDS}
        for _ in range(peers):
            self._here.append(next(self._names))
            self._plan()
        self._settle()

    def run(self, events: int) -> PicturesOutcome:
        """A leave, a join and another large picture in turn; the room settles after each."""
        outcome = PicturesOutcome()
        for event in range(events):
            if event % 3 == 0:
                self._here.remove(self._random.choice(self._here))
            elif event % 3 == 1:
                self._here.append(next(self._names))
            else:
                self._large.pop(self._random.choice(self._here), None)
            self._plan()
            self._look(outcome, settled=False)
            self._settle()
            self._look(outcome, settled=True)
        return outcome

    def members(self) -> Iterator[tuple[StreamKind, Membership, Forest]]:
        """Each kind's, with what is connected by the forests before it as they are then."""
        connected: frozenset[Pair] = frozenset()
        for kind in KINDS:
            nodes = tuple(Node(who) for who in self._here)
            streams = tuple(filter(None, (self._stream(kind, source) for source in self._here)))
            yield kind, Membership(nodes, streams, connected=connected), self._forests[kind]
            connected |= pairs(self._forests[kind])

    def _stream(self, kind: StreamKind, source: ParticipantId) -> Stream | None:
        others = {who for who in self._here if who != source}
        large = {who for who in others if self._large[who] == source}
        wanted = {StreamKind.HIGH: large, StreamKind.LOW: others - large}.get(kind, others)
        return Stream(source, source, frozenset(others - wanted)) if wanted else None

    def _plan(self) -> None:
        self._choose()
        for kind, members, forest in self.members():
            self._forests[kind] = self._policy.plan(members, forest)

    def _choose(self) -> None:
        """Who lost the large picture, or never had one, takes another."""
        speaker = self._random.choice(self._here)
        changed = len(self._large.keys() & self._here) < len(self._here)
        for who in self._here:
            others = [one for one in self._here if one != who] or [who]
            if self._watching is Watching.PINNED:
                if self._large.get(who) not in others:
                    self._large[who] = self._random.choice(others)
            elif changed or self._large[who] not in self._here:
                self._large[who] = speaker

    def _settle(self) -> None:
        while True:
            moved = 0
            for kind, members, forest in self.members():
                self._forests[kind] = self._policy.rebalance(members, forest, 10)
                moved += len(edges(self._forests[kind]) - edges(forest))
            if not moved:
                return

    def _look(self, outcome: PicturesOutcome, *, settled: bool) -> None:
        known: set[Pair] = set()
        for kind in KINDS:
            sent = uplinks(self._forests[kind])
            ratio = max(sent.values(), default=0) / (len(self._here) - 1)
            outcome.uplinks_vs_mesh[kind] = max(outcome.uplinks_vs_mesh.get(kind, 0.0), ratio)
            own = pairs(self._forests[kind]) - known
            known |= own
            if settled:
                before = outcome.own_connections.get(kind, 0)
                outcome.own_connections[kind] = max(before, len(own))
        most = max(Counter(who for pair in known for who in pair).values())
        outcome.neighbours_unsettled = max(outcome.neighbours_unsettled, most)
        if settled:
            outcome.neighbours_max = max(outcome.neighbours_max, most)


def pairs(forest: Forest) -> frozenset[Pair]:
    near: Mapping[ParticipantId, set[ParticipantId]] = neighbours(forest)
    return frozenset(frozenset({one, other}) for one, others in near.items() for other in others)
