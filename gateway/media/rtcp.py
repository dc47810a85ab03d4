"""Sender and receiver reports of one RTP stream pair; RFC 3550, section 6.

Enough for the other side's statistics and for phones that hang up without RTCP. We read nothing.
"""

from aiortc.rtp import (
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    clamp_packets_lost,
)

from gateway.media.rtp import RtpPacket, sequence_distance

INTERVAL = 5.0

_CNAME = 1
_NTP_EPOCH = 2_208_988_800
"""1970 in seconds since 1900."""


class Reports:
    """Counts what one stream of ours sent and what came back."""

    def __init__(self, ssrc: int, cname: str) -> None:
        self._ssrc = ssrc
        self._cname = cname.encode()
        self._packets = self._octets = self._last_timestamp = 0
        self._source: int | None = None
        self._first = self._highest = self._received = 0
        self._expected_before = self._received_before = 0

    def sent(self, packet: RtpPacket) -> None:
        self._packets = (self._packets + 1) & 0xFFFF_FFFF
        self._octets = (self._octets + len(packet.payload)) & 0xFFFF_FFFF
        self._last_timestamp = packet.timestamp

    def received(self, packet: RtpPacket) -> None:
        if packet.ssrc != self._source:
            self._source = packet.ssrc
            self._first = self._highest = packet.sequence
            self._received = self._expected_before = self._received_before = 0
        self._received += 1
        # Extended by the cycles of the 16-bit number; appendix A.1.
        self._highest += max(0, sequence_distance(packet.sequence, self._highest & 0xFFFF))

    def report(self, wall_clock: float) -> bytes:
        """A compound packet; `wall_clock` counts seconds since 1970."""
        blocks = [] if self._source is None else [self._block(self._source)]
        chunk = RtcpSourceInfo(ssrc=self._ssrc, items=[(_CNAME, self._cname)])
        if not self._packets:
            head = bytes(RtcpRrPacket(ssrc=self._ssrc, reports=blocks))
        else:
            ntp = int((wall_clock + _NTP_EPOCH) * 2**32) & 0xFFFF_FFFF_FFFF_FFFF
            info = RtcpSenderInfo(ntp, self._last_timestamp, self._packets, self._octets)
            head = bytes(RtcpSrPacket(ssrc=self._ssrc, sender_info=info, reports=blocks))
        return head + bytes(RtcpSdesPacket(chunks=[chunk]))

    def _block(self, source: int) -> RtcpReceiverInfo:
        expected = self._highest - self._first + 1
        newly_expected = expected - self._expected_before
        newly_lost = newly_expected - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        fraction = newly_lost * 256 // newly_expected if newly_lost > 0 else 0
        return RtcpReceiverInfo(
            ssrc=source,
            fraction_lost=min(255, fraction),
            packets_lost=clamp_packets_lost(expected - self._received),
            highest_sequence=self._highest & 0xFFFF_FFFF,
            jitter=0,
            lsr=0,
            dlsr=0,
        )
