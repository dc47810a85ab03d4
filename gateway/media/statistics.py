"""From the counters of streams to what is told about legs, and about the engine as a whole."""

from collections import Counter
from collections.abc import Mapping
from operator import add, sub
from typing import Final, NamedTuple

from gateway.media.engine import Engine
from gateway.media.formats import Format
from gateway.media.jitter import TICK
from gateway.media.metronome import Metronome
from gateway.media.reports import Reporter
from gateway.ports import ParticipantId
from gateway.statistics import EngineStatistics, LegStatistics, Tally

_SHORTEST = 0.5
"""Seconds below which a rate means nothing."""

_JITTER_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_ROUND_TRIP_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_MISSING_BOUNDS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class Counts(NamedTuple):
    """What a stream has counted; `expected` and `received` as in RFC 3550, appendix A.3."""

    packets_in: int = 0
    octets_in: int = 0
    packets_out: int = 0
    octets_out: int = 0
    expected: int = 0
    received: int = 0
    late: int = 0
    duplicate: int = 0
    refused: int = 0
    concealed: int = 0
    """Ticks."""

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)

    def since(self, before: "Counts") -> "Counts":
        return Counts._make(map(sub, self, before))

    def after(self, before: "Counts") -> "Counts":
        return Counts._make(map(add, self, before))


class Meter:
    """PURE: one leg from one measurement to the next."""

    def __init__(self, now: float) -> None:
        self._then = now
        self._read = Counts()
        """At the last measurement."""
        self._base = Counts()
        """Of streams before: with another codec the jitter buffer begins anew."""
        self.rates = (0, 0)
        """Bits a second in and out, lately."""
        self.missing = 0.0
        """The part of the sound that was lost or concealed lately."""

    def measure(self, read: Counts, now: float) -> tuple[Counts, Counts]:
        """All that was counted so far, and what is new."""
        if read.expected < self._read.expected:
            restarted = Counts(
                expected=self._read.expected,
                received=self._read.received,
                late=self._read.late,
                duplicate=self._read.duplicate,
                concealed=self._read.concealed,
            )
            self._base = self._base.after(restarted)
            self._read = self._read.since(restarted)
        new, self._read = read.since(self._read), read
        passed = now - self._then
        if passed >= _SHORTEST:
            self._then = now
            self.rates = (round(8 * new.octets_in / passed), round(8 * new.octets_out / passed))
            lost = max(0, new.expected - new.received) / new.expected if new.expected > 0 else 0.0
            self.missing = min(1.0, max(lost, new.concealed * TICK / passed))
        return read.after(self._base), new


class Statistics:
    """All legs of an engine. `measure` each now and then, and once more when it ends."""

    def __init__(self, engine: Engine, reporter: Reporter) -> None:
        self._engine = engine
        self._reporter = reporter
        self._meters: dict[ParticipantId, Meter] = {}
        self._totals = Counter(dict.fromkeys((*Counts._fields, "lost"), 0))
        self._jitter = Tally(_JITTER_BOUNDS)
        self._round_trip = Tally(_ROUND_TRIP_BOUNDS)
        self._missing = Tally(_MISSING_BOUNDS)

    def begin(self, leg: ParticipantId, now: float) -> None:
        self._meters.setdefault(leg, Meter(now))

    def measure(self, leg: ParticipantId, row: int, now: float) -> LegStatistics:
        """`row` is the leg's stream."""
        meter, jitter, streams = self._meters[leg], self._engine.jitter, self._engine.streams
        counts, new = meter.measure(self._read(row), now)
        self._count(new)
        seconds = self._reporter.round_trips.get(row)
        measured = LegStatistics(
            codec=_NAMES[Format(int(streams.format[row]))],
            packets_in=counts.packets_in,
            octets_in=counts.octets_in,
            packets_out=counts.packets_out,
            octets_out=counts.octets_out,
            lost=counts.lost,
            late=counts.late,
            duplicate=counts.duplicate,
            refused=counts.refused,
            concealed_ms=round(1000 * TICK * counts.concealed),
            jitter_ms=round(1000 * float(jitter.jitter[row]), 1),
            delay_ms=round(1000 * float(jitter.held[row]), 1),
            level=round(self._engine.level(row), 1),
            round_trip_ms=None if seconds is None else round(1000 * seconds, 1),
            bitrate_in=meter.rates[0],
            bitrate_out=meter.rates[1],
            missing=round(meter.missing, 4),
            missing_there=self._reporter.lost_there.get(row),
        )
        return measured

    def observe(self, measured: LegStatistics) -> None:
        """A regular measurement goes into the histograms."""
        self._jitter.add(measured.jitter_ms / 1000)
        self._missing.add(measured.missing)
        if measured.round_trip_ms is not None:
            self._round_trip.add(measured.round_trip_ms / 1000)

    def end(self, leg: ParticipantId) -> None:
        self._meters.pop(leg, None)

    def of_engine(
        self, metronome: Metronome, rooms: int, refused: Mapping[str, int]
    ) -> EngineStatistics:
        streams = self._engine.streams
        return EngineStatistics(
            legs=len(self._meters),
            streams=len(streams),
            capacity=streams.capacity,
            rooms=rooms,
            steps=metronome.taken,
            steps_left_out=metronome.left_out,
            late_ms=metronome.late_ms(),
            lateness=metronome.histogram,
            totals=dict(self._totals),
            refused={**refused, "not-negotiated": self._engine.dropped},
            rtcp=dict(self._reporter.received),
            jitter=self._jitter.histogram,
            round_trip=self._round_trip.histogram,
            missing=self._missing.histogram,
        )

    def _read(self, row: int) -> Counts:
        streams, jitter = self._engine.streams, self._engine.jitter
        return Counts(
            int(streams.packets_received[row]),
            int(streams.octets_received[row]),
            int(streams.packets_sent[row]),
            int(streams.octets_sent[row]),
            int(jitter.expected[row]),
            int(jitter.received[row]),
            int(jitter.late[row]),
            int(jitter.duplicate[row]),
            int(streams.refused[row]),
            int(jitter.concealed[row]),
        )

    def _count(self, new: Counts) -> None:
        """Totals never fall, though a packet that was counted as lost may still come."""
        for name, count in zip(Counts._fields, new, strict=True):
            if count > 0:
                self._totals[name] += count
        self._totals["lost"] += new.lost


_NAMES: Final = {
    Format.PCMU: "PCMU",
    Format.PCMA: "PCMA",
    Format.G722: "G722",
    Format.OPUS: "opus",
}
