"""How much each node may send over all trees, in streams.

Nobody sends more than in a mesh, or more than its uplink carries, as long as that suffices. Where
weak peers leave their share undone, the strong take it in proportion to their uplinks; where all
uplinks together are too small, everybody is as much too small (and it is for others to send less:
a lower layer, fewer videos).
"""

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Node


def allowances(members: Membership, fanout: int) -> dict[ParticipantId, int]:
    """By node; without the seat, whose uplink is the gateway's affair."""
    mesh = members.mesh_uplinks
    able = [node for node in members.nodes if not node.is_leaf]
    given = {node.id: mesh for node in members.nodes if node.id != SEAT}
    work = _work(members, fanout)
    given |= {node.id: min(mesh, _capacity(node, mesh)) for node in able}
    if able and sum(given[node.id] for node in able) < work:
        given |= _proportional(able, mesh, work)
    return given


def _capacity(node: Node, unknown: int) -> int:
    return unknown if node.capacity is None else node.capacity


def _work(members: Membership, fanout: int) -> int:
    """How many edges start at nodes that may relay."""
    leaves = {node.id for node in members.nodes if node.is_leaf}
    work = 0
    for stream in members.streams:
        children = sum(
            node.id != stream.root and node.id not in stream.unwanted for node in members.nodes
        )
        own = fanout if stream.root == SEAT else 1 if stream.root in leaves else 0
        with_seat = own == 1 and SEAT in leaves and SEAT not in stream.unwanted
        work += max(children - own - with_seat, 0)
    return work


def _proportional(able: list[Node], mesh: int, work: int) -> dict[ParticipantId, int]:
    """The least shares, a mesh's at least, that get the work done."""
    usual = max(mesh, 1)
    weights = {node.id: max(_capacity(node, usual), 1) for node in able}
    limits = {node.id: _capacity(node, work) for node in able}
    if sum(limits.values()) < work:
        limits = dict.fromkeys(limits, work)

    def shares(thousandths: int) -> dict[ParticipantId, int]:
        return {
            node: min(limits[node], max(min(mesh, limits[node]), -(-weight * thousandths // 1000)))
            for node, weight in weights.items()
        }

    low, high = 0, 1000 * work
    while low < high:
        middle = (low + high) // 2
        if sum(shares(middle).values()) >= work:
            high = middle
        else:
            low = middle + 1
    return shares(high)
