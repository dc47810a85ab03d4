"""What every policy keeps, whatever happens to a conference."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import EQUALS, FAIR, POLICIES, histories, membership, plans, policies, settled

from gateway.ports import SEAT, Attach, Edge
from gateway.trees.backups import standbys
from gateway.trees.planner import Membership, TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, diff, edges, uplinks

FEW = settings(max_examples=40)
"""A history is dozens of plans: the unit tests shall take seconds."""


def check_reaches_everyone(members: Membership, forest: Forest) -> None:
    assert set(forest) == {stream.source for stream in members.streams}
    for stream in members.streams:
        tree = forest[stream.source]
        expected = {node.id for node in members.nodes} - {stream.root} - stream.unwanted
        assert set(tree.parent_of) == expected
        assert (tree.source, tree.root) == (stream.source, stream.root)
        for node in expected:
            assert list(tree.path(node))[-1] == stream.root  # ends: no ring


@FEW
@given(policies, histories())
def test_everyone_receives_once_whom_it_did_not_block(
    policy: TreePolicy, history: list[Membership]
) -> None:
    for members, forest in plans(policy, history):
        check_reaches_everyone(members, forest)


@FEW
@given(policies, histories())
def test_who_cannot_relay_and_the_seat_send_only_in_their_own_trees(
    policy: TreePolicy, history: list[Membership]
) -> None:
    for members, forest in plans(policy, history):
        leaves = {node.id for node in members.nodes if node.is_leaf}
        for edge in edges(forest):
            assert edge.parent not in leaves or forest[edge.source].root == edge.parent


@FEW
@given(policies, histories(EQUALS))
def test_among_equals_nobody_has_more_children_in_a_tree_than_the_fanout(
    policy: TreePolicy, history: list[Membership]
) -> None:
    fanout = getattr(policy, "fanout", 1 if policy == POLICIES[3] else 2)
    for members, forest in plans(policy, history):
        browsers = sum(node.id != SEAT for node in members.nodes)
        if browsers <= getattr(policy, "direct", 0):
            continue
        for tree in forest.values():
            children = Counter(p for child, p in tree.parent_of.items() if child != SEAT)
            assert all(count <= fanout for count in children.values())


@given(st.sampled_from(FAIR), histories(EQUALS))
def test_among_equals_nobody_sends_more_than_in_a_mesh(
    policy: TreePolicy, history: list[Membership]
) -> None:
    for members, forest in plans(policy, history):
        for node, sent in uplinks(forest).items():
            if node != SEAT:
                assert sent <= members.mesh_uplinks


@FEW
@given(policies, histories())
def test_moves_replayed_give_the_planned_forest(
    policy: TreePolicy, history: list[Membership]
) -> None:
    seen: set[Edge] = set()
    before: Forest = {}
    for _, forest in plans(policy, history):
        for move in diff(before, forest):
            (seen.add if isinstance(move, Attach) else seen.remove)(move.edge)
        assert seen == edges(forest)
        before = forest


@FEW
@given(policies, histories())
def test_neither_the_order_in_a_dict_nor_the_time_matters(
    policy: TreePolicy, history: list[Membership]
) -> None:
    members, forest = plans(policy, history)[-1]
    upside_down = {
        source: replace(tree, parent_of=dict(reversed(tree.parent_of.items())))
        for source, tree in reversed(forest.items())
    }
    assert policy.plan(members, upside_down) == policy.plan(members, forest)
    assert policy.rebalance(members, upside_down, 5) == policy.rebalance(members, forest, 5)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_what_need_not_move_stays(policy: TreePolicy) -> None:
    members = membership([f"web-{n:02}" for n in range(15)], ["sip-1"])
    forest = policy.plan(members, {})
    assert policy.plan(members, forest) == forest


@FEW
@given(policies, histories(), st.integers(1, 12))
def test_rebalancing_keeps_all_that_and_moves_no_more_than_it_may(
    policy: TreePolicy, history: list[Membership], moves: int
) -> None:
    members, forest = plans(policy, history)[-1]
    better = policy.rebalance(members, forest, moves)
    check_reaches_everyone(members, better)
    assert len(edges(better) - edges(forest)) <= moves
    peers = [node for node in members.nodes if node.id != SEAT]
    if not any(node.is_leaf or node.capacity for node in peers):  # else the strong carry more
        for node in peers:
            assert uplinks(better)[node.id] <= max(uplinks(forest)[node.id], members.mesh_uplinks)
    check_reaches_everyone(members, settled(policy, members, forest, moves))


KEEPING = [policy for policy in POLICIES if isinstance(policy, BreadthFirst | Sparse)]
"""Those that move only what has to move."""


@FEW
@given(st.sampled_from(KEEPING), histories(), st.integers(0, 99))
def test_who_has_moved_just_now_stays_while_others_come_and_go(
    policy: TreePolicy, history: list[Membership], choice: int
) -> None:
    forest: Forest = {}
    for members in history:
        forest = policy.plan(members, forest)
        sparse = isinstance(policy, Sparse)
        if sparse and (policy.fanout == 1 or len(members.nodes) <= policy.direct + 1):
            continue  # rings, and where everybody sends to everybody
        places = sorted(edges(forest), key=str)
        held = {places[n] for n in range(choice % 7, len(places), 7)}
        pinned = replace(members, held=frozenset((e.source, e.child) for e in held))
        assert held <= edges(policy.plan(pinned, forest))
        assert held <= edges(policy.rebalance(pinned, forest, 5))


@FEW
@given(st.sampled_from(KEEPING), histories(EQUALS), st.integers(0, 99))
def test_whose_parent_has_left_goes_to_its_standby_parent(
    policy: TreePolicy, history: list[Membership], choice: int
) -> None:
    for members, forest in plans(policy, history):
        sparse = isinstance(policy, Sparse)
        peers = [node for node in members.nodes if node.id != SEAT]
        rings = sparse and policy.fanout == 1
        if len(peers) < 2 or rings or (sparse and len(peers) <= policy.direct + 1):
            continue
        backups = standbys(forest, {}, {}, {SEAT}, {})
        leaver = peers[choice % len(peers)]
        nodes = tuple(node for node in members.nodes if node != leaver)
        streams = tuple(stream for stream in members.streams if stream.source != leaver.id)
        fewer = Membership(nodes, streams, standbys=backups)
        after = policy.plan(fewer, forest)
        check_reaches_everyone(fewer, after)
        crowd = Counter((source, s) for source in backups for s in backups[source].values())
        for source, tree in after.items():
            for child, standby in backups[source].items():
                lost = forest[source].parent_of[child] == leaver.id and child != leaver.id
                if lost and standby != leaver.id and crowd[source, standby] == 1:
                    assert tree.parent_of[child] == standby
