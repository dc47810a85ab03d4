"""Whose fault it is that edges never carry: a pair's, or that of one who fails with everybody.

One edge that stays silent tells nothing of which end is to blame, or whether a firewall stands
between them. So at first the pair is held to be unreachable; whoever has failed with two others is
to blame for all of it, and the others are not.
"""

from gateway.ports import ParticipantId

Pair = frozenset[ParticipantId]

ENOUGH = 2
"""With so many others somebody has to fail."""


class Blame:
    """Of one conference."""

    def __init__(self) -> None:
        self._failed: set[Pair] = set()

    @property
    def unreachable(self) -> frozenset[Pair]:
        """Pairs that no edge shall join."""
        return frozenset(self._failed)

    @property
    def blamed(self) -> frozenset[ParticipantId]:
        """Those who shall be leaves."""
        blamed: set[ParticipantId] = set()
        pairs = set(self._failed)
        while pairs:
            # The worst first: what it has caused counts for nobody else.
            counts: dict[ParticipantId, int] = {}
            for pair in pairs:
                for node in pair:
                    counts[node] = counts.get(node, 0) + 1
            worst = min(counts, key=lambda node: (-counts[node], node))
            if counts[worst] < ENOUGH:
                break
            blamed.add(worst)
            pairs = {pair for pair in pairs if worst not in pair}
        return frozenset(blamed)

    def failed(self, one: ParticipantId, other: ParticipantId) -> None:
        """Nothing came over an edge between the two."""
        self._failed.add(frozenset({one, other}))

    def worked(self, one: ParticipantId, other: ParticipantId) -> None:
        """Something has come after all."""
        self._failed.discard(frozenset({one, other}))

    def forget(self, node: ParticipantId) -> None:
        """It has left."""
        self._failed = {pair for pair in self._failed if node not in pair}
