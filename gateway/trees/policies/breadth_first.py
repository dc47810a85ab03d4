"""Breadth-first trees whose interior nodes rotate with the load.

Each tree is filled level by level, `fanout` children a node. Who comes first becomes interior, so
the order is what makes a forest fair: it starts behind the source and wraps around, which gives
everyone each position once; those who carry more than others already come later. (In order of
joining, as BBVoice has it, the first to join relay in every tree and carry twice a mesh's load.)
The seat comes before all: it relays nothing, and phones shall not hear everybody late.

What stands is kept. A node that lost its parent keeps its children and moves with them, below the
highest node that has room; at the end whoever carries more than a mesh would make it carry hands
children over to others.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Stream
from gateway.trees.topology import Forest, Tree


@dataclass(frozen=True, slots=True)
class BreadthFirst:
    """Up to `fanout` children a node in each tree.

    Only a tree in which no other node may relay gives its root more.
    """

    fanout: int

    def plan(self, members: Membership, current: Forest) -> Forest:
        drafts = _Drafts(self.fanout, members)
        # First what stands, so that the loads are known when new trees choose their interiors.
        for stream in members.streams:
            drafts.keep(stream, current.get(stream.source))
        standing = drafts.uplinks()
        for stream in members.streams:
            drafts.complete(stream, standing)
        drafts.relieve()
        return {
            stream.source: Tree(stream.source, stream.root, drafts.parents(stream))
            for stream in members.streams
        }

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        return current


@dataclass(slots=True)
class _Draft:
    """One tree while it is being planned."""

    root: ParticipantId
    wanted: list[ParticipantId]
    parent_of: dict[ParticipantId, ParticipantId] = field(default_factory=dict)
    children: dict[ParticipantId, list[ParticipantId]] = field(default_factory=dict)
    held: set[ParticipantId] = field(default_factory=set)
    """Those that stay below their parents: they have moved only just now."""

    def attach(self, child: ParticipantId, parent: ParticipantId) -> None:
        self.parent_of[child] = parent
        self.children.setdefault(parent, []).append(child)

    def detach(self, child: ParticipantId) -> None:
        self.children[self.parent_of.pop(child)].remove(child)

    def swap(self, one: ParticipantId, other: ParticipantId) -> None:
        """Each takes the other's parent and children."""
        names = {one: other, other: one}
        parent_of = {
            names.get(child, child): names.get(parent, parent)
            for child, parent in self.parent_of.items()
        }
        self.parent_of, self.children = {}, {}
        for child, parent in parent_of.items():
            self.attach(child, parent)

    def count(self, node: ParticipantId) -> int:
        return len(self.children.get(node, ()))

    def levels(self) -> Iterator[ParticipantId]:
        """The nodes below the root, and the root, breadth first."""
        queue = deque([self.root])
        while queue:
            node = queue.popleft()
            yield node
            queue.extend(self.children.get(node, ()))

    def subtree(self, node: ParticipantId) -> set[ParticipantId]:
        found, stack = set[ParticipantId](), [node]
        while stack:
            found.add(top := stack.pop())
            stack.extend(self.children.get(top, ()))
        return found


