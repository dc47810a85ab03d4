"""Browsers that say what is not so, or nothing at all, cost the others nothing in the end."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import pytest

from gateway.conference.focus import Conference
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    Kind,
    MediaKind,
    Participant,
    ParticipantId,
    StreamKind,
)
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.sparse import Sparse

AUDIO = frozenset({MediaKind.AUDIO})
POLICIES: list[TreePolicy] = [BreadthFirst(2), Sparse(2), Sparse(2, direct=0)]


class Vice(Enum):
    """What is wrong with a browser."""

    NEVER_READY = "gets every stream and never says so"
    PASSES_NOTHING = "says ready for everything at once and forwards nothing"
    INVENTS = "says ready for edges that it does not have, and forwards nothing"


@dataclass
class World:
    """A conference; honest browsers say ready only for what really comes."""

    policy: TreePolicy
    vices: dict[ParticipantId, Vice] = field(default_factory=dict)
    edges: set[Edge] = field(default_factory=set)
    told: set[Edge] = field(default_factory=set)
    """Those for which ready was said."""
    now: float = 0.0

    def __post_init__(self) -> None:
        self.conference = Conference(self.policy, max_participants=50)

    def join(self, name: str, vice: Vice | None = None) -> None:
        who = ParticipantId(name)
        if vice is not None:
            self.vices[who] = vice
        participant = Participant(who, Kind.WEB, name, AUDIO)
        self.conference.join(participant, native=True, now=self.now)
        self._drain()

    def comes(self, source: ParticipantId, node: ParticipantId) -> bool:
        """Whether `source`'s sound really arrives at `node`."""
        seen = set()
        reached, fresh = {source}, {source}
        while fresh:
            seen |= fresh
            fresh = {
                e.child
                for e in self.edges
                if e.source == source and e.parent in fresh and self._forwards(e)
            } - seen
            reached |= fresh
        return node in reached

    def run(self, seconds: float, chance: random.Random) -> None:
        """Lets everybody say what it has to say, until nothing happens any more or time is up."""
        end = self.now + seconds
        while True:
            while self._speak(chance):
                pass
            deadline = self.conference.next_timeout()
            if deadline is None or deadline > end:
                return
            self.now = max(self.now, deadline)
            self.conference.handle_timeout(self.now)
            self._drain()

    def unserved(self) -> set[tuple[str, str]]:
        """Pairs of honest participants one of whom does not hear the other."""
        honest = [p.id for p in self.conference.roster.participants if p.id not in self.vices]
        return {
            (one, other)
            for one in honest
            for other in honest
            if one != other and not self.comes(one, other)
        }

    def children_of(self, node: ParticipantId) -> set[Edge]:
        return {e for e in self.edges if e.parent == node != e.source}

    def _forwards(self, edge: Edge) -> bool:
        return edge.parent == edge.source or edge.parent not in self.vices

    def _speak(self, chance: random.Random) -> bool:
        """One browser says one thing; tells whether anybody had anything to say."""
        sayings = [edge for edge in self.edges - self.told if self._would_say(edge)]
        if not sayings:
            return False
        self._say(chance.choice(sorted(sayings, key=str)))
        for liar in [who for who, vice in self.vices.items() if vice is Vice.INVENTS]:
            everybody = [p.id for p in self.conference.roster.participants]
            source, parent = chance.choice(everybody), chance.choice(everybody)
            self.conference.ready(
                Edge(source, parent, liar, chance.choice([*StreamKind])), self.now
            )
            self._drain()
        return True

    def _would_say(self, edge: Edge) -> bool:
        match self.vices.get(edge.child):
            case Vice.NEVER_READY:
                return False
            case Vice.PASSES_NOTHING | Vice.INVENTS:
                return True
        return self._forwards(edge) and self.comes(edge.source, edge.parent)

    def _say(self, edge: Edge) -> None:
        self.told.add(edge)
        self.conference.ready(edge, self.now)
        self._drain()

    def _drain(self) -> None:
        for event in self.conference.events():
            match event:
                case Attach(edge):
                    self.edges.add(edge)
                case Detach(edge):
                    self.edges.discard(edge)
                    self.told.discard(edge)


def everywhere(vice: Vice) -> list[Callable[[World], None]]:
    """One of that kind who comes first, in the middle, last; and three of them."""

    def at(*places: int) -> Callable[[World], None]:
        def fill(world: World) -> None:
            for number in range(12):
                world.join(f"web-{number:02}", vice if number in places else None)

        return fill

    return [at(0), at(5), at(11), at(1, 4, 8)]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("vice", [*Vice])
@pytest.mark.parametrize("place", range(4))
def test_within_two_minutes_all_honest_ones_hear_each_other(
    policy: TreePolicy, vice: Vice, place: int
) -> None:
    world, chance = World(policy), random.Random(place)
    everywhere(vice)[place](world)
    world.run(120.0, chance)
    assert world.unserved() == set()


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize("vice", [Vice.NEVER_READY, Vice.PASSES_NOTHING])
def test_whoever_fails_with_several_is_a_leaf_and_the_others_go_on_relaying(
    policy: TreePolicy, vice: Vice
) -> None:
    world, chance = World(policy), random.Random(1)
    for number in range(12):
        world.join(f"web-{number:02}", vice if number == 3 else None)
    world.run(60.0, chance)
    bad = ParticipantId("web-03")
    assert world.children_of(bad) == set()
    relays = {e.parent for e in world.edges if e.parent != e.source}
    assert len(relays) >= 8, "the honest ones relay as before"


def test_one_who_comes_late_hears_everybody_too() -> None:
    world, chance = World(Sparse(2)), random.Random(2)
    for number in range(9):
        world.join(f"web-{number}", Vice.PASSES_NOTHING if number == 2 else None)
        world.run(1.0, chance)
    world.join("web-late")
    world.run(30.0, chance)
    assert world.unserved() == set()
