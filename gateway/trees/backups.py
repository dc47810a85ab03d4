"""Who takes over where a parent fails: a standby parent for every node that has a relay above it.

A child asks its standby parent itself (docs/protocol.md, "Repair"), so that one has to be chosen
beforehand: it has the stream without the parent's help, it is connected already if possible, and
when some relay fails, not all of its children go to the same node.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from heapq import heapify, heapreplace

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Standbys
from gateway.trees.topology import Forest, Tree

Neighbours = Mapping[ParticipantId, Collection[ParticipantId]]


def standbys(
    forest: Forest,
    current: Standbys,
    near: Neighbours,
    leaves: Collection[ParticipantId],
    spare: Mapping[ParticipantId, int],
) -> dict[ParticipantId, dict[ParticipantId, ParticipantId]]:
    """A standby parent for every browser whose parent is not the root, and that can have one.

    `current` holds those that stand, which are kept while they are as good as any. `near`: who is
    connected anyway. `leaves` relay nothing. `spare`: how many streams more a node may send; who
    is missing there has none to spare.

    None is below its child. The root may be one, the seat never: it has no data channel.
    """
    choice = _Choice(near, leaves, spare)
    return {
        source: choice.of_tree(forest[source], current.get(source, {})) for source in sorted(forest)
    }


class _Shape:
    """A tree with what has to be asked of it often."""

    def __init__(self, tree: Tree) -> None:
        self.parent_of = tree.parent_of
        self.root = tree.root
        children: dict[ParticipantId, list[ParticipantId]] = {}
        for child in sorted(tree.parent_of):
            children.setdefault(tree.parent_of[child], []).append(child)
        self.depth = {tree.root: 0}
        self.branch = {tree.root: tree.root}
        """The child of the root that a node is below, or is itself."""
        self.order = [tree.root]
        """Breadth first."""
        for node in self.order:
            for child in children.get(node, ()):
                self.depth[child] = self.depth[node] + 1
                self.branch[child] = child if node == tree.root else self.branch[node]
                self.order.append(child)
        self.number = {node: index for index, node in enumerate(self.order)}
        usual = -(-len(tree.parent_of) // max(len(children), 1))
        self.crowd = {node: max(0, len(below) - usual) for node, below in children.items()}
        """How many children more than usual a node has in this tree."""
        self._size = dict.fromkeys(self.order, 1)
        for node in reversed(self.order[1:]):
            self._size[tree.parent_of[node]] += self._size[node]
        self._begins = {tree.root: 0}
        """Depth first, so that a node and all below it are a row of numbers."""
        for node in self.order:
            begin = self._begins[node] + 1
            for child in children.get(node, ()):
                self._begins[child] = begin
                begin += self._size[child]

    def is_below(self, node: ParticipantId, top: ParticipantId) -> bool:
        """Also of `top` itself."""
        return 0 <= self._begins[node] - self._begins[top] < self._size[top]


class _Choice:
    """All trees' standby parents while they are being chosen."""

    def __init__(
        self,
        near: Neighbours,
        leaves: Collection[ParticipantId],
        spare: Mapping[ParticipantId, int],
    ) -> None:
        self._near = near
        self._leaves = {*leaves, SEAT}
        self._spare = spare
        self._given: Counter[ParticipantId] = Counter()
        """For how many edges each node stands by."""
        self._after: Counter[tuple[ParticipantId, ParticipantId]] = Counter()
        """The same for those of one parent: what comes to a node when that parent fails."""

    def of_tree(
        self, tree: Tree, current: Mapping[ParticipantId, ParticipantId]
    ) -> dict[ParticipantId, ParticipantId]:
        shape = _Shape(tree)
        branches = self._branches(shape)
        chosen = {}
        for child in shape.order:
            if child == SEAT or shape.depth[child] < 2:
                continue
            standing = current.get(child)
            candidates = [*self._near.get(child, ()), *self._strangers(shape, branches, child)]
            if standing is not None:
                candidates.append(standing)
            parent = tree.parent_of[child]
            ranks = {
                self._rank(shape, child, parent, node, standing): node
                for node in candidates
                if self._is_possible(shape, child, parent, node)
            }
            if ranks:
                chosen[child] = best = ranks[min(ranks)]
                self._given[best] += 1
                self._after[parent, best] += 1
        return chosen

    def _branches(self, shape: _Shape) -> dict[ParticipantId, "_Branch"]:
        """By the node that each is below; the root is one of its own."""
        nodes: dict[ParticipantId, list[ParticipantId]] = {}
        for node in shape.order:
            if self._is_able(shape, node):
                nodes.setdefault(shape.branch[node], []).append(node)
        return {
            top: _Branch(shape, members, self._given, self._spare) for top, members in nodes.items()
        }

    def _is_able(self, shape: _Shape, node: ParticipantId) -> bool:
        return node not in self._leaves or node == shape.root != SEAT

    def _is_possible(
        self, shape: _Shape, child: ParticipantId, parent: ParticipantId, node: ParticipantId
    ) -> bool:
        stands = node in shape.depth and self._is_able(shape, node)
        return stands and node != parent and not shape.is_below(node, child)

    def _rank(
        self,
        shape: _Shape,
        child: ParticipantId,
        parent: ParticipantId,
        node: ParticipantId,
        standing: ParticipantId | None,
    ) -> tuple[int, ...]:
        """What is best is least."""
        after = self._after[parent, node]
        coarse = (
            shape.is_below(node, parent),
            node not in self._near.get(child, ()),
            self._spare.get(node, 0) <= after,
            # Where all stand by for those behind them, failures at once cannot close a ring.
            shape.depth[node] > shape.depth[child],
        )
        fine = (
            shape.branch[node] == shape.branch[child],
            after,
            self._given[node] + shape.crowd.get(node, 0),
            shape.number[node],
        )
        return (*coarse, node != standing, *fine)

    def _strangers(
        self, shape: _Shape, branches: dict[ParticipantId, "_Branch"], child: ParticipantId
    ) -> Iterator[ParticipantId]:
        """Of each other branch the one that stands by for fewest; and the parent's parent."""
        own = shape.branch[child]
        yield from (branch.first() for top, branch in branches.items() if top != own)
        yield shape.parent_of[shape.parent_of[child]]


class _Branch:
    """Nodes of one branch; at the head one with uplink to spare, of those that stand by for fewest,
    the highest."""

    def __init__(
        self,
        shape: _Shape,
        nodes: list[ParticipantId],
        given: Counter[ParticipantId],
        spare: Mapping[ParticipantId, int],
    ) -> None:
        self._given = given
        self._spare = spare
        self._crowd = shape.crowd
        self._heap = [(*self._price(node), shape.number[node], node) for node in nodes]
        heapify(self._heap)

    def first(self) -> ParticipantId:
        while True:
            *price, number, node = self._heap[0]
            if (now := self._price(node)) == tuple(price):
                return node
            # It has been chosen since: it only ever becomes dearer.
            heapreplace(self._heap, (*now, number, node))

    def _price(self, node: ParticipantId) -> tuple[bool, int]:
        given = self._given[node]
        return self._spare.get(node, 0) <= given, given + self._crowd.get(node, 0)
