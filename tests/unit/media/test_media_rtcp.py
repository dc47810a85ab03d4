from aiortc.rtp import RtcpPacket, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket

from gateway.media.rtcp import Reports
from gateway.media.rtp import RtpPacket


def packet(number: int, ssrc: int = 9) -> RtpPacket:
    return RtpPacket(8, number & 0xFFFF, number * 160, ssrc, bytes(160))


def test_a_listener_reports_what_it_received_and_lost() -> None:
    reports = Reports(1, "trestle")
    for number in (65_534, 65_535, 65_537, 65_538):
        reports.received(packet(number))
    receiver, description = RtcpPacket.parse(reports.report(0.0))
    assert isinstance(receiver, RtcpRrPacket)
    assert isinstance(description, RtcpSdesPacket)
    (block,) = receiver.reports
    assert (block.ssrc, block.packets_lost, block.fraction_lost) == (9, 1, 256 // 5)
    assert block.highest_sequence == 65_538


def test_a_sender_reports_what_it_sent_at_the_wall_clock() -> None:
    reports = Reports(1, "trestle")
    reports.sent(packet(1))
    reports.sent(packet(2))
    sender, _ = RtcpPacket.parse(reports.report(1.5))
    assert isinstance(sender, RtcpSrPacket)
    assert sender.sender_info.packet_count == 2
    assert sender.sender_info.octet_count == 320
    assert sender.sender_info.rtp_timestamp == 320
    assert sender.sender_info.ntp_timestamp == int((2_208_988_800 + 1.5) * 2**32)


def test_a_new_source_is_counted_from_its_beginning() -> None:
    reports = Reports(1, "trestle")
    for number in (1, 50, 3):
        reports.received(packet(number))
    for number in (1000, 1001):
        reports.received(packet(number, ssrc=10))
    receiver, _ = RtcpPacket.parse(reports.report(0.0))
    assert isinstance(receiver, RtcpRrPacket)
    assert (receiver.reports[0].ssrc, receiver.reports[0].packets_lost) == (10, 0)
