"""Trees while they are being planned: one `Draft` each, and the `Drafts` that share the peers.

The seat is not in a draft. It always hangs on the root itself, beside the fanout: it relays
nothing, takes one stream of sound, and phones shall not hear anybody late.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from gateway.ports import SEAT, ParticipantId
from gateway.trees.allowance import allowances
from gateway.trees.fanout import Fanout, widened
from gateway.trees.planner import Membership, Stream
from gateway.trees.topology import Forest, Tree

_UNKNOWN_ROUND_TRIP = 100.0
"""In ms: neither near nor far."""


@dataclass(slots=True)
class Draft:
    """One tree. Nodes that have lost their parent keep their children, out of the root's reach."""

    source: ParticipantId
    root: ParticipantId
    wanted: list[ParticipantId]
    """Who shall be in it, besides the root and the seat."""
    relays: set[ParticipantId]
    """Those of `wanted` that may have children."""
    leaves: set[ParticipantId]
    """Those that may not."""
    fanout: Fanout
    deepest: int
    """The depth that no node shall exceed: one more than the best possible."""
    has_seat: bool
    held: set[ParticipantId] = field(default_factory=set)
    """Those that stay below their parents: they have moved only just now."""
    is_new: bool = True
    """Nothing of it stands yet, so that it may be changed at no cost."""
    parent_of: dict[ParticipantId, ParticipantId] = field(default_factory=dict)
    children: dict[ParticipantId, list[ParticipantId]] = field(default_factory=dict)
    depth: dict[ParticipantId, int] = field(default_factory=dict)
    """Of the root, and of all that it reaches."""

    def count(self, node: ParticipantId) -> int:
        return len(self.children.get(node, ()))

    def room(self, node: ParticipantId) -> int:
        """How many more children it may have; none before it has the stream itself."""
        if node not in self.depth:
            return 0
        if node == self.root:
            return self.fanout.root - self.count(node)
        return self.fanout.relay - self.count(node) if node in self.relays else 0

    def takes(self, child: ParticipantId, parent: ParticipantId) -> bool:
        """Whether `child` may move below `parent`: no ring; not too deep, or no deeper than now."""
        if child in self.held or self.room(parent) <= 0:
            return False
        if self.depth[parent] < self.depth[child]:
            return True
        above = parent
        while self.depth[above] > self.depth[child]:
            above = self.parent_of[above]
        if above == child:
            return False
        return self.depth[parent] + 1 + self.height(child) <= self.deepest

    def subtree(self, node: ParticipantId) -> list[ParticipantId]:
        """`node` and all below it, parents first."""
        found = [node]
        for above in found:
            found.extend(self.children.get(above, ()))
        return found

    def height(self, node: ParticipantId) -> int:
        """How many levels hang below `node`."""
        height, level = -1, [node]
        while level:
            height += 1
            level = [child for above in level for child in self.children.get(above, ())]
        return height

    def heights(self) -> dict[ParticipantId, int]:
        """Of all nodes that the root reaches."""
        heights: dict[ParticipantId, int] = {}
        for node in reversed(self.subtree(self.root)):
            heights[node] = max((heights[c] + 1 for c in self.children.get(node, ())), default=0)
        return heights

    def orphans(self) -> list[ParticipantId]:
        return [node for node in self.wanted if node not in self.parent_of]

    def attach(self, child: ParticipantId, parent: ParticipantId) -> None:
        self.parent_of[child] = parent
        self.children.setdefault(parent, []).append(child)
        if parent in self.depth:
            self.depth[child] = self.depth[parent] + 1
            if self.children.get(child):
                self.measure(child)

    def detach(self, child: ParticipantId) -> ParticipantId:
        parent = self.parent_of.pop(child)
        self.children[parent].remove(child)
        for node in self.subtree(child):
            self.depth.pop(node, None)
        return parent

    def measure(self, top: ParticipantId) -> None:
        """Sets the depths below `top`, whose own is right."""
        stack = [top]
        while stack:
            node = stack.pop()
            for child in self.children.get(node, ()):
                self.depth[child] = self.depth[node] + 1
                stack.append(child)


