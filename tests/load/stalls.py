"""What a listener misses: pauses between packets of sound, as OwnStream's players stood still."""

from collections.abc import Iterable
from dataclasses import dataclass, field

PACKET = 0.02
"""Seconds of sound in a packet."""

STALL = 0.2
"""A longer pause is a stall: no jitter buffer of a conversation hides it."""

GAP = 0.1
"""A longer one may be heard."""


@dataclass(slots=True)
class Hearing:
    """One receiver's sound from its first packet to its end."""

    last: float | None = None
    pauses: list[float] = field(default_factory=list)
    """Those that are longer than `GAP`, in seconds without the 20 ms that are none."""
    since: float = 0.0

    def packet(self, now: float) -> None:
        if self.last is None:
            self.since = now
        else:
            self._pause(now - self.last)
        self.last = now

    def begin_anew(self) -> None:
        """What was before does not count."""
        self.pauses.clear()
        if self.last is not None:
            self.since = self.last

    def end(self, now: float) -> float:
        """It listens no more; gives how long it has listened."""
        if self.last is None:
            return 0.0
        self._pause(now - self.last)
        return now - self.since

    def _pause(self, seconds: float) -> None:
        if seconds > GAP:
            self.pauses.append(seconds - PACKET)


@dataclass(frozen=True)
class Stalls:
    """Of all receivers together."""

    stalls: int
    total_s: float
    average_ms: float
    longest_ms: float
    gaps: int
    """Pauses of more than 100 ms, stalls among them."""
    gaps_total_s: float
    listened_s: float

    @classmethod
    def of(cls, pauses: Iterable[float], listened: float) -> "Stalls":
        gaps = list(pauses)
        stalls = [pause for pause in gaps if pause + PACKET > STALL]
        return cls(
            len(stalls),
            sum(stalls),
            1000 * sum(stalls) / len(stalls) if stalls else 0.0,
            1000 * max(gaps, default=0.0),
            len(gaps),
            sum(gaps),
            listened,
        )
