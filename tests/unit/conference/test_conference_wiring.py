"""However joins, leaves and ready messages mix, nobody forwards what it does not have."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conference.blame import PATIENCE
from gateway.conference.focus import DEPARTURE_TIMEOUT, VIEW_TIMEOUT, Conference, Departed
from gateway.conference.forests import TOGETHER
from gateway.conference.wiring import TreeWiring
from gateway.ports import (
    SEAT,
    Attach,
    Detach,
    Edge,
    Kind,
    MediaKind,
    Participant,
    ParticipantId,
    RosterChanged,
    Standby,
    StreamKind,
)
from gateway.trees.planner import Membership, TreePolicy
from gateway.trees.policies.binary_tree import BinaryTree
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.linked_list import LinkedList
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, Tree, edges

POLICIES: list[TreePolicy] = [
    *(BreadthFirst(fanout) for fanout in (1, 2, 3)),
    LinkedList(),
    BinaryTree(),
    Sparse(2),
    Sparse(2, direct=0),
]

AUDIO = frozenset({MediaKind.AUDIO})
ALL = frozenset(MediaKind)


@dataclass
class World:
    """A conference and what its participants make of the moves they are told."""

    policy: TreePolicy = POLICIES[1]
    now: float = 0.0
    edges: set[Edge] = field(default_factory=set)
    unready: list[Edge] = field(default_factory=list)
    received: set[Edge] = field(default_factory=set)
    playing: dict[tuple[ParticipantId, StreamKind, ParticipantId], Edge] = field(
        default_factory=dict
    )
    """By source, kind and child: the edge that got ready last, as a browser does it."""
    native: set[ParticipantId] = field(default_factory=set)
    standbys: set[Edge] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.conference = Conference(self.policy, max_participants=50)

    def join(self, name: str, kind: Kind, publishes: frozenset[MediaKind] = AUDIO) -> None:
        who = ParticipantId(name)
        native = kind is Kind.WEB
        if native:
            self.native.add(who)
        participant = Participant(who, kind, name, publishes if native else AUDIO)
        self.conference.join(participant, native=native, now=self.now)
        self.drain()

    def leave(self, name: str) -> None:
        who = ParticipantId(name)
        self.native.discard(who)
        self.conference.leave(who, self.now)
        gone = {who} if self.conference.has_seat else {who, SEAT}
        self.edges = {e for e in self.edges if not gone & {e.source, e.parent, e.child}}
        self.standbys = {e for e in self.standbys if not gone & {e.source, e.parent, e.child}}
        self.unready = [e for e in self.unready if e in self.edges]
        self.received &= self.edges
        self.playing = {k: e for k, e in self.playing.items() if e in self.edges}
        self.drain()

    def withdraw(self, name: str) -> None:
        """Leaves as soon as nobody needs it: it goes when it is told to."""
        self.conference.withdraw(ParticipantId(name), self.now)
        self.drain()

    def say_ready(self, edge: Edge) -> None:
        self.unready.remove(edge)
        self.received.add(edge)
        self.playing[edge.source, edge.kind, edge.child] = edge
        self.no_ring(edge)
        self.conference.ready(edge, self.now)
        self.drain()

    def take(self, edge: Edge) -> bool:
        """A child goes to its standby parent by itself, if that one has the stream to give."""
        node = edge.parent
        while (above := self.playing.get((edge.source, edge.kind, node))) is not None:
            node = above.parent
            if node == edge.child:
                return False
        if node not in (edge.source, SEAT):
            return False
        self.received.add(edge)
        self.playing[edge.source, edge.kind, edge.child] = edge
        self.no_ring(edge)
        self.conference.ready(edge, self.now)
        self.drain()
        assert edge not in self.standbys
        self.unready.remove(edge)
        return True

    def publish(self, name: str, kinds: frozenset[MediaKind]) -> None:
        self.conference.publish(ParticipantId(name), kinds, self.now)
        self.drain()

    def wait(self, seconds: float) -> None:
        """The timer goes off when it is due, and is next due later, or it would never rest."""
        end = self.now + seconds
        while (due := self.conference.next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            self.conference.handle_timeout(self.now)
            self.drain()
            again = self.conference.next_timeout()
            assert again is None or again > self.now
        self.now = end

    def settle(self) -> None:
        while self.unready:
            self.say_ready(self.unready[0])
            due = self.conference.next_timeout()
            if not self.unready and due is not None and self.now < due <= self.now + TOGETHER:
                self.wait(TOGETHER)

    def drain(self) -> None:
        for event in self.conference.events():
            match event:
                case Attach(edge):
                    assert edge not in self.edges
                    assert self.has_stream(edge), "asked to forward too early"
                    self.edges.add(edge)
                    self.unready.append(edge)
                    self.standbys.discard(edge)
                case Standby(edge, on=True):
                    assert edge not in self.standbys | self.edges
                    self.standbys.add(edge)
                case Standby(edge):
                    self.standbys.remove(edge)
                case Detach(edge):
                    self.edges.remove(edge)
                    self.received.discard(edge)
                    if edge in self.unready:
                        self.unready.remove(edge)
                case Departed(leaver) if leaver in self.native:
                    self.leave(leaver)
                case RosterChanged() | Departed():
                    pass

    def has_stream(self, edge: Edge) -> bool:
        """Whether its parent has what it is to send."""
        root = edge.source if edge.source in self.native else SEAT
        return edge.parent == root or any(
            (e.source, e.kind, e.child) == (edge.source, edge.kind, edge.parent)
            for e in self.received
        )

    def view(self, name: str, shows: Mapping[str, frozenset[StreamKind]]) -> None:
        by_source = {ParticipantId(source): kinds for source, kinds in shows.items()}
        self.conference.view(ParticipantId(name), by_source, self.now)
        self.drain()

    def planned(self) -> set[Edge]:
        return {
            replace(edge, kind=kind)
            for kind, forest in self.conference.forests.items()
            for edge in edges(forest)
        }

    def shown(self, name: str) -> set[tuple[str, StreamKind]]:
        """The pictures that have come to `name`."""
        return {(e.source, e.kind) for e in self.received if e.child == name} - {
            (e.source, StreamKind.AUDIO) for e in self.received
        }

    def no_ring(self, edge: Edge) -> None:
        """Nobody plays what comes from itself by way of others."""
        seen, node = set(), edge.child
        while (edge.source, edge.kind, node) in self.playing:
            assert node not in seen
            seen.add(node)
            node = self.playing[edge.source, edge.kind, node].parent


actions = st.lists(
    st.tuples(
        st.sampled_from(
            ["web", "web", "sip", "leave", "withdraw", "view", "publish", "wait", "ready", "ready"]
        ),
        st.integers(0, 99),
    ),
    max_size=60,
)


def looks_at(viewer: str, source: str, number: int) -> frozenset[StreamKind]:
    """Any choice of pictures will do."""
    chance = random.Random(f"{viewer} {source} {number}")
    layer = chance.choice([StreamKind.LOW, StreamKind.HIGH, None])
    return frozenset({layer} if layer else ()) | ({StreamKind.SCREEN} if number % 2 else set())


@settings(max_examples=150)
@given(actions, st.sampled_from(POLICIES))
def test_the_plan_becomes_real_and_never_asks_too_early(
    script: list[tuple[str, int]], policy: TreePolicy
) -> None:
    world, inside = World(policy), list[str]()
    for number, (action, choice) in enumerate(script):
        if action in ("web", "sip") and len(inside) < 12:
            inside.append(f"{action}-{number}")
            world.join(inside[-1], Kind(action), ALL if choice % 2 else AUDIO)
        elif action == "leave" and inside:
            world.leave(inside.pop(choice % len(inside)))
        elif action == "withdraw" and inside and (goer := inside[choice % len(inside)])[0] == "w":
            inside.remove(goer)
            world.withdraw(goer)
        elif action == "view" and inside and (viewer := inside[choice % len(inside)])[0] == "w":
            world.view(viewer, {other: looks_at(viewer, other, number) for other in inside})
        elif action == "publish" and inside and (who := inside[choice % len(inside)])[0] == "w":
            world.publish(who, ALL if choice % 2 else AUDIO)
        elif action == "wait":
            world.wait(float(choice))
        elif action == "ready" and world.unready:
            world.say_ready(world.unready[choice % len(world.unready)])
    world.settle()
    assert world.edges == world.received == world.planned()
    for name in inside:
        others = frozenset(ParticipantId(other) for other in inside) - {name}
        assert world.conference.hears(ParticipantId(name)) == others


def test_the_timer_rests_where_two_pairs_cannot_reach_each_other() -> None:
    world = World(Sparse(2, direct=5))
    for name in "abcde":
        world.join(name, Kind.WEB)
    cut = [{"a", "b"}, {"c", "d"}]
    for _ in range(40):
        while ready := [e for e in world.unready if {e.parent, e.child} not in cut]:
            world.say_ready(ready[0])
        world.wait(20.0)


def test_the_timer_rests_when_nobody_publishes_any_more_what_a_repair_has_moved() -> None:
    world = World(Sparse(2))
    for name in "abcdefgh":
        world.join(name, Kind.WEB)
        world.settle()
    standby = sorted(world.standbys, key=str)[0]
    assert world.take(standby)
    world.wait(5.0)
    for name in "abcdefgh":
        world.publish(name, frozenset())
    world.wait(60.0)


def test_pictures_go_to_those_who_show_them() -> None:
    world = World()
    for name in "abcdef":
        world.join(name, Kind.WEB, ALL)
    for name in "abcdef":
        world.view(name, {"a": frozenset({StreamKind.LOW})})
    world.view("c", {"a": frozenset({StreamKind.HIGH}), "b": frozenset({StreamKind.SCREEN})})
    world.view("d", {})
    world.settle()
    shown = {name: world.shown(name) for name in "abcdef"}
    assert shown["c"] == {("a", StreamKind.HIGH), ("b", StreamKind.SCREEN)}
    assert shown["d"] == set()
    assert shown["b"] == shown["e"] == shown["f"] == {("a", StreamKind.LOW)}
    assert {e.source for e in world.edges if e.kind is not StreamKind.AUDIO} == {"a", "b"}


def test_one_layer_goes_on_until_the_other_has_come() -> None:
    world = World()
    for name in "ab":
        world.join(name, Kind.WEB, ALL)
    low, high = frozenset({StreamKind.LOW}), frozenset({StreamKind.HIGH})
    world.view("b", {"a": low})
    world.settle()
    world.view("b", {"a": high})
    assert world.shown("b") == {("a", StreamKind.LOW)}
    (wanted,) = world.unready
    world.say_ready(wanted)
    world.wait(TOGETHER)
    assert world.shown("b") == {("a", StreamKind.HIGH)}
    # Changing one's mind before the other layer has come leaves all as it was.
    world.view("b", {"a": low})
    world.view("b", {"a": high})
    assert world.unready == []
    assert world.edges == world.planned()


def test_one_plan_takes_away_what_many_changed_pictures_leave_behind() -> None:
    class Counted(BreadthFirst):
        plans = 0

        def plan(self, members: Membership, current: Forest) -> Forest:
            type(self).plans += 1
            return super().plan(members, current)

    policy = Counted(2)
    world = World(policy)
    others = [f"a{number}" for number in range(12)]
    for name in ("me", *others):
        world.join(name, Kind.WEB, ALL)
        world.view(name, {other: frozenset({StreamKind.LOW}) for other in others if other != name})
    world.settle()
    world.view("me", {other: frozenset({StreamKind.HIGH}) for other in others})
    Counted.plans = 0
    world.settle()
    assert world.shown("me") == {(other, StreamKind.HIGH) for other in others}
    assert Counted.plans == 1
    assert world.edges == world.planned()


def test_a_newcomer_is_sent_the_pictures_that_it_says_it_shows_and_no_others_before() -> None:
    world = World()
    for name in "ab":
        world.join(name, Kind.WEB, ALL)
    world.settle()
    assert world.shown("b") == set()
    world.wait(VIEW_TIMEOUT / 2)
    for name in "ab":
        world.view(name, {"a": frozenset({StreamKind.LOW})})
    world.settle()
    world.wait(60.0)
    assert world.shown("b") == {("a", StreamKind.LOW)}


def test_who_never_says_it_is_taken_to_show_everything_large() -> None:
    world = World()
    for name in "ab":
        world.join(name, Kind.WEB, ALL)
    world.join("phone", Kind.SIP)
    world.settle()
    assert world.conference.next_timeout() == VIEW_TIMEOUT
    world.wait(VIEW_TIMEOUT)
    world.settle()
    assert world.shown("b") == {("a", StreamKind.HIGH), ("a", StreamKind.SCREEN)}
    world.view("b", {})
    assert world.shown("b") == set()


def test_a_move_is_made_before_the_old_edge_breaks() -> None:
    world = World()
    for name in "abcdef":
        world.join(name, Kind.WEB)
        world.settle()
    a = ParticipantId("a")
    relay = next(e.parent for e in sorted(world.edges, key=str) if e.source == a != e.parent)
    orphans = {e.child for e in world.edges if e.source == a and e.parent == relay}
    below = {e for e in world.edges if e.source == a and e.parent in orphans}
    world.leave(relay)
    # The orphans move with all that hangs below them.
    assert below <= world.edges
    world.settle()
    assert world.edges == world.planned()


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_who_leaves_in_order_is_missed_by_nobody(policy: TreePolicy) -> None:
    for leaver in "abcdefgh":
        world = World(policy)
        for name in "abcdefgh":
            world.join(name, Kind.WEB)
            world.settle()

        def received(world: World = world, leaver: str = leaver) -> set[tuple[str, str]]:
            return {
                (e.source, e.child) for e in world.received if leaver not in (e.source, e.child)
            }

        before = received()
        world.withdraw(leaver)
        while world.unready:
            assert before <= received()
            world.say_ready(world.unready[0])
        assert before <= received()
        assert leaver not in {p.id for p in world.conference.roster.participants}
        assert world.edges == world.planned()


def test_who_leaves_is_kept_for_two_seconds_at_most() -> None:
    world = World(BreadthFirst(1))
    for name in "abc":
        world.join(name, Kind.WEB)
        world.settle()
    relay = next(e.parent for e in sorted(world.edges, key=str) if e.source != e.parent)
    world.withdraw(relay)
    assert relay in {p.id for p in world.conference.roster.participants}
    assert world.conference.next_timeout() == DEPARTURE_TIMEOUT
    world.conference.handle_timeout(DEPARTURE_TIMEOUT)
    world.drain()
    assert relay not in {p.id for p in world.conference.roster.participants}


def test_nobody_waits_long_behind_one_that_never_gets_ready() -> None:
    world = World(BreadthFirst(1))
    for name in "abc":
        world.join(name, Kind.WEB)
        world.view(name, {})
    a, b, c = (ParticipantId(name) for name in "abc")
    assert Edge(a, a, b) in world.unready
    assert Edge(a, b, c) not in world.edges
    for edge in [e for e in world.unready if e.child != b]:
        world.say_ready(edge)
    assert world.conference.next_timeout() == PATIENCE
    world.conference.handle_timeout(PATIENCE)
    world.now = PATIENCE
    world.drain()
    assert Edge(a, a, c) in world.edges
    assert world.conference.forests[StreamKind.AUDIO][a].parent_of[c] == a


def test_the_seat_takes_part_only_while_somebody_needs_it() -> None:
    world = World()
    world.join("a", Kind.WEB)
    world.join("b", Kind.WEB)
    assert SEAT not in {e.child for e in world.edges}
    world.join("phone", Kind.SIP)
    world.settle()
    assert {e.source for e in world.edges if e.child == SEAT} == {"a", "b"}
    assert {e.child for e in world.edges if e.parent == SEAT} == {"a", "b"}
    world.leave("phone")
    assert SEAT not in {e.child for e in world.edges} | {e.parent for e in world.edges}


def test_who_stops_publishing_keeps_its_place_and_loses_its_tree() -> None:
    world = World()
    for name in "ab":
        world.join(name, Kind.WEB)
    world.settle()
    a, b = ParticipantId("a"), ParticipantId("b")
    world.conference.publish(a, frozenset(), 0.0)
    world.drain()
    assert world.edges == {Edge(b, b, a)}
    world.conference.publish(a, AUDIO, 0.0)
    world.drain()
    assert world.edges == {Edge(b, b, a), Edge(a, a, b)}


def test_a_relay_that_wants_the_stream_no_more_passes_it_on_until_its_children_have_moved() -> None:
    a, relay, child, leaf = (ParticipantId(name) for name in "abcd")
    present = {a, relay, child, leaf}
    wiring = TreeWiring(Tree(a, a, {}), StreamKind.AUDIO)
    wiring.replan(Tree(a, a, {relay: a, child: relay, leaf: child}), present, 0.0)
    for node, parent in ((relay, a), (child, relay), (leaf, child)):
        wiring.ready(node, parent, 0.0)
    assert wiring.replan(Tree(a, a, {child: a, leaf: child}), present, 1.0) == [
        Attach(Edge(a, a, child))
    ]
    assert Edge(a, relay, child) in wiring.edges()
    assert wiring.ready(child, a, 2.0) == [Detach(Edge(a, relay, child)), Detach(Edge(a, a, relay))]
    assert {*wiring.edges()} == {Edge(a, a, child), Edge(a, child, leaf)}


def test_relays_that_retire_one_below_the_other_go_together_when_the_last_child_has_moved() -> None:
    a, upper, lower, child = (ParticipantId(name) for name in "abcd")
    present = {a, upper, lower, child}
    wiring = TreeWiring(Tree(a, a, {}), StreamKind.AUDIO)
    wiring.replan(Tree(a, a, {upper: a, lower: upper, child: lower}), present, 0.0)
    for node, parent in ((upper, a), (lower, upper), (child, lower)):
        wiring.ready(node, parent, 0.0)
    wiring.replan(Tree(a, a, {child: a}), present, 1.0)
    wiring.ready(child, a, 2.0)
    assert {*wiring.edges()} == {Edge(a, a, child)}
    assert [*wiring.waiting()] == []


def test_edges_that_are_not_ready_yet_never_make_a_ring_either() -> None:
    root, left, right, one, two = (ParticipantId(name) for name in ("root", *"abcd"))
    present = {root, left, right, one, two}
    standing = {left: root, one: left, two: one, right: root}
    wiring = TreeWiring(Tree(root, root, standing), StreamKind.AUDIO)
    wiring.replan(Tree(root, root, standing), present, 0.0)
    for child, parent in standing.items():
        wiring.ready(child, parent, 0.0)
    # `one` goes below `right`; before that is ready, `right` shall go below `two`.
    edge = Edge(root, right, one)
    assert wiring.replan(Tree(root, root, standing | {one: right}), present, 0.0) == [Attach(edge)]
    new = Tree(root, root, {left: root, two: root, right: two, one: right})
    assert wiring.replan(new, present, 0.0) == [Attach(Edge(root, root, two))]
    assert wiring.ready(one, right, 0.0) == [Detach(Edge(root, left, one))]
    moves = wiring.ready(two, root, 0.0)
    assert set(moves) == {Detach(Edge(root, one, two)), Attach(Edge(root, two, right))}
