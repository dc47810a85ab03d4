"""Ways around pairs that cannot reach each other, whatever policy made the plan.

A firewall between two peers, or one of them that lies, is rare and is known only afterwards. So the
policies plan as if everybody reached everybody, and what cannot be is put right here.
"""

from collections import Counter
from collections.abc import Iterator

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership
from gateway.trees.topology import Forest, Tree, uplinks


def detoured(members: Membership, forest: Forest) -> Forest:
    """`forest` with other parents for those who cannot reach theirs, as far as there are any.

    The new parents may have one child more than a policy would give them.
    """
    if not members.unreachable:
        return forest
    sends = uplinks(forest)
    return {source: _mend(members, tree, sends) for source, tree in forest.items()}


def _mend(members: Membership, tree: Tree, sends: Counter[ParticipantId]) -> Tree:
    """Until nobody else can be moved: one who has moved may be the way for another."""
    while True:
        moves = next(
            filter(None, (_ways(members, tree, c, sends) for c in _cut(members, tree))), ()
        )
        if not moves:
            return tree
        for child, parent in moves:
            sends[parent] += 1
            sends[tree.parent_of[child]] -= 1
        tree = Tree(tree.source, tree.root, {**tree.parent_of, **dict(moves)})


def _ways(
    members: Membership, tree: Tree, child: ParticipantId, sends: Counter[ParticipantId]
) -> tuple[tuple[ParticipantId, ParticipantId], ...]:
    """To another parent; or to one below it, who then comes up to somebody else."""
    fed = Counter(tree.parent_of.values())

    def price(parent: ParticipantId) -> tuple[object, ...]:
        full = parent != SEAT and sends[parent] >= members.mesh_uplinks
        return (full, fed[parent], tree.depth(parent), parent)

    parents = [p for p in _parents(members, tree, child) if child not in tree.path(p)]
    if parents:
        return ((child, min(parents, key=price)),)
    for below in _parents(members, tree, child):
        above = [p for p in _parents(members, tree, below) if child not in tree.path(p)]
        if above:
            return ((below, min(above, key=price)), (child, below))
    return ()


def blocked(members: Membership, forest: Forest) -> int:
    """How many edges of `forest` are between two who cannot reach each other."""
    if not members.unreachable:
        return 0
    return sum(len(_cut(members, tree)) for tree in forest.values())


def _cut(members: Membership, tree: Tree) -> list[ParticipantId]:
    """Those who cannot reach their parents, the highest first."""
    found = [
        child
        for child, parent in tree.parent_of.items()
        if frozenset({child, parent}) in members.unreachable
    ]
    return sorted(found, key=lambda child: (tree.depth(child), child))


def _parents(members: Membership, tree: Tree, child: ParticipantId) -> Iterator[ParticipantId]:
    """Who is in the tree, may feed others and can reach `child`."""
    for node in members.nodes:
        is_in = node.id == tree.root or node.id in tree.parent_of
        may_feed = node.id == tree.root or not node.is_leaf
        if is_in and may_feed and frozenset({child, node.id}) not in members.unreachable:
            yield node.id
