"""Standby parents in a conference: told in time, and taken for parents when children go there."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conference_wiring import POLICIES, World

from gateway.conference.repair import HOLD
from gateway.conference.settling import QUIET
from gateway.ports import SEAT, Edge, Kind, ParticipantId
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.sparse import Sparse

KEEPING: list[TreePolicy] = [BreadthFirst(2), BreadthFirst(3), Sparse(2), Sparse(2, direct=0)]
"""Policies that leave a node where a repair has brought it."""

WEB = ParticipantId("web-00")


def room(policy: TreePolicy, people: int, publishers: int) -> World:
    world = World(policy)
    for number in range(people):
        kinds = {} if number < publishers else {"publishes": frozenset()}
        world.join(f"web-{number:02}", Kind.WEB, **kinds)
        world.settle()
    return world


def below_a_relay(world: World) -> list[Edge]:
    found = (e for e in world.edges if e.child != SEAT and e.parent not in (e.source, SEAT))
    return sorted(found, key=str)


def standby_of(world: World, edge: Edge) -> Edge:
    [standby] = [e for e in world.standbys if (e.source, e.child) == (edge.source, edge.child)]
    return standby


actions = st.lists(
    st.tuples(
        st.sampled_from(["web", "web", "web", "sip", "leave", "ready", "ready", "take", "wait"]),
        st.integers(0, 99),
    ),
    max_size=80,
)


@settings(max_examples=150)
@given(actions, st.sampled_from(POLICIES))
def test_whatever_is_taken_everybody_gets_everything_once_in_the_end(
    script: list[tuple[str, int]], policy: TreePolicy
) -> None:
    world, people = World(policy), list[str]()
    for number, (action, choice) in enumerate(script):
        if action in ("web", "sip") and len(people) < 14:
            people.append(f"{action}-{number}")
            world.join(people[-1], Kind(action))
        elif action == "leave" and people:
            world.leave(people.pop(choice % len(people)))
        elif action == "ready" and world.unready:
            world.say_ready(world.unready[choice % len(world.unready)])
        elif action == "take" and world.standbys:
            world.take(sorted(world.standbys, key=str)[choice % len(world.standbys)])
        elif action == "wait":
            world.settle()
            world.wait(choice / 10)
    world.settle()
    assert world.edges == world.received == world.planned()
    streams = Counter((edge.source, edge.child) for edge in world.edges)
    assert set(streams.values()) <= {1}
    for name in people:
        others = frozenset(ParticipantId(other) for other in people) - {name}
        assert world.conference.hears(ParticipantId(name)) == others


@pytest.mark.parametrize("policy", [*KEEPING, *POLICIES], ids=str)
@pytest.mark.parametrize("publishers", [1, 12])
def test_each_edge_below_a_relay_has_one_that_stands_by(
    policy: TreePolicy, publishers: int
) -> None:
    world = room(policy, 12, publishers)
    for edge in below_a_relay(world):
        assert standby_of(world, edge).parent not in (edge.parent, edge.child)
    assert len(world.standbys) == len(below_a_relay(world))


@pytest.mark.parametrize("policy", KEEPING, ids=str)
@pytest.mark.parametrize("publishers", [1, 12])
def test_who_goes_to_its_standby_parent_stays_there_with_all_below_it(
    policy: TreePolicy, publishers: int
) -> None:
    world = room(policy, 12, publishers)
    before = set(world.edges)
    pairs = [(edge, standby_of(world, edge)) for edge in below_a_relay(world)]
    edge, taken = next((edge, other) for edge, other in pairs if other.parent != edge.source)
    assert world.take(taken)
    assert world.edges == world.planned() == before - {edge} | {taken}
    # The next plan has it so, too; and another one stands by.
    world.join("phone", Kind.SIP)
    world.settle()
    assert taken in world.edges
    assert standby_of(world, taken).parent != taken.parent


@pytest.mark.parametrize("policy", KEEPING, ids=str)
@pytest.mark.parametrize("publishers", [1, 12])
def test_who_loses_its_parent_is_sent_to_where_it_has_gone_by_itself(
    policy: TreePolicy, publishers: int
) -> None:
    world = room(policy, 12, publishers)
    relay = Counter(edge.parent for edge in below_a_relay(world)).most_common(1)[0][0]
    orphans = [e for e in below_a_relay(world) if e.parent == relay and e.source != relay]
    taken = {standby_of(world, edge) for edge in orphans}
    world.leave(relay)
    attached = taken & world.edges
    assert attached == {edge for edge in taken if edge.source != relay}
    world.settle()
    assert attached <= world.edges == world.planned()


def test_what_a_repair_makes_too_wide_is_mended_after_a_while() -> None:
    world = room(BreadthFirst(2), 15, 1)
    children = Counter(edge.parent for edge in world.edges)
    [wide, *_] = [e for e in sorted(world.standbys, key=str) if children[e.parent] == 2]
    assert world.take(wide)
    world.wait(HOLD - 0.1)
    assert wide in world.edges
    world.wait(0.2)
    world.settle()
    assert wide not in world.edges or Counter(e.parent for e in world.edges)[wide.parent] == 2
    assert world.edges == world.planned()
    world.wait(QUIET)
    assert world.edges == world.planned()
    assert world.conference.next_timeout() is None


def test_ready_of_an_edge_that_neither_stands_nor_stands_by_is_ignored() -> None:
    world = room(Sparse(2), 12, 1)
    edge = below_a_relay(world)[0]
    named = {standby_of(world, edge).parent, edge.parent, edge.child, WEB}
    before = set(world.edges)
    for number in range(12):
        other = ParticipantId(f"web-{number:02}")
        if other not in named:
            world.conference.ready(Edge(WEB, other, edge.child), world.now)
    assert world.conference.events() == []
    assert world.planned() == before


def test_nobody_prepares_for_losing_what_has_not_come_yet() -> None:
    world = World(BreadthFirst(1))
    for name in ("web-00", "web-01", "web-02", "web-03"):
        world.join(name, Kind.WEB, **({} if name == WEB else {"publishes": frozenset()}))
    assert not world.standbys
    world.settle()
    assert {edge.child for edge in world.standbys} == {"web-02", "web-03"}


def test_a_phone_s_stream_has_standby_parents_that_are_no_seat() -> None:
    world = room(Sparse(2), 12, 0)
    world.join("phone", Kind.SIP)
    world.settle()
    assert world.standbys
    assert SEAT not in {edge.parent for edge in world.standbys}
