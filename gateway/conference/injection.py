"""Failures on purpose, in rooms that are for it: what, how often, for how long, and to whom.

The participant carries them out itself, by docs/protocol.md, `fault`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from gateway.conference.journal import Entry
from gateway.ports import Fault, FaultKind, ParticipantId, StreamKind
from gateway.trees.failures import Distribution, victim
from gateway.trees.topology import Forest

MAX_RATE = 5.0
MAX_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Injection:
    """An order from the monitor."""

    fault: Fault
    """What happens to each victim."""
    distribution: Distribution
    """Of the victim's place in the tree."""
    rate: float
    """Victims a second."""
    seconds: float
    """How long it goes on."""
    seed: int
    """The same one strikes the same places."""
    kind: StreamKind = StreamKind.AUDIO
    """The trees that victims are looked for in."""
    source: ParticipantId | None = None
    """Whose tree; None: anybody's, each time anew."""


class Injector:
    """Carries one order out: ask `victims` when `next_timeout` has come."""

    def __init__(self, injection: Injection, now: float) -> None:
        self.injection = injection
        self._random = np.random.default_rng(injection.seed)
        self._began = now
        self._drawn = 0
        self._struck = 0

    @property
    def _ends(self) -> float:
        return self._began + self.injection.seconds

    @property
    def _next(self) -> float | None:
        """When somebody is drawn again. By the count, since sums of fractions are not exact."""
        after = self._drawn / self.injection.rate
        return self._began + after if after < self.injection.seconds else None

    def next_timeout(self) -> float:
        return self._ends if self._next is None else self._next

    def has_ended(self, now: float) -> bool:
        return now >= self._ends

    def victims(
        self,
        forests: Mapping[StreamKind, Forest],
        mortal: Iterable[ParticipantId],
        now: float,
    ) -> list[ParticipantId]:
        """Who is struck now, among those who can be."""
        able = set(mortal)
        found = []
        while self._next is not None and self._next <= now:
            self._drawn += 1
            struck = self._draw(forests, able)
            if struck is not None:
                found.append(struck)
                if self.injection.fault.fault is FaultKind.KILL:
                    able.discard(struck)
        self._struck += len(found)
        return found

    def describe(self) -> Entry:
        """For the monitor."""
        order = self.injection
        return {
            "fault": order.fault.fault,
            "lasts": order.fault.seconds,
            "ratio": order.fault.ratio,
            "ms": order.fault.ms,
            "distribution": order.distribution,
            "rate": order.rate,
            "seconds": order.seconds,
            "kind": order.kind,
            "source": order.source,
            "seed": order.seed,
            "struck": self._struck,
        }

    def _draw(
        self, forests: Mapping[StreamKind, Forest], able: set[ParticipantId]
    ) -> ParticipantId | None:
        forest = forests.get(self.injection.kind, {})
        source = self.injection.source
        trees = [tree for name, tree in forest.items() if source in (None, name)]
        return victim(trees, able, self.injection.distribution, self._random)
