"""RTCP of the engine's streams: what we report, and what peers report; RFC 3550, section 6."""

from dataclasses import dataclass
from typing import Final

from gateway.media.engine import Engine
from gateway.media.formats import CLOCK_RATE
from gateway.media.rtcp import (
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    fraction_lost,
    middle_of,
    ntp_of,
    parse,
    round_trip,
)

INTERVAL: Final = 5.0
"""Seconds between the reports of a stream."""

_CNAME = "trestle"


@dataclass(slots=True)
class _Heard:
    """Of one stream: what was known at the last report, and the peer's last one."""

    expected: int = 0
    received: int = 0
    sender_report: int = 0
    """The middle of its NTP time."""
    came: float = 0.0
    """When, on the wall clock."""


class Reporter:
    """Streams are known by their rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: dict[int, _Heard] = {}
        self.round_trips: dict[int, float] = {}
        """Seconds, by row, for streams whose peer reports."""

    def forget(self, row: int) -> None:
        self._heard.pop(row, None)
        self.round_trips.pop(row, None)

    def report(self, row: int, ssrc: int, wall_clock: float) -> bytes:
        """A compound packet about what `row` receives and sends with `ssrc`."""
        streams = self._engine.streams
        blocks = (self._block(row, wall_clock),) if streams.packets_received[row] else ()
        head: SenderReport | ReceiverReport = ReceiverReport(ssrc, blocks)
        if streams.packets_sent[row]:
            head = SenderReport(
                ssrc,
                ntp_of(wall_clock),
                int(streams.last_timestamp[row]),
                int(streams.packets_sent[row]),
                int(streams.octets_sent[row]),
                blocks,
            )
        return bytes(head) + bytes(SourceDescription(ssrc, _CNAME))

    def receive(self, row: int, packet: bytes, wall_clock: float) -> None:
        """A compound packet of the peer's; what cannot be read is read over."""
        try:
            parts = parse(packet)
        except ValueError:
            return
        for part in parts:
            if isinstance(part, SenderReport):
                heard = self._heard.setdefault(row, _Heard())
                heard.sender_report, heard.came = middle_of(part.ntp), wall_clock
            if isinstance(part, (SenderReport, ReceiverReport)):
                for block in part.blocks:
                    seconds = round_trip(block, ntp_of(wall_clock))
                    if seconds is not None:
                        self.round_trips[row] = seconds

    def _block(self, row: int, wall_clock: float) -> ReportBlock:
        jitter, heard = self._engine.jitter, self._heard.setdefault(row, _Heard())
        expected, received = int(jitter.expected[row]), int(jitter.received[row])
        fraction = fraction_lost(expected - heard.expected, received - heard.received)
        heard.expected, heard.received = expected, received
        delay = int((wall_clock - heard.came) * 65_536) if heard.sender_report else 0
        rate = int(CLOCK_RATE[self._engine.streams.format[row]])
        return ReportBlock(
            jitter.source(row),
            fraction,
            expected - received,
            jitter.highest_sequence(row),
            int(jitter.jitter[row] * rate),
            heard.sender_report,
            max(0, min(delay, 0xFFFF_FFFF)),
        )
