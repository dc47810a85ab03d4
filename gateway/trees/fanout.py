"""How wide a tree has to be for those who may relay in it, and how deep it is then at best."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fanout:
    """How many children a node has at most in one tree."""

    root: int
    relay: int

    def least_depth(self, relays: int, leaves: int) -> int:
        """The depth of the shallowest tree over so many nodes: relays first, leaves in the rest."""
        depth, places = 0, self.root
        while relays + leaves > 0:
            assert places > 0, "a fanout that is too narrow"
            depth += 1
            above = min(relays, places)
            relays -= above
            leaves -= min(leaves, places - above)
            places = above * self.relay
        return depth


def widened(fanout: int, relays: int, leaves: int, *, weak_root: bool) -> Fanout:
    """`fanout`, and more only where too few may relay.

    A root that cannot relay sends its stream once, to somebody who can.
    """
    if relays == 0:
        return Fanout(root=leaves, relay=fanout)
    children = relays + leaves
    if weak_root:
        return Fanout(1, max(fanout, -(-(children - 1) // relays)))
    wide = max(fanout, -(-children // (relays + 1)))
    return Fanout(wide, wide)
