"""How the gateway does in Prometheus' text format: totals and distributions, no line for each call.

What one call is like stands in the status, on the page and in the log.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.conference.monitor import TreeFigures
from gateway.conference.report import Method
from gateway.ports import StreamKind
from gateway.statistics import EngineStatistics, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WORKER = "worker"

_TOTALS = (
    ("packets_received", "packets_in", "RTP packets taken from phones and XMPP clients"),
    ("octets_received", "octets_in", "Payload taken from phones and XMPP clients"),
    ("packets_sent", "packets_out", "RTP packets sent to phones and XMPP clients"),
    ("octets_sent", "octets_out", "Payload sent to phones and XMPP clients"),
    ("packets_lost", "lost", "Packets that never came"),
    ("packets_late", "late", "Packets that came after their time"),
    ("packets_duplicate", "duplicate", "Packets that came twice"),
    ("frames_concealed", "concealed", "Frames of 20 ms that were made up for missing ones"),
)

_QUANTILES = ("0.5", "0.99", "1")


def exposition(
    open_now: Mapping[str, int], engines: Mapping[int, EngineStatistics], trees: TreeFigures
) -> bytes:
    """`open_now` as in the status; `engines` by the numbers of the media workers."""
    registry = CollectorRegistry()
    registry.register(_Collector(open_now, engines))
    registry.register(_Trees(trees))
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(
        self, open_now: Mapping[str, int], engines: Mapping[int, EngineStatistics]
    ) -> None:
        self._open_now = open_now
        self._engines = [(str(number), engine) for number, engine in engines.items()]

    def collect(self) -> Iterator[Metric]:
        for name, count in self._open_now.items():
            yield GaugeMetricFamily(f"trestle_{name}", "Open now", value=count)
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    def _gauges(self) -> Iterator[Metric]:
        streams = GaugeMetricFamily(
            "trestle_media_streams", "Streams of an engine", labels=(_WORKER,)
        )
        capacity = GaugeMetricFamily(
            "trestle_media_stream_capacity", "Streams it can hold", labels=(_WORKER,)
        )
        late = GaugeMetricFamily(
            "trestle_media_step_late_seconds",
            "How late steps of 5 ms began in the last 20 s",
            labels=(_WORKER, "quantile"),
        )
        for worker, engine in self._engines:
            streams.add_metric((worker,), engine.streams)
            capacity.add_metric((worker,), engine.capacity)
            for quantile, late_ms in zip(_QUANTILES, engine.late_ms, strict=True):
                late.add_metric((worker, quantile), late_ms / 1000)
        yield from (streams, capacity, late)

    def _counters(self) -> Iterator[Metric]:
        steps = CounterMetricFamily(
            "trestle_media_steps_left_out", "Steps of 5 ms not made up for", labels=(_WORKER,)
        )
        for worker, engine in self._engines:
            steps.add_metric((worker,), engine.steps_left_out)
        yield steps
        for name, key, text in _TOTALS:
            total = CounterMetricFamily(f"trestle_media_{name}", text, labels=(_WORKER,))
            for worker, engine in self._engines:
                total.add_metric((worker,), engine.totals.get(key, 0))
            yield total
        refused = CounterMetricFamily(
            "trestle_media_packets_refused", "Packets dropped", labels=(_WORKER, "reason")
        )
        rtcp = CounterMetricFamily(
            "trestle_media_rtcp_received", "RTCP packets that came", labels=(_WORKER, "kind")
        )
        for worker, engine in self._engines:
            for reason, count in engine.refused.items():
                refused.add_metric((worker, reason), count)
            for kind, count in engine.rtcp.items():
                rtcp.add_metric((worker, kind), count)
        yield from (refused, rtcp)

    def _histograms(self) -> Iterator[Metric]:
        for name, text, values in (
            ("step_lateness_seconds", "How late each step of 5 ms began", "lateness"),
            ("leg_jitter_seconds", "Jitter of each leg, every 5 s", "jitter"),
            ("leg_round_trip_seconds", "Round trip of each leg, every 5 s", "round_trip"),
            ("leg_missing_ratio", "Part of a leg's sound that was missing, every 5 s", "missing"),
        ):
            family = HistogramMetricFamily(f"trestle_media_{name}", text, labels=(_WORKER,))
            for worker, engine in self._engines:
                histogram: Histogram = getattr(engine, values)
                family.add_metric((worker,), _buckets(histogram), histogram.total)
            yield family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Prometheus wants each to hold all that is below it too."""
    names = [*(str(float(bound)) for bound in histogram.bounds), "+Inf"]
    return list(zip(names, accumulate(histogram.counts), strict=True))


class _Trees(Collector):
    """Of all rooms together: no line for each room, and none for each participant."""

    def __init__(self, figures: TreeFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures, totals = self._figures, self._figures.totals
        trees = GaugeMetricFamily("trestle_trees", "Planned trees", labels=("kind",))
        for kind in StreamKind:
            trees.add_metric((kind,), figures.trees.get(kind, 0))
        edges = GaugeMetricFamily(
            "trestle_tree_edges", "Edges that stand or stand by", labels=("kind", "state")
        )
        for (kind_name, state), count in figures.edges.items():
            edges.add_metric((kind_name, state), count)
        methods = GaugeMetricFamily(
            "trestle_tree_edges_by_method", "Edges by how they are sent", labels=("method",)
        )
        for method in Method:
            methods.add_metric((method,), figures.methods.get(method, 0))
        yield from (trees, edges, methods)
        for name, text, value in (
            ("tree_depth_max", "Edges from root to leaf in the deepest tree", figures.depth),
            ("tree_neighbours_max", "Neighbours of who has the most", figures.neighbours),
        ):
            yield GaugeMetricFamily(f"trestle_{name}", text, value=value)
        for name, text, total in (
            ("tree_moves", "Nodes that got another parent", totals.moves),
            ("tree_promotions", "Those that went to their standby parent", totals.promotions),
            ("tree_stalls", "Streams that stood still, by reports", totals.stalls),
            ("tree_stalled_seconds", "How long in all", totals.stalled_ms / 1000),
            ("tree_faults", "Failures injected on purpose", totals.faults),
        ):
            yield CounterMetricFamily(f"trestle_{name}", text, value=total)
