"""Who negotiates without end: pairs whose signals come faster than any change of edges needs."""

from dataclasses import dataclass, field

from gateway.allowance import Allowance
from gateway.ports import ParticipantId

DESCRIPTION = 10.0
"""So much more than a candidate a description costs the browser that it comes to."""

AT_ONCE = 1000.0
"""Of a pair, both ways: fifty offers with their answers, far more than the busiest join takes."""

PER_SECOND = 10.0


@dataclass(slots=True)
class Loops:
    """Of one conference's pairs; which of the two is to blame is not known here."""

    _left: dict[frozenset[ParticipantId], Allowance] = field(default_factory=dict)

    def passes(
        self, one: ParticipantId, other: ParticipantId, now: float, *, describes: bool
    ) -> bool:
        """Whether one more signal between the two, with a description or without, is still as it
        should be."""
        pair = frozenset({one, other})
        if pair not in self._left:
            self._left[pair] = Allowance(PER_SECOND, AT_ONCE, now)
        return self._left[pair].take(DESCRIPTION if describes else 1.0, now)

    def forget(self, leaver: ParticipantId) -> None:
        self._left = {pair: left for pair, left in self._left.items() if leaver not in pair}
