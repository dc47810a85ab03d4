"""The metrics as a second implementation (Prometheus' own parser) reads them."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.conference.monitor import TreeFigures
from gateway.statistics import EngineStatistics, Histogram, Tally
from gateway.web.metrics import exposition


def engine(lost: int) -> EngineStatistics:
    jitter = Tally((0.01, 0.1))
    for value in (0.005, 0.02, 0.5):
        jitter.add(value)
    none = Histogram.empty((1.0,))
    return EngineStatistics(
        legs=2,
        streams=3,
        capacity=64,
        rooms=1,
        steps=1000,
        steps_left_out=4,
        late_ms=(0.1, 1.5, 12.0),
        lateness=none,
        totals={"packets_in": 500, "lost": lost},
        refused={"forged": 7},
        rtcp={"rr": 9},
        jitter=jitter.histogram,
        round_trip=none,
        missing=none,
    )


def read(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counts_and_distributions_stand_there_for_each_worker() -> None:
    samples = read(exposition({"sip_dialogs": 2}, {0: engine(5), 3: engine(6)}, TreeFigures()))
    assert samples["trestle_sip_dialogs", ()] == 2
    assert samples["trestle_media_packets_lost_total", (("worker", "0"),)] == 5
    assert samples["trestle_media_packets_lost_total", (("worker", "3"),)] == 6
    assert samples["trestle_media_steps_left_out_total", (("worker", "0"),)] == 4
    forged = (("reason", "forged"), ("worker", "0"))
    assert samples["trestle_media_packets_refused_total", forged] == 7
    late = (("quantile", "0.99"), ("worker", "0"))
    assert samples["trestle_media_step_late_seconds", late] == 0.0015
    buckets = [
        samples["trestle_media_leg_jitter_seconds_bucket", (("le", le), ("worker", "0"))]
        for le in ("0.01", "0.1", "+Inf")
    ]
    assert buckets == [1, 2, 3]
    assert samples["trestle_media_leg_jitter_seconds_count", (("worker", "0"),)] == 3


def test_without_an_engine_there_is_still_the_rest() -> None:
    assert read(exposition({"rooms": 0}, {}, TreeFigures()))["trestle_rooms", ()] == 0
