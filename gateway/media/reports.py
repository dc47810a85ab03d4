"""RTCP of the engine's streams: what we report, and what peers report; RFC 3550, section 6."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.media.engine import Engine
from gateway.media.formats import CLOCK_RATE
from gateway.media.rtcp import (
    Bye,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    fraction_lost,
    middle_of,
    ntp_of,
    parse,
    round_trip,
)

_CNAME = "trestle"

_MOST: Final = 8
"""Packets of one peer between two calls of `renew`: each may hold dozens of reports."""

_NAMES: Final[Mapping[type[RtcpPacket], str]] = {
    SenderReport: "sr",
    ReceiverReport: "rr",
    Bye: "bye",
    Nack: "nack",
    PictureLoss: "pli",
    FullIntraRequest: "fir",
}


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
    """Streams are known by their rows. `renew` a few times in a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._heard: dict[int, _Heard] = {}
        self.round_trips: dict[int, float] = {}
        """Seconds, by row, for streams whose peer reports."""
        self.lost_there: dict[int, float] = {}
        """The part of what we sent that did not reach the peer lately, 0 to 1, by row."""
        self._lately: Counter[int] = Counter()
        """Packets of each peer, by its first row."""
        self.received: Counter[str] = Counter()
        """RTCP packets so far, by kind. Feedback (NACK, PLI, FIR) is counted and no more."""

    def renew(self) -> None:
        """So many more are taken of each peer."""
        self._lately.clear()

    def forget(self, row: int) -> None:
        self._heard.pop(row, None)
        self.round_trips.pop(row, None)
        self.lost_there.pop(row, None)

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

    def receive(self, ours: Mapping[int, int], packet: bytes, wall_clock: float) -> None:
        """A compound packet of the peer's; what cannot be read is read over.

        `ours`: the rows that the peer shares, by the SSRCs that we send with; at least one.
        """
        peer = next(iter(ours.values()))
        self._lately[peer] += 1
        if self._lately[peer] > _MOST:
            self._engine.streams.refused[peer] += 1
            return
        try:
            parts = parse(packet)
        except ValueError:
            self.received["unreadable"] += 1
            return
        for part in parts:
            self.received[_NAMES[type(part)]] += 1
            match part:
                case SenderReport():
                    self._take_times(part, ours, wall_clock)
                    self._take_blocks(part.blocks, ours, wall_clock)
                case ReceiverReport():
                    self._take_blocks(part.blocks, ours, wall_clock)
                case Bye():
                    self._end(part, ours)

    def _take_times(self, said: SenderReport, ours: Mapping[int, int], wall_clock: float) -> None:
        for row in ours.values():
            if self._engine.jitter.source(row) == said.ssrc:
                heard = self._heard.setdefault(row, _Heard())
                heard.sender_report, heard.came = middle_of(said.ntp), wall_clock

    def _take_blocks(
        self, blocks: tuple[ReportBlock, ...], ours: Mapping[int, int], wall_clock: float
    ) -> None:
        for block in blocks:
            row = ours.get(block.ssrc)
            if row is None:
                continue
            self.lost_there[row] = block.fraction_lost / 256
            seconds = round_trip(block, ntp_of(wall_clock))
            if seconds is not None:
                self.round_trips[row] = seconds

    def _end(self, bye: Bye, ours: Mapping[int, int]) -> None:
        """The stream is over, not the call: that is for signalling to say."""
        for row in ours.values():
            if self._engine.jitter.source(row) in bye.ssrcs:
                self._engine.end_source(row)

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
