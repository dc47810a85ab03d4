"""Standby parents, in whatever forests the policies make."""

from collections import Counter, defaultdict
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from rooms import histories, membership, plans, policies
from test_every_policy import FEW

from gateway.ports import SEAT, ParticipantId
from gateway.trees.backups import standbys
from gateway.trees.planner import Membership, Node, Standbys, Stream, TreePolicy
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, Tree, neighbours, uplinks


def chosen(members: Membership, forest: Forest, current: Standbys) -> Standbys:
    leaves = {node.id for node in members.nodes if node.is_leaf}
    sent = uplinks(forest)
    spare = {node.id: members.mesh_uplinks - sent[node.id] for node in members.nodes}
    return standbys(forest, current, neighbours(forest), leaves, spare)


def after_each_event(
    policy: TreePolicy, history: list[Membership]
) -> list[tuple[Membership, Forest, Standbys]]:
    told: list[tuple[Membership, Forest, Standbys]] = []
    current: Standbys = {}
    for members, forest in plans(policy, history):
        current = chosen(members, forest, current)
        told.append((members, forest, current))
    return told


def who(number: int) -> ParticipantId:
    return ParticipantId(f"web-{number:03}")


def broadcast(listeners: int) -> tuple[Membership, Forest]:
    nodes = tuple(Node(who(n)) for n in range(listeners + 1))
    members = Membership(nodes, (Stream(who(0), who(0)),))
    return members, Sparse(2).plan(members, {})


@FEW
@given(policies, histories())
def test_a_standby_parent_could_take_over_at_once(
    policy: TreePolicy, history: list[Membership]
) -> None:
    for members, forest, backups in after_each_event(policy, history):
        leaves = {node.id for node in members.nodes if node.is_leaf}
        assert set(backups) == set(forest)
        for source, tree in forest.items():
            for child, standby in backups[source].items():
                assert tree.parent_of[child] != tree.root
                assert child != SEAT != standby
                assert standby != tree.parent_of[child]
                assert standby not in leaves or standby == tree.root
                assert child not in tree.path(standby)


@FEW
@given(policies, histories())
def test_a_standby_parent_does_not_live_on_the_parent_where_there_is_another_way(
    policy: TreePolicy, history: list[Membership]
) -> None:
    for _, forest, backups in after_each_event(policy, history):
        for source, tree in forest.items():
            for child in tree.parent_of:
                parent = tree.parent_of[child]
                if child == SEAT or parent == tree.root:
                    continue
                # Whoever has a relay above it can go to that one's parent; the seat cannot help.
                if tree.parent_of[parent] != SEAT:
                    assert parent not in tree.path(backups[source][child])


@FEW
@given(policies, histories())
def test_standbys_that_are_good_stay(policy: TreePolicy, history: list[Membership]) -> None:
    for members, forest, backups in after_each_event(policy, history):
        assert chosen(members, forest, backups) == backups


@FEW
@given(policies, histories(), st.randoms())
def test_the_order_in_dicts_does_not_matter(
    policy: TreePolicy, history: list[Membership], shuffler: Random
) -> None:
    members, forest, backups = after_each_event(policy, history)[-1]
    mixed = {}
    for source in shuffler.sample(sorted(forest), len(forest)):
        tree = forest[source]
        nodes = shuffler.sample(sorted(tree.parent_of), len(tree.parent_of))
        mixed[source] = Tree(source, tree.root, {node: tree.parent_of[node] for node in nodes})
    assert chosen(members, mixed, {}) == chosen(members, forest, {})
    assert chosen(members, mixed, backups) == chosen(members, forest, backups)


def test_when_a_relay_fails_its_children_do_not_all_go_to_one() -> None:
    members = membership([f"web-{n:03}" for n in range(20)])
    forest = Sparse(2).plan(members, {})
    together: dict[ParticipantId, Counter[ParticipantId]] = defaultdict(Counter)
    backups = chosen(members, forest, {})
    for source, tree in forest.items():
        for child, standby in backups[source].items():
            together[tree.parent_of[child]][standby] += 1
    for parent, taken in together.items():
        orphans = taken.total()
        assert max(taken.values()) <= max(2, orphans // 2), (parent, taken)


def test_where_all_publish_most_standby_parents_are_neighbours() -> None:
    members = membership([f"web-{n:03}" for n in range(20)])
    forest = Sparse(2).plan(members, {})
    near, backups = neighbours(forest), chosen(members, forest, {})
    pairs = [(child, standby) for tree in backups.values() for child, standby in tree.items()]
    known = sum(standby in near[child] for child, standby in pairs)
    assert known / len(pairs) > 0.9


def test_one_publisher_to_a_thousand_has_them_spread_in_both_halves() -> None:
    members, forest = broadcast(1000)
    tree, backups = forest[who(0)], chosen(members, forest, {})[who(0)]
    assert len(backups) == 998
    assert max(Counter(backups.values()).values()) <= 2
    halves = {node: list(tree.path(node))[-2] for node in tree.parent_of}
    crossing = sum(s == tree.root or halves[s] != halves[c] for c, s in backups.items())
    assert crossing > 0.95 * len(backups)
    # So that no failures at once can make them wait for each other in a ring.
    assert all(tree.depth(s) <= tree.depth(c) for c, s in backups.items())


def test_few_standbys_change_when_one_leaves() -> None:
    members, forest = broadcast(200)
    before = chosen(members, forest, {})
    fewer = Membership(members.nodes[:100] + members.nodes[101:], members.streams)
    planned = Sparse(2).plan(fewer, forest)
    after = chosen(fewer, planned, before)
    changed = set(after[who(0)].items()) - set(before[who(0)].items())
    assert len(changed) <= 12


def test_who_has_no_uplink_to_spare_is_asked_last() -> None:
    members, forest = broadcast(14)
    leaves: set[ParticipantId] = set()
    full = {node.id: 0 for node in members.nodes} | {who(3): 10}
    backups = standbys(forest, {}, neighbours(forest), leaves, full)[who(0)]
    assert Counter(backups.values()).most_common(1)[0][0] == who(3)