class _Drafts:
    """All trees while they are being planned, with each node's load over all of them."""

    def __init__(self, fanout: int, members: Membership) -> None:
        self._fanout = fanout
        self._limit = members.mesh_uplinks
        self._nodes = [node.id for node in members.nodes]
        self._relays = {node.id for node in members.nodes if not node.is_leaf}
        self._uplinks: Counter[ParticipantId] = Counter()
        self._held, self._standbys = members.held, members.standbys
        self._drafts: dict[ParticipantId, _Draft] = {}

    def parents(self, stream: Stream) -> dict[ParticipantId, ParticipantId]:
        return self._drafts[stream.source].parent_of

    def keep(self, stream: Stream, tree: Tree | None) -> None:
        """Takes over those edges of `tree` that are still possible."""
        wanted = [n for n in self._nodes if n != stream.root and n not in stream.unwanted]
        draft = self._drafts[stream.source] = _Draft(stream.root, wanted)
        if tree is None or tree.root != stream.root:
            return
        draft.held = {child for child in wanted if (stream.source, child) in self._held}
        for child in sorted(wanted, key=draft.held.__contains__):
            parent = tree.parent_of.get(child)
            if parent is None or (parent != stream.root and parent not in wanted):
                continue
            if self._has_room(draft, parent, for_now=child in draft.held):
                self._attach(draft, child, parent)
        self._take_refuge(draft, tree, self._standbys.get(stream.source, {}))

    def _take_refuge(
        self, draft: _Draft, tree: Tree, standbys: Mapping[ParticipantId, ParticipantId]
    ) -> None:
        """Those whose parents have left go to their standby parents, if these have the stream."""
        lost = [
            child
            for child in draft.wanted
            if child not in draft.parent_of
            and tree.parent_of.get(child, tree.root) not in self._nodes
        ]
        reached = {*draft.levels()}
        while taken := [c for c in lost if c in standbys and standbys[c] in reached - {c}]:
            for child in taken:
                lost.remove(child)
                if self._has_room(draft, standbys[child], for_now=True):
                    self._attach(draft, child, standbys[child])
                    draft.held.add(child)
                    reached |= draft.subtree(child)

    def uplinks(self) -> Mapping[ParticipantId, int]:
        return dict(self._uplinks)

    def complete(self, stream: Stream, standing: Mapping[ParticipantId, int]) -> None:
        """Attaches every node that has no parent, with all that hangs below it.

        `standing` holds the loads before any tree was completed: the loads of the moment would
        break the rotation that makes a new forest exactly fair.
        """
        draft = self._drafts[stream.source]
        for node in self._order(stream, draft, standing):
            if node not in draft.parent_of:
                self._place(draft, node)

    def relieve(self) -> None:
        """Moves load from nodes above the mesh's to nodes below it, while it helps."""
        while any(self._hand_over(node) or self._swap(node) for node in self._overloaded()):
            pass

    def _order(
        self, stream: Stream, draft: _Draft, standing: Mapping[ParticipantId, int]
    ) -> list[ParticipantId]:
        """The seat, the relays with the least load first, then those that cannot relay."""
        start = self._start(stream)
        rotated = [*self._nodes[start:], *self._nodes[:start]]
        place = {node: index for index, node in enumerate(rotated)}
        leaves = [n for n in draft.wanted if n not in self._relays]
        first = [n for n in leaves if n == SEAT]
        last = [n for n in leaves if n != SEAT]
        relays = [n for n in draft.wanted if n in self._relays]
        # An orphan with a subtree goes before single nodes: it brings room of its own.
        relays.sort(key=lambda n: (-draft.count(n), standing.get(n, 0), place[n]))
        return [*first, *relays, *last]

    def _start(self, stream: Stream) -> int:
        if stream.source in self._nodes:
            return self._nodes.index(stream.source) + 1
        # A legacy source has no place among the nodes: spread the starts by the interior's size.
        legacy = [source for source in self._drafts if source not in self._nodes]
        step = -(-len(self._nodes) // self._fanout)
        return legacy.index(stream.source) * step % max(len(self._nodes), 1)

    def _place(self, draft: _Draft, node: ParticipantId) -> None:
        """Below the highest node with room; else in the place of a leaf, which it takes along."""
        below = draft.subtree(node)
        for parent in draft.levels():
            if parent not in below and self._has_room(draft, parent):
                return self._attach(draft, node, parent)
        leaf = next((n for n in draft.levels() if not self._may_have_children(draft, n)), None)
        if leaf is None or not self._has_room(draft, node):
            return self._attach(draft, node, draft.root)
        parent = draft.parent_of[leaf]
        self._detach(draft, leaf)
        self._attach(draft, node, parent)
        self._attach(draft, leaf, node)
        return None

    def _has_room(self, draft: _Draft, node: ParticipantId, *, for_now: bool = False) -> bool:
        """For those who are held for a while there is as much room again."""
        most = self._fanout * (1 + for_now)
        return self._may_have_children(draft, node) and draft.count(node) < most

    def _may_have_children(self, draft: _Draft, node: ParticipantId) -> bool:
        return node == draft.root or node in self._relays

    def _overloaded(self) -> list[ParticipantId]:
        relays = (node for node in self._nodes if node in self._relays)
        return [node for node in relays if self._uplinks[node] > self._limit]

    def _hand_over(self, node: ParticipantId) -> bool:
        """Moves the cheapest child of `node` elsewhere. False where no tree lets it."""
        moves = (
            (len(draft.subtree(child)), source, child)
            for source, draft in self._drafts.items()
            for child in draft.children.get(node, ())
            if child not in draft.held
        )
        for _, source, child in sorted(moves):
            draft = self._drafts[source]
            taker = next(self._takers(draft, child, node), None)
            if taker is not None:
                self._detach(draft, child)
                self._attach(draft, child, taker)
                return True
        return False

    def _swap(self, node: ParticipantId) -> bool:
        """Changes places with one who has fewer children in some tree, and load to spare.

        Costs more moves than handing over, but needs no free room: with fanout 1 there is none.
        """
        for draft in self._drafts.values():
            if node == draft.root or draft.held:
                continue
            for other in reversed(list(draft.levels())):
                more = draft.count(node) - draft.count(other)
                able = other in self._relays and other != draft.root
                if able and more > 0 and self._uplinks[other] + more <= self._limit:
                    draft.swap(node, other)
                    self._uplinks[node] -= more
                    self._uplinks[other] += more
                    return True
        return False

    def _takers(
        self, draft: _Draft, child: ParticipantId, giver: ParticipantId
    ) -> Iterator[ParticipantId]:
        below = draft.subtree(child)
        for node in draft.levels():
            spare = node not in self._relays or self._uplinks[node] < self._limit
            if node != giver and node not in below and spare and self._has_room(draft, node):
                yield node

    def _attach(self, draft: _Draft, child: ParticipantId, parent: ParticipantId) -> None:
        draft.attach(child, parent)
        self._uplinks[parent] += 1

    def _detach(self, draft: _Draft, child: ParticipantId) -> None:
        self._uplinks[draft.parent_of[child]] -= 1
        draft.detach(child)
