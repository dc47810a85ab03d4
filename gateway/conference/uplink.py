"""From an uplink in bit/s to streams of each kind: sound first, then small pictures, then large."""

from collections.abc import Mapping

from gateway.ports import StreamKind

COSTS: Mapping[StreamKind, float] = {
    StreamKind.AUDIO: 40_000.0,
    StreamKind.LOW: 150_000.0,
    StreamKind.HIGH: 1_200_000.0,
    StreamKind.SCREEN: 1_200_000.0,
}
"""In bit/s, with all headers; in the order in which an uplink is given to them."""


def capacities(uplink: float, shares: Mapping[StreamKind, int]) -> dict[StreamKind, int]:
    """How many streams of each kind of `shares` an uplink of so many bit/s carries.

    `shares`: how many its owner would send in a mesh. What these need of a kind is kept for it
    before the next kind gets anything; what is left over counts for each kind.
    """
    found: dict[StreamKind, int] = {}
    for kind, cost in COSTS.items():
        if kind in shares:
            found[kind] = int(uplink // cost)
            uplink -= min(found[kind], shares[kind]) * cost
    return found
