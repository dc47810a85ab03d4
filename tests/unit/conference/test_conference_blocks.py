"""Whoever blocks whom, and whoever comes and goes: each hears exactly those not blocked."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conference_wiring import ALL, POLICIES, World

from gateway.conference.focus import VIEW_TIMEOUT
from gateway.errors import Reason, Refused
from gateway.ports import SEAT, Attach, Edge, Kind, ParticipantId, StreamKind
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst

MOST = 30


@dataclass
class Listening(World):
    """A conference, and what really comes to whom."""

    inside: list[str] = field(default_factory=list)
    blocks: set[tuple[str, str]] = field(default_factory=set)
    """Whom (the second) somebody (the first) does not want."""

    def enter(self, name: str, kind: Kind) -> None:
        self.inside.append(name)
        self.join(name, kind)

    def go(self, name: str) -> None:
        self.inside.remove(name)
        self.blocks = {pair for pair in self.blocks if name not in pair}
        self.leave(name)

    def block(self, listener: str, source: str, blocked: bool) -> None:
        pair = (listener, source)
        self.blocks = self.blocks | {pair} if blocked else self.blocks - {pair}
        self.conference.block(ParticipantId(listener), ParticipantId(source), blocked, self.now)
        self.drain()

    def heard(self) -> set[tuple[str, str]]:
        """Who hears (the first) whom (the second): by the edges that deliver, and for those on
        the mix by what the seat gets and what the mixer leaves out."""
        audio = {(e.child, e.source) for e in self.received if e.kind is StreamKind.AUDIO}
        on_mix = [name for name in self.inside if name not in self.native]
        mixed = {source for child, source in audio if child == SEAT} | {*on_mix}
        heard = {(child, source) for child, source in audio if child != SEAT}
        heard |= {(listener, source) for listener in on_mix for source in mixed}
        return {pair for pair in heard - self.blocks if pair[0] != pair[1]}

    def wanted(self) -> set[tuple[str, str]]:
        pairs = {(one, other) for one in self.inside for other in self.inside if one != other}
        return pairs - self.blocks

    def settles(self) -> Iterator[None]:
        """Edge by edge."""
        while self.unready:
            self.say_ready(self.unready[0])
            yield


events = st.lists(
    st.tuples(
        st.sampled_from(["web", "sip", "leave", "block", "block", "block", "unblock"]),
        st.integers(0, 999),
        st.integers(0, 999),
    ),
    max_size=25,
)


@settings(max_examples=30)
@given(st.integers(2, MOST), events, st.sampled_from(POLICIES))
def test_after_every_event_each_hears_exactly_those_not_blocked(
    size: int, script: list[tuple[str, int, int]], policy: TreePolicy
) -> None:
    world = Listening(policy)
    for number in range(size):
        world.enter(f"old-{number}", Kind.SIP if number % 4 == 3 else Kind.WEB)
    world.settle()
    for number, (action, first, second) in enumerate(script):
        before = world.heard()
        if action in ("web", "sip") and len(world.inside) < MOST:
            world.enter(f"new-{number}", Kind(action))
        elif action == "leave" and len(world.inside) > 2:
            world.go(world.inside[first % len(world.inside)])
            before = set()  # who hung below a relay that is gone cannot go on hearing
        elif action in ("block", "unblock"):
            one, other = (world.inside[which % len(world.inside)] for which in (first, second))
            if one != other:
                world.block(one, other, action == "block")
        for _ in world.settles():
            assert before & world.wanted() <= world.heard(), "a move cost somebody sound"
        assert world.heard() == world.wanted()
        assert world.edges == world.received == world.planned()
        blocked = {e for e in world.edges if (e.child, e.source) in world.blocks}
        assert not blocked, "who blocks is still sent the stream"
        for name in world.inside:
            told = world.conference.hears(ParticipantId(name))
            assert {(name, source) for source in told} == {
                pair for pair in world.wanted() if pair[0] == name
            }


def test_a_relay_that_blocks_its_source_hands_its_children_over_first() -> None:
    world = Listening(BreadthFirst(1))
    for name in "abc":
        world.enter(name, Kind.WEB)
        world.settle()
    a, b, c = (ParticipantId(name) for name in "abc")
    assert {Edge(a, a, b), Edge(a, b, c)} <= world.edges
    world.block("b", "a", True)
    assert {Edge(a, a, b), Edge(a, b, c), Edge(a, a, c)} <= world.edges
    assert world.conference.hears(b) == {c}
    world.say_ready(Edge(a, a, c))
    assert {e for e in world.edges if e.source == a} == {Edge(a, a, c)}


def test_a_block_is_for_pictures_too_and_ends_all_at_once() -> None:
    world = Listening()
    world.join("a", Kind.WEB, ALL)
    world.join("b", Kind.WEB, ALL)
    world.wait(VIEW_TIMEOUT)
    world.settle()
    assert {e.kind for e in world.edges if e.child == "b"} == {
        StreamKind.AUDIO,
        StreamKind.HIGH,
        StreamKind.SCREEN,
    }
    world.block("b", "a", True)
    assert not [e for e in world.edges if e.child == "b"]
    world.block("b", "a", False)
    world.settle()
    assert len([e for e in world.edges if e.child == "b"]) == 3


def test_nobody_is_told_of_a_block() -> None:
    world = Listening()
    for name in "ab":
        world.enter(name, Kind.WEB)
    world.settle()
    version = world.conference.roster.version
    world.block("a", "b", True)
    assert world.conference.roster.version == version


def test_the_seat_takes_no_stream_that_all_on_the_mix_block_unless_it_is_recorded() -> None:
    world = Listening()
    world.enter("ana", Kind.WEB)
    world.enter("phone", Kind.SIP)
    world.settle()
    to_seat = Edge(ParticipantId("ana"), ParticipantId("ana"), SEAT)
    world.block("phone", "ana", True)
    assert to_seat not in world.edges
    world.conference.record(True, world.now)
    assert Attach(to_seat) in world.conference.events()


@pytest.mark.parametrize("source", ["nobody", "a"])
def test_whom_there_is_not_and_oneself_nobody_can_block(source: str) -> None:
    world = Listening()
    world.enter("a", Kind.WEB)
    with pytest.raises(Refused) as caught:
        world.block("a", source, True)
    assert caught.value.reason is Reason.NOT_FOUND