class Drafts:
    """All trees, with each peer's uplinks and neighbours over all of them."""

    def __init__(self, members: Membership, current: Forest, fanout: int) -> None:
        """Takes over what can be kept of `current`."""
        self.current = current
        self.allowance = allowances(members, fanout)
        self.uplinks: Counter[ParticipantId] = Counter()
        peers = [node for node in members.nodes if node.id != SEAT]
        self.place = {node.id: index for index, node in enumerate(peers)}
        """By node, its number in order of joining: what decides among equals."""
        self.leaves = {node.id for node in peers if node.is_leaf}
        self.neighbours: dict[ParticipantId, dict[ParticipantId, int]] = {
            node.id: {} for node in peers
        }
        """How many edges each pair shares; 0 for a connection that is meant to be, or is there
        anyway."""
        self.there = {pair for pair in members.connected if pair <= self.place.keys()}
        """Connections that other kinds' trees need: these cost nothing, and nothing ends them."""
        for one, other in self._in_order(self.there):
            self.connect(one, other)
        self._round_trips = members.round_trips
        self._held = members.held
        self._standbys = members.standbys
        self._moved: list[tuple[Draft, ParticipantId, ParticipantId]] = []
        with_seat = len(peers) < len(members.nodes)
        self.of = {
            stream.source: self._draft(stream, current.get(stream.source), fanout, with_seat)
            for stream in members.streams
        }

    def _in_order(
        self, pairs: Collection[frozenset[ParticipantId]]
    ) -> list[tuple[ParticipantId, ParticipantId]]:
        """By the order of joining: a set has none that two runs would agree about."""
        ordered = [sorted(pair, key=self.place.__getitem__) for pair in pairs]
        ordered.sort(key=lambda pair: (self.place[pair[0]], self.place[pair[1]]))
        return [(one, other) for one, other in ordered]

    def forest(self) -> dict[ParticipantId, Tree]:
        forest = {}
        for source, draft in self.of.items():
            parent_of = {node: draft.parent_of[node] for node in draft.wanted}
            if draft.has_seat:
                parent_of[SEAT] = draft.root
            forest[source] = Tree(source, draft.root, parent_of)
        return forest

    def degree(self, node: ParticipantId) -> int:
        """How many neighbours it has among its peers; the seat has one with everybody."""
        return 0 if node == SEAT else len(self.neighbours[node])

    def shared(self, pair: frozenset[ParticipantId]) -> int:
        """How many edges there are between the two."""
        one, other = pair
        return self.neighbours[one].get(other, 0)

    def near(self, draft: Draft, node: ParticipantId) -> Collection[ParticipantId]:
        """From whom `node` could get the stream without a new connection."""
        if draft.root == SEAT:
            return [*self.neighbours[node], SEAT]
        return self.neighbours[node]

    def spare(self, node: ParticipantId) -> int:
        """How many streams more it may send; negative for one that sends too many."""
        return 1 if node == SEAT else self.allowance[node] - self.uplinks[node]

    def stands(self, draft: Draft, child: ParticipantId) -> bool:
        """Whether `child`'s edge is one of the current forest's, so that a move has its price."""
        tree = self.current.get(draft.source)
        return tree is not None and tree.parent_of.get(child) == draft.parent_of[child]

    def round_trip(self, one: ParticipantId, other: ParticipantId) -> float:
        return self._round_trips.get(frozenset({one, other}), _UNKNOWN_ROUND_TRIP)

    def connect(self, one: ParticipantId, other: ParticipantId) -> None:
        """The two are meant to be neighbours."""
        self.neighbours[one].setdefault(other, 0)
        self.neighbours[other].setdefault(one, 0)

    def disconnect(self, one: ParticipantId, other: ParticipantId) -> None:
        """They need not be neighbours; what goes between them holds them together still."""
        if self.neighbours[one].get(other) == 0 and {one, other} not in self.there:
            del self.neighbours[one][other], self.neighbours[other][one]

    def attach(self, draft: Draft, child: ParticipantId, parent: ParticipantId) -> None:
        draft.attach(child, parent)
        self.uplinks[parent] += 1
        if parent != SEAT:
            for one, other in ((child, parent), (parent, child)):
                self.neighbours[one][other] = self.neighbours[one].get(other, 0) + 1

    def detach(self, draft: Draft, child: ParticipantId) -> None:
        parent = draft.detach(child)
        self.uplinks[parent] -= 1
        if parent != SEAT:
            for one, other in ((child, parent), (parent, child)):
                self.neighbours[one][other] -= 1
            self.disconnect(child, parent)

    def move(self, draft: Draft, child: ParticipantId, parent: ParticipantId) -> None:
        self._moved.append((draft, child, draft.parent_of[child]))
        self.detach(draft, child)
        self.attach(draft, child, parent)

    def is_newcomer(self, node: ParticipantId) -> bool:
        """Whether it takes part in these trees from now on, and they have nothing with it yet."""
        near = self.neighbours[node].items()
        if any(edges or {node, other} not in self.there for other, edges in near):
            return False
        return any(node == d.root or node in d.relays or node in d.leaves for d in self.of.values())

    def mark(self) -> int:
        """A point to which `undo` comes back."""
        return len(self._moved)

    def undo(self, mark: int) -> None:
        """Takes back all moves since `mark`."""
        while len(self._moved) > mark:
            draft, child, parent = self._moved.pop()
            self.detach(draft, child)
            self.attach(draft, child, parent)

    def changed(self) -> int:
        """How many edges moves have made new."""
        touched = {(draft.source, child): draft for draft, child, _ in self._moved}
        return sum(not self.stands(draft, child) for (_, child), draft in touched.items())

    def _draft(self, stream: Stream, tree: Tree | None, fanout: int, with_seat: bool) -> Draft:
        root, unwanted = stream.root, stream.unwanted
        wanted = [node for node in self.place if node != root and node not in unwanted]
        leaves = self.leaves.intersection(wanted)
        relays = set(wanted) - leaves
        wide = widened(fanout, len(relays), len(leaves), weak_root=root in self.leaves)
        deepest = wide.least_depth(len(relays), len(leaves)) + 1
        has_seat = with_seat and root != SEAT and SEAT not in unwanted
        draft = Draft(stream.source, root, wanted, relays, leaves, wide, deepest, has_seat)
        draft.depth[root] = 0
        self.uplinks[root] += has_seat
        if tree is not None and tree.root == root:
            self._keep(draft, tree.parent_of)
            draft.measure(root)
            self._take_refuge(draft, tree.parent_of)
        return draft

    def _keep(self, draft: Draft, parent_of: Mapping[ParticipantId, ParticipantId]) -> None:
        draft.is_new = False
        draft.held = {child for child in draft.wanted if (draft.source, child) in self._held}
        for child in sorted(draft.wanted, key=draft.held.__contains__):
            parent = parent_of.get(child)
            if parent is not None and self._fits(draft, parent, held=child in draft.held):
                self.attach(draft, child, parent)

    def _fits(self, draft: Draft, parent: ParticipantId, *, held: bool) -> bool:
        """For those who are held for a while there is as much room again."""
        if parent == draft.root:
            return draft.count(parent) < draft.fanout.root * (1 + held)
        return parent in draft.relays and draft.count(parent) < draft.fanout.relay * (1 + held)

    def _take_refuge(self, draft: Draft, parent_of: Mapping[ParticipantId, ParticipantId]) -> None:
        """Those whose parents have left go to their standby parents, if these have the stream.

        There they stay for now: who moves twice at once is not repaired sooner.
        """
        standbys = self._standbys.get(draft.source, {})
        lost = [
            child
            for child in draft.orphans()
            if child in standbys and parent_of.get(child, draft.root) not in self.place
        ]
        while lost:
            waiting = []
            for child in lost:
                standby = standbys[child]
                if standby in draft.depth and self._fits(draft, standby, held=True):
                    self.attach(draft, child, standby)
                    draft.held.add(child)
                else:
                    waiting.append(child)
            if len(waiting) == len(lost):
                return
            lost = waiting
