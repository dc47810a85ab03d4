"""The sparse policy: few neighbours, fair load, shallow trees, few moves."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import EQUALS, Room, deepest, histories, least_depth, membership, plans, settled

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Node, Stream
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, edges, neighbours, uplinks

EMPTY: Forest = {}


def churned(peers: int, events: int, seed: int, legacy: list[str]) -> tuple[Membership, Forest]:
    """A room of `peers` after so many of them were replaced, and time to settle after each."""
    rng, names = random.Random(seed), [f"web-{n:03}" for n in range(peers)]
    members, forest = membership(names, legacy), EMPTY
    for count in range(1, peers + 1):
        forest = Sparse(2).plan(membership(names[:count], legacy), forest)
    for event in range(events):
        names.remove(rng.choice(names))
        forest = Sparse(2).plan(membership(names, legacy), forest)
        names.append(f"web-{peers + event:03}")
        members = membership(names, legacy)
        forest = settled(Sparse(2), members, Sparse(2).plan(members, forest))
    return members, forest


@pytest.mark.parametrize(("peers", "events", "most"), [(10, 30, 5), (40, 6, 8)])
@pytest.mark.parametrize("legacy", [[], ["sip-1"]], ids=["browsers", "with a phone"])
def test_after_churn_nobody_has_many_neighbours(
    peers: int, events: int, most: int, legacy: list[str]
) -> None:
    for seed in range(1 if peers > 10 else 3):
        members, forest = churned(peers, events, seed, legacy)
        browsers = {node.id for node in members.nodes} - {SEAT}
        assert max(len(neighbours(forest)[node] - {SEAT}) for node in browsers) <= most
        assert max(uplinks(forest)[node] for node in browsers) <= members.mesh_uplinks


@given(histories(EQUALS), st.integers(2, 4))
def test_no_tree_is_more_than_one_hop_deeper_than_it_must_be(
    history: list[Membership], fanout: int
) -> None:
    for _, forest in plans(Sparse(fanout), history):
        for tree in forest.values():
            peers = 1 + sum(node != SEAT for node in tree.parent_of)
            assert deepest(tree) <= least_depth(peers, fanout) + 1


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_in_a_small_room_everybody_sends_to_everybody(count: int) -> None:
    names = [f"web-{n}" for n in range(count)]
    for legacy in ([], ["sip-1"]):
        forest = Sparse(2).plan(membership(names, legacy), {})
        assert all(edge.parent in (edge.source, SEAT) for edge in edges(forest))


def test_a_join_moves_little_besides_the_newcomers_own_edges() -> None:
    names, forest = [f"web-{n:02}" for n in range(20)], EMPTY
    for count in range(1, 20):
        forest = Sparse(2).plan(membership(names[:count]), forest)
    after = Sparse(2).plan(membership(names), forest)
    new = edges(after) - edges(forest)
    others = [edge for edge in new if names[-1] not in (edge.source, edge.child)]
    # To take its share of 19 streams the newcomer needs 17 children who had other parents.
    assert len(others) <= 2 * 17


def test_a_leave_moves_little_besides_the_leavers_children() -> None:
    names, forest = [f"web-{n:02}" for n in range(20)], EMPTY
    for count in range(1, 21):
        forest = Sparse(2).plan(membership(names[:count]), forest)
    gone = ParticipantId(names.pop(7))
    after = Sparse(2).plan(membership(names), forest)
    orphans = {(e.source, e.child) for e in edges(forest) if e.parent == gone != e.source}
    others = {(e.source, e.child) for e in edges(after) - edges(forest)} - orphans
    assert len(others) <= 20


def test_the_seat_hangs_on_every_root_itself() -> None:
    forest = Sparse(2).plan(membership([f"web-{n}" for n in range(9)], ["sip-1", "sip-2"]), {})
    for source, tree in forest.items():
        assert tree.root == SEAT or tree.parent_of[SEAT] == source


def test_listeners_relay_too() -> None:
    room = Room()
    for number in range(30):
        room.join(f"web-{number:02}")
    room.publishing = {"web-00", "web-07"}
    members = room.members()
    forest = Sparse(2).plan(members, {})
    assert set(forest) == room.publishing
    assert max(uplinks(forest).values()) <= 4  # two children in each of two trees
    assert all(deepest(tree) <= least_depth(30, 2) + 1 for tree in forest.values())


def test_one_publisher_reaches_ten_thousand() -> None:
    nodes = tuple(Node(ParticipantId(f"web-{n:05}")) for n in range(10_000))
    members = Membership(nodes, (Stream(nodes[0].id, nodes[0].id),))
    forest = Sparse(2).plan(members, {})
    assert max(uplinks(forest).values()) == 2
    depths = Counter[ParticipantId]()
    parent_of = forest[nodes[0].id].parent_of
    assert len(parent_of) == 9_999
    for node in parent_of:
        depths[node] = sum(1 for _ in forest[nodes[0].id].path(node)) - 1
    assert max(depths.values()) <= least_depth(10_000, 2) + 1
    # One leaves from high up: another takes its place, and nobody else moves.
    gone = next(node for node in parent_of.values() if node != nodes[0].id)
    rest = replace(members, nodes=tuple(node for node in nodes if node.id != gone))
    moved = edges(Sparse(2).plan(rest, forest)) - edges(forest)
    assert len(moved) <= 3


@pytest.mark.parametrize("ability", [{"mobile": True}, {"relays": False}])
def test_the_weak_are_leaves_and_the_strong_share_what_they_leave(ability: dict[str, bool]) -> None:
    room = Room()
    for number in range(12):
        room.join(f"web-{number:02}", **(ability if number % 3 == 0 else {}))
    members = room.members()
    sent = uplinks(Sparse(2).plan(members, {}))
    weak = {node.id for node in members.nodes if node.is_leaf}
    assert all(sent[node] == 1 for node in weak)  # its own stream, once
    strong = [sent[node.id] for node in members.nodes if node.id not in weak]
    assert max(strong) <= -(-(12 * 11 - 4) // 8)  # all that is left, in equal parts


def test_who_has_more_uplink_carries_more_where_somebody_must() -> None:
    room = Room()
    for number in range(12):
        capacity = 40 if number < 2 else 14
        room.join(f"web-{number:02}", mobile=number > 8, capacity=capacity)
    sent = uplinks(Sparse(2).plan(room.members(), {}))
    small = max(sent[ParticipantId(f"web-{n:02}")] for n in range(2, 9))
    assert small <= 14
    assert min(sent[ParticipantId(f"web-{n:02}")] for n in (0, 1)) > small


@given(st.lists(st.integers(3, 8), min_size=1, max_size=4), st.integers(6, 12))
def test_nobody_sends_more_than_its_uplink_carries(slow: list[int], fast: int) -> None:
    room = Room()
    for number, capacity in enumerate(slow):
        room.join(f"slow-{number}", capacity=capacity)
    for number in range(fast):
        room.join(f"web-{number:02}")
    members = room.members()
    sent = uplinks(Sparse(2).plan(members, {}))
    for node in members.nodes:
        if node.capacity is not None:
            assert sent[node.id] <= node.capacity


def test_who_blocked_somebody_is_not_in_the_tree_and_its_children_are_fed_by_others() -> None:
    room = Room()
    for number in range(12):
        room.join(f"web-{number:02}")
    before = Sparse(2).plan(room.members(), {})
    source = ParticipantId("web-00")
    relay = next(parent for parent in before[source].parent_of.values() if parent != source)
    room.blocks.add((relay, source))
    after = Sparse(2).plan(room.members(), before)
    assert relay not in {*after[source].parent_of, *after[source].parent_of.values()}
    assert len(after[source].parent_of) == 10


def test_among_equal_choices_short_round_trips_are_preferred() -> None:
    room = Room()
    for number in range(16):
        room.join(f"web-{number:02}")
    blind = room.members()
    even = lambda name: int(name[-2:]) % 2 == 0  # noqa: E731
    ids = [node.id for node in blind.nodes]
    round_trips = {
        frozenset({one, other}): 20.0 if even(one) == even(other) else 200.0
        for one in ids
        for other in ids
        if one < other
    }

    def mean(members: Membership) -> float:
        forest = EMPTY
        for count in range(1, 17):
            there = set(ids[:count])
            part = replace(
                members,
                nodes=tuple(node for node in members.nodes if node.id in there),
                streams=tuple(s for s in members.streams if s.root in there),
            )
            forest = Sparse(2).plan(part, forest)
        found = [round_trips[frozenset({e.parent, e.child})] for e in edges(forest)]
        return sum(found) / len(found)

    assert mean(replace(blind, round_trips=round_trips)) < 0.9 * mean(blind)


@settings(max_examples=20)
@given(st.permutations([f"web-{n:02}" for n in range(14)]))
def test_settling_ends_and_makes_nothing_worse(names: list[str]) -> None:
    members, forest = membership(names), EMPTY
    for count in range(1, 15):
        forest = Sparse(2).plan(membership(names[:count]), forest)
    calm = settled(Sparse(2), members, forest, moves=6)
    most = lambda f: max(len(near) for near in neighbours(f).values())  # noqa: E731
    assert most(calm) <= most(forest)
    assert max(uplinks(calm).values()) <= members.mesh_uplinks
    assert max(map(deepest, calm.values())) <= least_depth(14, 2) + 1
