"""PURE: how media does, as values: of one leg, and of a whole engine.

Counters run from the beginning of the leg or of the engine; "lately" is the time since the last
measurement, a few seconds.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Quality(StrEnum):
    """What people make of it."""

    GOOD = "good"
    FAIR = "fair"
    """Something is missing now and then, or the answers come late."""
    BAD = "bad"
    """Words are missing, or a conversation is hardly possible."""


_FAIR_MISSING, _BAD_MISSING = 0.01, 0.05
_FAIR_ROUND_TRIP, _BAD_ROUND_TRIP = 300.0, 600.0
"""Milliseconds; G.114 calls 150 ms one way good, and 400 ms the limit."""

_FAIR_DELAY = 120.0


@dataclass(frozen=True, slots=True)
class LegStatistics:
    """One leg's sound, both ways; "in" is what the gateway receives."""

    codec: str
    packets_in: int
    octets_in: int
    """Of payload, as in RFC 3550, section 6.4.1."""
    packets_out: int
    octets_out: int
    lost: int
    late: int
    """Came, but after their time."""
    duplicate: int
    refused: int
    """From strangers, forged or replayed."""
    concealed_ms: int
    """Sound that was made up for what was lost or late."""
    jitter_ms: float
    """RFC 3550, section 6.4.1."""
    delay_ms: float
    """That packets are held at least before they are mixed."""
    level: float
    """dBov, as the choice of speakers sees it."""
    round_trip_ms: float | None
    """None until the peer has reported."""
    bitrate_in: int
    """Bits of payload a second, lately."""
    bitrate_out: int
    missing: float
    """The part of the sound that was lost or concealed lately, 0 to 1."""
    missing_there: float | None
    """The part of what we sent that the peer missed lately, as it says."""

    @property
    def quality(self) -> Quality:
        missing = max(self.missing, self.missing_there or 0.0)
        round_trip = self.round_trip_ms or 0.0
        if missing > _BAD_MISSING or round_trip > _BAD_ROUND_TRIP:
            return Quality.BAD
        late = round_trip > _FAIR_ROUND_TRIP or self.delay_ms > _FAIR_DELAY
        return Quality.FAIR if late or missing > _FAIR_MISSING else Quality.GOOD

    def __str__(self) -> str:
        """For the log."""
        expected = self.packets_in + self.lost
        parts = [
            f"{self.codec}, {self.packets_in} packets",
            f"{100 * self.lost / expected if expected else 0:.1f} % lost",
            f"jitter {self.jitter_ms:.0f} ms",
            f"{self.concealed_ms} ms concealed",
        ]
        if self.round_trip_ms is not None:
            parts.append(f"round trip {self.round_trip_ms:.0f} ms")
        parts += [
            f"{count} {name}"
            for count, name in (
                (self.late, "late"),
                (self.duplicate, "duplicate"),
                (self.refused, "refused"),
            )
            if count
        ]
        return f"{', '.join(parts)}; {self.packets_out} packets sent"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a value was at most each of the `bounds`, which ascend."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """Of the values between two bounds; one more than bounds, for those above the last."""
    total: float
    """The sum of all values."""

    @classmethod
    def empty(cls, bounds: Sequence[float]) -> Self:
        return cls(tuple(bounds), (0,) * (len(bounds) + 1), 0.0)


class Tally:
    """A histogram that grows."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    @property
    def histogram(self) -> Histogram:
        return Histogram(self._bounds, tuple(self._counts), self._total)


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """One engine: a worker, or the gateway's own."""

    legs: int
    streams: int
    """Legs, and the sections of the seats' connections."""
    capacity: int
    """Streams that it can hold."""
    rooms: int
    steps: int
    """Of 5 ms."""
    steps_left_out: int
    """After a stall."""
    late_ms: tuple[float, float, float]
    """Median, 99th percentile and maximum of how late steps began, over the last 20 s."""
    lateness: Histogram
    """The same in seconds since the beginning."""
    totals: Mapping[str, int]
    """Of all legs that there have been: the counters of `LegStatistics`."""
    refused: Mapping[str, int]
    """Packets that were dropped, by reason."""
    rtcp: Mapping[str, int]
    """RTCP packets that came, by kind."""
    jitter: Histogram
    """Seconds; one value for each leg and measurement, as in the two below."""
    round_trip: Histogram
    missing: Histogram
    """0 to 1."""
