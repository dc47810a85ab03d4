"""The tree that there really is, as its nodes tell it while others fail."""

from collections.abc import Mapping

from gateway.ports import ParticipantId
from gateway.trees.failures import breadth_first
from gateway.trees.topology import Tree


def real_tree(source: str, fed_by: Mapping[str, str | None]) -> Tree:
    """`fed_by` names each node's parent; whose parent has gone counts as the source's child."""
    root = ParticipantId(source)
    parent_of = {
        ParticipantId(node): ParticipantId(parent) if parent in fed_by else root
        for node, parent in fed_by.items()
        if node != source
    }
    return Tree(root, root, parent_of)


def deepest(tree: Tree) -> int:
    """Nodes that have lost the source, and take each other for their parents, do not count."""
    depth = {tree.root: 0}
    for node in breadth_first(tree)[1:]:
        depth[node] = depth[tree.parent_of[node]] + 1
    return max(depth.values())
