"""Whose fault it is that edges never carry: a pair's, or that of one who fails with everybody.

One edge that stays silent tells nothing of which end is to blame, or whether a firewall stands
between them. So at first the pair is held to be unreachable; whoever has failed with two others is
to blame for all of it, and the others are not.

Where machines are just slow, other ways would make them slower: so each round of failures makes the
next one wait twice as long, and faults of too many at once are nobody's.
"""

from collections import Counter

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

MOST_FAULTS = 4
"""More faults than one for so many participants are none."""


class Blame:
    """Of one conference."""

    def __init__(self) -> None:
        self._told: set[Pair] = set()
        """By one of the two, who has tried for long."""
        self._late: set[Pair] = set()
        self._looping: set[Pair] = set()
        self.blamed: frozenset[ParticipantId] = frozenset()
        """Those who shall be leaves."""
        self._rounds = 0
        self._last = 0.0

    @property
    def unreachable(self) -> frozenset[Pair]:
        """Pairs that no edge shall join."""
        return frozenset(self._told | self._late | self._looping)

    def deadline(self, since: float) -> float:
        """Until when an edge that was attached at `since` has time."""
        if since > self._last + CALM:
            return since + PATIENCE
        # Those that were late already are given another chance, or they would be late for ever.
        return max(since, self._last) + PATIENCE * (1 << self._rounds)

    def late(self, pairs: set[Pair], present: int, now: float) -> None:
        """Nothing came in time over edges between these; so many are `present`."""
        if not pairs:
            return
        self._rounds = 1 if now > self._last + CALM else min(self._rounds + 1, MOST_ROUNDS)
        self._last = now
        self._late |= pairs
        known, more = len(_faults(self._told)), len(_faults(self._told | self._late))
        if more - known > max(1, present // MOST_FAULTS):
            # So many are not at fault at once: all are slow, and other ways are no faster.
            self._late.clear()
        self._judge()

    def failed(self, one: ParticipantId, other: ParticipantId) -> bool:
        """They have tried and cannot reach each other; whether that is news."""
        before = len(self._told)
        self._told.add(frozenset({one, other}))
        self._judge()
        return len(self._told) > before

    def loops(self, one: ParticipantId, other: ParticipantId) -> bool:
        """They negotiate without end; whether that is news. Nothing that comes makes up for it."""
        before = len(self._looping)
        self._looping.add(frozenset({one, other}))
        self._judge()
        return len(self._looping) > before

    def worked(self, one: ParticipantId, other: ParticipantId) -> None:
        """Something has come after all."""
        pair = frozenset({one, other})
        if pair in self._told or pair in self._late:
            self._told.discard(pair)
            self._late.discard(pair)
            self._judge()

    def forget(self, node: ParticipantId) -> None:
        """It has left."""
        self._told = {pair for pair in self._told if node not in pair}
        self._late = {pair for pair in self._late if node not in pair}
        self._looping = {pair for pair in self._looping if node not in pair}
        self._judge()

    def _judge(self) -> None:
        faults = _faults(self._told | self._late | self._looping)
        self.blamed = frozenset(fault for fault in faults if isinstance(fault, str))


def _faults(pairs: set[Pair]) -> list[ParticipantId | Pair]:
    """What explains all of `pairs`: who is to blame, and what is left to the pairs themselves."""
    faults: list[ParticipantId | Pair] = []
    while pairs:
        # The worst first: what it has caused counts for nobody else.
        counts = Counter(node for pair in pairs for node in pair)
        worst = min(counts, key=lambda node: (-counts[node], node))
        if counts[worst] < ENOUGH:
            break
        faults.append(worst)
        pairs = {pair for pair in pairs if worst not in pair}
    return [*faults, *pairs]
