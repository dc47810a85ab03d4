"""When to look for better trees: slowly, and never while something else changes.

A move costs no sound, but it costs the peers negotiation, and a node that is moved again before
the first move has come to its end has two ways on its hands. So after every change all is left
alone for a while, and a room that nothing can be gained in needs no timer.
"""

from dataclasses import dataclass

QUIET = 10.0
"""Seconds without any other plan before the trees are made better, and between two such steps: so
no node moves twice within this time for a better tree's sake."""

MOVES = 10
"""Edges of one kind in one step."""


@dataclass(slots=True)
class Settling:
    """One conference's."""

    _due: float | None = None

    def changed(self, now: float) -> None:
        """Some plan is another one."""
        self._due = now + QUIET

    def settled(self) -> None:
        """There is nothing to be gained until something changes."""
        self._due = None

    def next_timeout(self) -> float | None:
        return self._due

    def is_due(self, now: float) -> bool:
        return self._due is not None and self._due <= now
