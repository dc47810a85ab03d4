"""All trees share few neighbours: the forest for rooms where everybody publishes.

The peers' neighbourhoods are an almost regular graph of small degree, which stands in no table: it
is what the edges of the current forest make it. Newcomers are spliced in, trees grow and mend along
it, load is passed on along it. What a plan opened beyond it, since nothing else was possible, is
given up again step by step by `rebalance`. docs/adr/0003 tells why, with figures.
"""

from dataclasses import dataclass

from gateway.ports import SEAT
from gateway.trees.draft import Drafts
from gateway.trees.draining import drain
from gateway.trees.growing import grow, place_orphans
from gateway.trees.healing import heal
from gateway.trees.lifting import lift
from gateway.trees.planner import Membership
from gateway.trees.policies.linked_list import LinkedList
from gateway.trees.relief import relieve
from gateway.trees.splicing import Splicer
from gateway.trees.topology import Forest, Tree

_SMALL = 12
"""Up to so many peers the trees need fewer neighbours."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """Up to `fanout` children a node in each tree, the seat besides.

    Wider only where too few may relay, and in rooms of up to `direct` peers: there everybody sends
    to everybody. A fanout of one makes chains along a ring.
    """

    fanout: int
    direct: int = 4

    def plan(self, members: Membership, current: Forest) -> Forest:
        peers = sum(node.id != SEAT for node in members.nodes)
        if peers <= self.direct:
            return _direct(members)
        if self.fanout == 1:
            return LinkedList().plan(members, current)
        degree = self._degree(peers)
        drafts = Drafts(members, current, self.fanout)
        if len(drafts.of) > 1 or drafts.there:
            if not drafts.there:
                heal(drafts)
            splicer = Splicer(drafts, degree)
            for node in drafts.place:
                if drafts.is_newcomer(node):
                    splicer.introduce(node)
        for draft in drafts.of.values():
            if draft.is_new:
                grow(drafts, draft, degree)
            place_orphans(drafts, draft, degree)
            lift(drafts, draft)
        relieve(drafts)
        return drafts.forest()

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        peers = sum(node.id != SEAT for node in members.nodes)
        if peers <= self.direct or self.fanout == 1:
            return current
        drafts = Drafts(members, current, self.fanout)
        if any(draft.orphans() for draft in drafts.of.values()):
            return current  # Somebody has more children than this would give it (`detours`).
        drain(drafts, self._degree(peers), moves)
        return drafts.forest()

    def _degree(self, peers: int) -> int:
        """How many neighbours a peer shall have among its peers: what kept the trees shallow."""
        return 2 * self.fanout + (peers > _SMALL)


def _direct(members: Membership) -> Forest:
    return {
        stream.source: Tree(
            stream.source,
            stream.root,
            {
                node.id: stream.root
                for node in members.nodes
                if node.id != stream.root and node.id not in stream.unwanted
            },
        )
        for stream in members.streams
    }
