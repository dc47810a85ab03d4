"""Whose fault it is that edges never carry: a pair's, or that of one who fails with everybody.

One edge that stays silent tells nothing of which end is to blame, or whether a firewall stands
between them. So at first the pair is held to be unreachable; whoever has failed with two others is
to blame for all of it, and the others are not.

Where machines are just slow, other ways would make them slower: so each round of failures makes the
next one wait twice as long.
"""

from gateway.ports import ParticipantId

Pair = frozenset[ParticipantId]

PATIENCE = 10.0
"""Seconds from Attach to ready, at first."""

MOST_ROUNDS = 3
"""So many times patience doubles."""

CALM = 60.0
"""Seconds without a failure after which patience is what it was at first."""

ENOUGH = 2
"""With so many others somebody has to fail."""


class Blame:
    """Of one conference."""

    def __init__(self) -> None:
        self._failed: set[Pair] = set()
        self._rounds = 0
        self._last = 0.0

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

    def deadline(self, since: float) -> float:
        """Until when an edge that was attached at `since` has time."""
        rounds = 0 if since > self._last + CALM else self._rounds
        return since + PATIENCE * (1 << rounds)

    def late(self, pairs: set[Pair], now: float) -> None:
        """Nothing came in time over edges between these."""
        if pairs:
            self._failed |= pairs
            self._rounds = 1 if now > self._last + CALM else min(self._rounds + 1, MOST_ROUNDS)
            self._last = now

    def failed(self, one: ParticipantId, other: ParticipantId) -> bool:
        """They have tried and cannot reach each other; whether that is news."""
        before = len(self._failed)
        self._failed.add(frozenset({one, other}))
        return len(self._failed) > before

    def worked(self, one: ParticipantId, other: ParticipantId) -> None:
        """Something has come after all."""
        self._failed.discard(frozenset({one, other}))

    def forget(self, node: ParticipantId) -> None:
        """It has left."""
        self._failed = {pair for pair in self._failed if node not in pair}
