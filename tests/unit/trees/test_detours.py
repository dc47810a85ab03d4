"""Who cannot reach its parent gets the stream another way, whatever the policy."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import histories, membership, plans, policies
from test_every_policy import check_reaches_everyone

from gateway.ports import SEAT, ParticipantId
from gateway.trees.detours import blocked, detoured
from gateway.trees.planner import Membership, TreePolicy
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, edges


@settings(max_examples=60)
@given(policies, histories(most=12), st.integers(1, 20), st.integers(0, 99))
def test_an_edge_between_two_who_cannot_reach_each_other_stays_only_where_there_is_no_other_way(
    policy: TreePolicy, history: list[Membership], count: int, seed: int
) -> None:
    members, forest = plans(policy, history)[-1]
    nodes = [node.id for node in members.nodes]
    pairs = [frozenset({a, b}) for a in nodes for b in nodes if a < b]
    step = 1 + seed % 7
    cut = replace(members, unreachable=frozenset(pairs[seed % step :: step][:count]))
    after = detoured(cut, forest)
    check_reaches_everyone(cut, after)
    assert blocked(cut, after) <= blocked(cut, forest)
    for edge in edges(after):
        if frozenset({edge.parent, edge.child}) in cut.unreachable:
            assert not others(cut, after, edge.source, edge.child)
    assert len(edges(forest) - edges(after)) <= 2 * blocked(cut, forest), "little else moves"


def others(
    members: Membership, forest: Forest, source: ParticipantId, child: ParticipantId
) -> list[ParticipantId]:
    """Who could feed `child` as well."""
    tree = forest[source]
    able = {node.id for node in members.nodes if not node.is_leaf} & {*tree.parent_of}
    return [
        node
        for node in {*able, tree.root}
        if frozenset({node, child}) not in members.unreachable and child not in tree.path(node)
    ]


def test_three_in_a_room_two_of_whom_cannot_reach_each_other() -> None:
    a, b, c = (ParticipantId(name) for name in "abc")
    members = replace(membership(["a", "b", "c"]), unreachable=frozenset({frozenset({a, b})}))
    forest = detoured(members, Sparse(2).plan(members, {}))
    assert forest[a].parent_of == {b: c, c: a}
    assert forest[b].parent_of == {a: c, c: b}
    assert forest[c].parent_of == {a: c, b: c}


def test_the_seat_passes_nothing_on() -> None:
    a, b = ParticipantId("a"), ParticipantId("b")
    members = membership(["a", "b"], ["sip-1"])
    members = replace(members, unreachable=frozenset({frozenset({a, b})}))
    forest = detoured(members, Sparse(2).plan(members, {}))
    assert forest[a].parent_of == {b: a, SEAT: a}, "there is no other way"
