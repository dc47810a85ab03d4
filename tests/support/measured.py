"""A measurement as it might have come."""

from gateway.statistics import LegStatistics

MEASURED = LegStatistics(
    codec="PCMA",
    packets_in=1497,
    octets_in=239_520,
    packets_out=1500,
    octets_out=240_000,
    lost=3,
    late=0,
    duplicate=0,
    refused=0,
    concealed_ms=40,
    jitter_ms=3.4,
    delay_ms=10.0,
    level=-30.0,
    round_trip_ms=31.2,
    bitrate_in=64_000,
    bitrate_out=64_000,
    missing=0.0,
    missing_there=None,
)
