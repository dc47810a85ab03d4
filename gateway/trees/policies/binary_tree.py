"""Each tree a complete binary tree: no tree is shallower, and that is all.

A tree is an order of its nodes: number k hangs on number (k − 1) // 2. A newcomer comes last, and
the last takes the place of one who leaves, so few edges move. Who came early stays high up, in
every tree, and has everybody for a neighbour: what the other policies are measured against.
"""

from collections.abc import Collection
from dataclasses import dataclass

from gateway.ports import SEAT, ParticipantId
from gateway.trees.fanout import widened
from gateway.trees.planner import Membership, Stream
from gateway.trees.topology import Forest, Tree


@dataclass(frozen=True, slots=True)
class BinaryTree:
    """Two children for each node, the seat besides; more only where too few may relay."""

    def plan(self, members: Membership, current: Forest) -> Forest:
        return {
            stream.source: _tree(members, stream, current.get(stream.source))
            for stream in members.streams
        }

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        return current


def _tree(members: Membership, stream: Stream, standing: Tree | None) -> Tree:
    names = [node.id for node in members.nodes if node.id != SEAT]
    leaves = {node.id for node in members.nodes if node.is_leaf}
    start = names.index(stream.root) if stream.root in names else 0
    ring = [*names[start:], *names[:start]]
    wanted = [n for n in ring if n != stream.root and n not in stream.unwanted]
    standing_order = _order(standing) if standing and standing.root == stream.root else []
    order = _filled(standing_order, dict.fromkeys(wanted))
    relays = sum(node not in leaves for node in wanted)
    fanout = widened(2, relays, len(wanted) - relays, weak_root=stream.root in leaves)
    # A root that cannot relay feeds the first of the others, who has the complete tree below it.
    head = 1 if fanout.root < fanout.relay else 0
    wide = max(fanout.root, fanout.relay) if relays else max(len(wanted), 1)
    interior = max(head + (len(order) - head - 1) // wide, 0)
    order = [stream.root, *_relays_high(order, leaves, interior)]
    parent_of = {
        node: order[0] if number <= head else order[head + (number - head - 1) // wide]
        for number, node in enumerate(order)
        if number > 0
    }
    if stream.root != SEAT and len(names) < len(members.nodes) and SEAT not in stream.unwanted:
        parent_of[SEAT] = stream.root
    return Tree(stream.source, stream.root, parent_of)


def _order(tree: Tree) -> list[ParticipantId]:
    """The order that `tree` was made from: of two brothers the one with more below comes first."""
    children: dict[ParticipantId, list[ParticipantId]] = {}
    for child, parent in tree.parent_of.items():
        if child != SEAT:
            children.setdefault(parent, []).append(child)
    levels = [tree.root]
    for node in levels:
        levels.extend(children.get(node, ()))
    sizes = dict.fromkeys(levels, 1)
    for node in reversed(levels[1:]):
        sizes[tree.parent_of[node]] += sizes[node]
    order = [tree.root]
    for node in order:
        order.extend(sorted(children.get(node, ()), key=lambda n: (-sizes[n], n)))
    return order[1:]


def _filled(order: list[ParticipantId], wanted: Collection[ParticipantId]) -> list[ParticipantId]:
    """`order` without those who left; the last ones take their places, newcomers come last."""
    there = [node for node in order if node in wanted]
    count = len(there)
    filled = []
    for node in order[:count]:
        filled.append(node if node in wanted else there.pop())
    known = set(filled)
    return [*filled, *(node for node in wanted if node not in known)]


def _relays_high(
    order: list[ParticipantId], leaves: Collection[ParticipantId], interior: int
) -> list[ParticipantId]:
    """The first `interior` of them have children, so they have to be relays."""
    order = [*order]
    low = [number for number in range(interior, len(order)) if order[number] not in leaves]
    for number in range(interior):
        if order[number] in leaves:
            other = low.pop()
            order[number], order[other] = order[other], order[number]
    return order
