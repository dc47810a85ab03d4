"""Whatever happened to a conference, its forest reaches everyone once and is fair."""

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import SEAT, Attach, Edge, ParticipantId
from gateway.trees.planner import Membership, Node, Stream
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.trees.topology import Forest, diff, edges


def membership(browsers: list[str], legacy: list[str] | None = None) -> Membership:
    """Browsers that all publish, and legacy participants behind the seat."""
    ids = [ParticipantId(name) for name in browsers]
    behind = [ParticipantId(name) for name in legacy or []]
    seat = (Node(SEAT, relays=False),) if behind else ()
    streams = [Stream(i, i) for i in ids] + [Stream(i, SEAT) for i in behind]
    return Membership((*(Node(i) for i in ids), *seat), tuple(streams))


fanouts = st.integers(min_value=1, max_value=5)
events = st.lists(st.tuples(st.sampled_from(["web", "web", "sip", "leave"]), st.integers(0, 99)))


@st.composite
def histories(draw: st.DrawFn) -> list[Membership]:
    """A conference's memberships, one after each join or leave, up to 24 participants."""
    browsers: list[str] = []
    legacy: list[str] = []
    history = []
    for number, (event, choice) in enumerate(draw(events)):
        everyone = browsers + legacy
        if event == "leave" and everyone:
            leaver = everyone[choice % len(everyone)]
            (browsers if leaver in browsers else legacy).remove(leaver)
        elif event != "leave" and len(everyone) < 24:
            (browsers if event == "web" else legacy).append(f"{event}-{number:03}")
        history.append(membership(browsers, legacy))
    return history


def plans(history: list[Membership], fanout: int) -> list[tuple[Membership, Forest]]:
    forest: Forest = {}
    policy, told = BreadthFirst(fanout), []
    for members in history:
        forest = policy.plan(members, forest)
        told.append((members, forest))
    return told


def uplinks(forest: Forest) -> Counter[ParticipantId]:
    return Counter(edge.parent for edge in edges(forest))


@given(histories(), fanouts)
def test_everyone_receives_every_other_exactly_once(history: list[Membership], fanout: int) -> None:
    for members, forest in plans(history, fanout):
        assert set(forest) == {stream.source for stream in members.streams}
        for stream in members.streams:
            tree = forest[stream.source]
            expected = {node.id for node in members.nodes} - {stream.root}
            assert set(tree.parent_of) == expected
            assert tree.root == stream.root
            for node in expected:
                assert list(tree.path(node))[-1] == stream.root  # ends: no cycle


@given(histories(), fanouts)
def test_nobody_has_more_children_in_a_tree_than_the_fanout(
    history: list[Membership], fanout: int
) -> None:
    for members, forest in plans(history, fanout):
        for tree in forest.values():
            assert all(len(list(tree.children(node.id))) <= fanout for node in members.nodes)


@given(histories(), fanouts)
def test_nobody_sends_more_than_in_a_mesh(history: list[Membership], fanout: int) -> None:
    for members, forest in plans(history, fanout):
        for node, sent in uplinks(forest).items():
            if node != SEAT:
                assert sent <= members.mesh_uplinks


@given(histories(), fanouts)
def test_the_seat_relays_nothing(history: list[Membership], fanout: int) -> None:
    for _, forest in plans(history, fanout):
        assert all(
            edge.parent != SEAT or forest[edge.source].root == SEAT for edge in edges(forest)
        )


@given(histories(), fanouts)
def test_moves_replayed_give_the_planned_forest(history: list[Membership], fanout: int) -> None:
    seen: set[Edge] = set()
    before: Forest = {}
    for _, forest in plans(history, fanout):
        for move in diff(before, forest):
            (seen.add if isinstance(move, Attach) else seen.remove)(move.edge)
        assert seen == edges(forest)
        before = forest


@given(st.integers(1, 20), fanouts)
def test_the_order_in_a_dict_does_not_matter(count: int, fanout: int) -> None:
    members = membership([f"web-{n:02}" for n in range(count)], ["sip-1"])
    forest = BreadthFirst(fanout).plan(members, {})
    upside_down = {
        source: replace(tree, parent_of=dict(reversed(tree.parent_of.items())))
        for source, tree in reversed(forest.items())
    }
    assert BreadthFirst(fanout).plan(members, upside_down) == forest


@given(st.integers(2, 40))
def test_a_fresh_forest_of_fanout_two_is_as_shallow_as_a_binary_tree(count: int) -> None:
    members = membership([f"web-{n:02}" for n in range(count)])
    for tree in BreadthFirst(2).plan(members, {}).values():
        deepest = max(tree.depth(node) for node in tree.parent_of)
        assert deepest == count.bit_length() - 1


def test_a_leave_keeps_what_did_not_hang_on_the_leaver() -> None:
    before = BreadthFirst(2).plan(membership([f"web-{n}" for n in range(8)]), {})
    after = BreadthFirst(2).plan(membership([f"web-{n}" for n in range(8) if n != 3]), before)
    leaver = ParticipantId("web-3")
    possible = {e for e in edges(before) if leaver not in (e.source, e.parent, e.child)}
    # Not all: a node that is above the mesh's load now hands children over.
    assert len(edges(after) & possible) >= 0.85 * len(possible)


def test_a_browser_that_cannot_relay_is_a_leaf_everywhere() -> None:
    members = membership(["a", "b", "c", "d", "e"])
    weak = ParticipantId("b")
    nodes = tuple(Node(n.id, relays=n.id != weak) for n in members.nodes)
    forest = BreadthFirst(2).plan(Membership(nodes, members.streams), {})
    assert all(edge.source == weak for edge in edges(forest) if edge.parent == weak)


def test_a_stream_stays_away_from_those_who_do_not_want_it() -> None:
    a, b, c = (ParticipantId(name) for name in "abc")
    streams = (Stream(a, a, unwanted=frozenset({b})), Stream(b, b), Stream(c, c))
    forest = BreadthFirst(2).plan(Membership((Node(a), Node(b), Node(c)), streams), {})
    assert set(forest[a].parent_of) == {c}
