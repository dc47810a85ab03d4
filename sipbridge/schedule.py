"""Which of many machines is due next: a heap, so that a thousand idle ones cost nothing."""

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """A machine with a deadline."""

    def next_timeout(self) -> float | None: ...


T = TypeVar("T", bound=Timed)


class Schedule(Generic[T]):
    """Deadlines are noted, never taken out: an outdated one is passed over when it comes up.

    It comes up within 64*T1, so the heap holds a bounded number per machine.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._noted: dict[T, float] = {}
        self._order = count()

    def note(self, machine: T) -> None:
        """Call after every input to the machine."""
        deadline = machine.next_timeout()
        if deadline is None:
            self._noted.pop(machine, None)
        elif self._noted.get(machine) != deadline:
            self._noted[machine] = deadline
            heapq.heappush(self._heap, (deadline, next(self._order), machine))

    def next_timeout(self) -> float | None:
        while self._heap and self._outdated():
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[T]:
        """Takes out and yields each machine whose deadline has come."""
        while (deadline := self.next_timeout()) is not None and deadline <= now:
            _, _, machine = heapq.heappop(self._heap)
            del self._noted[machine]
            yield machine

    def _outdated(self) -> bool:
        deadline, _, machine = self._heap[0]
        return self._noted.get(machine) != deadline
