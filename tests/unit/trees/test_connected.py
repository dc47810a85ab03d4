"""Trees of pictures go where sound goes already."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from load.pictures_sim import PicturesSimulation, Watching, pairs
from rooms import ANYBODY, histories, settled
from test_every_policy import check_reaches_everyone

from gateway.ports import SEAT, StreamKind
from gateway.trees.planner import Membership, Stream
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, edges, uplinks

POLICIES = [Sparse(2), Sparse(3), Sparse(2, direct=0)]


def watched(members: Membership, sound: Forest, shut: set[tuple[int, int]]) -> Membership:
    """The same room's pictures: `shut` says by number who does not show whose."""
    browsers = [node.id for node in members.nodes if node.id != SEAT]
    numbers = {who: number for number, who in enumerate(browsers)}
    streams = []
    for stream in members.streams:
        if stream.root == SEAT:
            continue
        closed = {
            who
            for who in browsers
            if who != stream.source and (numbers[who], numbers[stream.source]) in shut
        }
        streams.append(Stream(stream.source, stream.root, frozenset({SEAT, *closed})))
    with_browsers = frozenset(pair for pair in pairs(sound) if SEAT not in pair)
    return Membership(members.nodes, tuple(streams), connected=with_browsers)


numbers = st.integers(0, 11)
rooms = st.tuples(
    st.sampled_from(POLICIES), histories(ANYBODY, 12), st.sets(st.tuples(numbers, numbers))
)
Room = tuple[Sparse, list[Membership], set[tuple[int, int]]]


def planned(room: Room) -> list[tuple[Membership, Forest]]:
    """The pictures' memberships and forests, one after each event."""
    policy, history, shut = room
    sound: Forest = {}
    shown: Forest = {}
    found = []
    for members in history:
        sound = policy.plan(members, sound)
        viewers = watched(members, sound, shut)
        shown = policy.plan(viewers, shown)
        found.append((viewers, shown))
    return found


@settings(max_examples=40)
@given(rooms)
def test_everyone_gets_the_pictures_that_are_shown_once(room: Room) -> None:
    for members, forest in planned(room):
        check_reaches_everyone(members, forest)
        leaves = {node.id for node in members.nodes if node.is_leaf}
        for edge in edges(forest):
            assert edge.parent not in leaves or edge.parent == edge.source


@settings(max_examples=40)
@given(rooms, st.integers(1, 12))
def test_rebalancing_keeps_all_that_and_comes_to_an_end(room: Room, moves: int) -> None:
    policy = room[0]
    members, forest = planned(room)[-1]
    better = policy.rebalance(members, forest, moves)
    assert len(edges(better) - edges(forest)) <= moves
    check_reaches_everyone(members, better)
    check_reaches_everyone(members, settled(policy, members, forest, moves))


@settings(max_examples=40)
@given(rooms)
def test_a_plan_is_the_same_again_and_keeps_what_stands(room: Room) -> None:
    policy = room[0]
    members, forest = planned(room)[-1]
    again = Membership(members.nodes, members.streams, connected=frozenset([*members.connected]))
    assert policy.plan(again, forest) == policy.plan(members, forest)


@pytest.mark.parametrize("count", [6, 10, 20])
def test_pictures_that_all_show_need_hardly_a_connection_of_their_own(count: int) -> None:
    simulation = PicturesSimulation(Sparse(2), count, Watching.SPEAKER)
    (_, members, sound), *_ = simulation.members()
    viewers = Membership(members.nodes, members.streams, connected=pairs(sound))
    assert len(pairs(Sparse(2).plan(viewers, {})) - pairs(sound)) <= 1


@pytest.mark.parametrize(("peers", "events", "most"), [(10, 60, 5), (40, 6, 8)])
def test_sound_and_pictures_together_need_few_neighbours(
    peers: int, events: int, most: int
) -> None:
    outcome = PicturesSimulation(Sparse(2), peers, Watching.SPEAKER).run(events)
    assert outcome.neighbours_max <= most
    assert all(ratio <= 1 for ratio in outcome.uplinks_vs_mesh.values())


def test_pictures_that_few_show_go_to_these_alone() -> None:
    """Nobody relays what it does not show, so such trees may need connections of their own."""
    simulation = PicturesSimulation(Sparse(2), 10, Watching.PINNED)
    for kind, members, forest in simulation.members():
        check_reaches_everyone(members, forest)
        assert kind is StreamKind.AUDIO or members.connected
        assert max(uplinks(forest).values()) <= members.mesh_uplinks
