"""A chain for each source, all along the same ring.

The ring is the order of joining, and a source's chain goes around it once, beginning with itself.
So everybody has two neighbours, whoever comes or goes changes one place of the ring, and nobody
sends more than in a mesh. The price is the depth: N − 1 hops. For demonstrations, and where two
connections are all that a peer can hold.
"""

from dataclasses import dataclass

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Stream
from gateway.trees.topology import Forest, Tree


@dataclass(frozen=True, slots=True)
class LinkedList:
    """One child for each node; those that cannot relay, and the seat, hang beside the chain."""

    def plan(self, members: Membership, current: Forest) -> Forest:
        legacy = [s.source for s in members.streams if s.root == SEAT]
        starts = {source: number for number, source in enumerate(legacy)}
        return {
            stream.source: _chain(members, stream, starts.get(stream.source, 0))
            for stream in members.streams
        }

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        return current


def _chain(members: Membership, stream: Stream, start: int) -> Tree:
    """`start`: where on the ring the seat's chain begins, so that not all of them end alike."""
    ring = [node for node in members.nodes if node.id != SEAT]
    names = [node.id for node in ring]
    if stream.root in names:
        start = names.index(stream.root)
    parent_of: dict[ParticipantId, ParticipantId] = {}
    last = stream.root
    for number in range(start, start + len(ring)):
        node = ring[number % len(ring)]
        if node.id == stream.root or node.id in stream.unwanted:
            continue
        parent_of[node.id] = last
        if not node.is_leaf:
            last = node.id
    if stream.root != SEAT and len(ring) < len(members.nodes) and SEAT not in stream.unwanted:
        parent_of[SEAT] = stream.root
    return Tree(stream.source, stream.root, parent_of)
