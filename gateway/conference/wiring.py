"""Turns a planned tree into reality, one ready node at a time.

A plan says how a tree shall look; the wiring knows which edges stand, which node really has the
stream, and which edges may come next. Three rules:

- A node is asked to forward a stream only once it has it: it is the root, or it said so.
- A new edge comes before the old one goes (make before break), so a move costs no sound. Who is
  here but wants the stream no more passes it on until its children have moved.
- No edge is added that would feed a node from below itself, not even for a moment.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from gateway.ports import Attach, Detach, Edge, ParticipantId, StreamKind
from gateway.trees.topology import Tree

Move = Attach | Detach


@dataclass(slots=True)
class _Feed:
    """How one node gets the stream."""

    parents: dict[ParticipantId, float] = field(default_factory=dict)
    """Those of its edges that stand, with the time of their Attach. Several while it moves."""
    ready: set[ParticipantId] = field(default_factory=set)
    """Those parents of which it said that the stream has come."""
    carrier: ParticipantId | None = None
    """The ready parent it lives on."""
    has_had: bool = False
    """Whether it ever lived on one."""

    def drop(self, parent: ParticipantId) -> None:
        del self.parents[parent]
        self.ready.discard(parent)
        if self.carrier == parent:
            self.carrier = None


class TreeWiring:
    """The edges of one source's tree: planned, standing, carrying."""

    def __init__(self, tree: Tree, kind: StreamKind) -> None:
        self._tree = tree
        self._kind = kind
        self._feeds: dict[ParticipantId, _Feed] = {}

    def replan(self, tree: Tree, present: Collection[ParticipantId], now: float) -> list[Move]:
        """`tree` is wanted from now on; its root is the same always.

        An edge of a node that is not in `present` any more ends by that alone: nobody is told.
        """
        assert tree.root == self._tree.root
        self._forget_the_absent(present)
        self._tree = tree
        return self._advance(now)

    def ready(self, child: ParticipantId, parent: ParticipantId, now: float) -> list[Move]:
        """`child` has the stream from `parent`. An edge that does not stand is ignored."""
        if not self.stands(child, parent):
            return []
        self._feeds[child].ready.add(parent)
        return self._advance(now)

    def stands(self, child: ParticipantId, parent: ParticipantId) -> bool:
        feed = self._feeds.get(child)
        return feed is not None and parent in feed.parents

    def promote(
        self, child: ParticipantId, parent: ParticipantId, tree: Tree, now: float
    ) -> list[Move]:
        """`child` has taken the stream from `parent` by itself; `tree`, wanted from now on, has
        that edge.

        Both are told all the same: what `child` said may be about an edge that has ended since.
        """
        feed = self._feeds.setdefault(child, _Feed())
        feed.parents[parent] = now
        feed.ready.add(parent)
        self._tree = tree
        return [Attach(self._edge(parent, child)), *self._advance(now)]

    def edges(self) -> Iterator[Edge]:
        """Those that stand."""
        for child, feed in self._feeds.items():
            for parent in feed.parents:
                yield self._edge(parent, child)

    def carried(self) -> Iterator[Edge]:
        """Those over which the stream really comes."""
        for child, feed in self._feeds.items():
            if feed.carrier is not None:
                yield self._edge(feed.carrier, child)

    def reaches(self, node: ParticipantId) -> bool:
        """Whether the stream really comes to `node`, which is not the root."""
        feed = self._feeds.get(node)
        return feed is not None and feed.carrier is not None

    def has_reached(self, node: ParticipantId) -> bool:
        """Whether the stream has ever come to `node`, which is not the root."""
        feed = self._feeds.get(node)
        return feed is not None and feed.has_had

    def waiting(self) -> Iterator[tuple[Edge, float]]:
        """The newest edges of nodes that have never said ready, with the time of its Attach."""
        for child, feed in self._feeds.items():
            if feed.carrier is None and feed.parents and child in self._tree.parent_of:
                parent = max(feed.parents, key=lambda p: feed.parents[p])
                yield self._edge(parent, child), feed.parents[parent]

    def _forget_the_absent(self, present: Collection[ParticipantId]) -> None:
        for child, feed in list(self._feeds.items()):
            for parent in [p for p in feed.parents if p not in present]:
                feed.drop(parent)
            if child not in present:
                del self._feeds[child]

    def _advance(self, now: float) -> list[Move]:
        """Every move that is possible now."""
        moves: list[Move] = []
        while any([self._advance_node(c, p, now, moves) for c, p in self._tree.parent_of.items()]):
            pass
        while any([self._retire(node, moves) for node in self._retiring()]):
            pass
        return moves

    def _retiring(self) -> list[ParticipantId]:
        """Those who have an edge still and are not in the tree any more."""
        return [node for node in self._feeds if node not in self._tree.parent_of]

    def _retire(self, node: ParticipantId, moves: list[Move]) -> bool:
        """Ends the edges of a node that feeds nobody any more; tells whether it did."""
        if any(node in feed.parents for feed in self._feeds.values()):
            return False
        moves += [Detach(self._edge(parent, node)) for parent in self._feeds.pop(node).parents]
        return True

    def _advance_node(
        self, child: ParticipantId, planned: ParticipantId, now: float, moves: list[Move]
    ) -> bool:
        """Brings one node nearer to its planned parent; tells whether anything changed."""
        feed = self._feeds.setdefault(child, _Feed())
        changed = self._choose_carrier(feed, child, planned)
        if planned not in feed.parents and self._may_feed(planned, child):
            feed.parents[planned] = now
            moves.append(Attach(self._edge(planned, child)))
            changed = True
        for old in [p for p in feed.parents if p not in (planned, feed.carrier)]:
            # Without a carrier an old edge may be about to deliver: better than nothing.
            if feed.carrier is not None or planned in feed.parents:
                feed.drop(old)
                moves.append(Detach(self._edge(old, child)))
                changed = True
        return changed

    def _choose_carrier(self, feed: _Feed, child: ParticipantId, planned: ParticipantId) -> bool:
        """The planned parent as soon as it delivers; until then whichever delivers."""
        if feed.carrier == planned:
            return False
        candidates = [planned] if feed.carrier is not None else [planned, *sorted(feed.ready)]
        for parent in candidates:
            if parent in feed.ready and self._reaches_root(parent, without=child):
                feed.carrier = parent
                feed.has_had = True
                return True
        return False

    def _may_feed(self, parent: ParticipantId, child: ParticipantId) -> bool:
        """Whether `parent` has the stream, and could never have it by way of `child`: not over any
        edges that stand, also those that are not ready yet."""
        above, look = {parent}, [parent]
        while look:
            feed = self._feeds.get(look.pop())
            new = feed.parents.keys() - above if feed is not None else set()
            above |= new
            look += new
        return child not in above and self._reaches_root(parent, without=child)

    def _reaches_root(self, node: ParticipantId, without: ParticipantId) -> bool:
        """Whether the stream really comes to `node`, and not by way of `without`."""
        while node != self._tree.root:
            feed = self._feeds.get(node)
            if node == without or feed is None or feed.carrier is None:
                return False
            node = feed.carrier
        return True

    def _edge(self, parent: ParticipantId, child: ParticipantId) -> Edge:
        return Edge(self._tree.source, parent, child, self._kind)
