"""Whatever a stranger sends to the media plane ends at most the stranger's own call."""

import asyncio
import contextlib
import random
import socket
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.media.engine import Engine, RoomFailed
from gateway.media.formats import Format
from gateway.media.jitter import SLOTS, JitterBuffers
from gateway.media.negotiation import choose
from gateway.media.plane import InlinePlane
from gateway.media.rtp import RtpPacket
from gateway.media.rtp_rows import RtpRows, audio_levels
from gateway.media.settings import Settings
from gateway.media.streams import Receiving
from gateway.media.telephone_event import DIGITS, TelephoneEvents
from gateway.ports import MediaEvent, Offer, ParticipantId, RoomName
from gateway.sdp import SessionDescription

_OFFERS = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 10020 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=rtcp:10021\r\na=sendrecv\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=rtcp-mux\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=ssrc:7 cname:x\r\n"
    "a=candidate:1 1 udp 1 192.0.2.7 7000 typ host\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=setup:actpass\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n",
)

_PACKETS = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 65_535) | st.integers(0, 40),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2),
    st.binary(max_size=200),
)


@st.composite
def mangled_offers(draw: st.DrawFn) -> str:
    """A real offer with some lines changed, dropped or doubled."""
    lines = draw(st.sampled_from(_OFFERS)).splitlines()
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        cut = draw(st.integers(0, len(line)))
        junk = draw(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8))
        change = draw(st.sampled_from(["", line[:cut] + junk, f"{line}\r\n{line}"]))
        lines[place] = change or line[:2] + junk
    return "\r\n".join((*lines, ""))


@given(st.binary(max_size=120), st.integers(0, 14))
def test_any_datagram_is_rtp_or_refused(data: bytes, extension: int) -> None:
    try:
        packet = RtpPacket.parse(data, extension)
    except ValueError:
        return
    assert len(packet.payload) <= len(data) - 12


@given(st.lists(st.binary(max_size=120), min_size=1, max_size=8), st.integers(0, 14))
def test_rows_say_the_same_as_single_packets(datagrams: list[bytes], extension: int) -> None:
    rows = np.zeros((len(datagrams), 128), np.uint8)
    for row, data in zip(rows, datagrams, strict=True):
        row[: len(data)] = np.frombuffer(data, np.uint8)
    lengths = np.array([len(data) for data in datagrams], np.int32)
    packets = RtpRows.parse(rows, lengths)
    levels = audio_levels(
        rows, np.arange(len(rows)), packets, np.full(len(rows), extension, np.uint8)
    )
    assert ((levels <= 127) | (levels == 255)).all()
    for index, data in enumerate(datagrams):
        try:
            packet = RtpPacket.parse(data)
        except ValueError:
            assert not packets.valid[index]
            continue
        assert packets.valid[index]
        assert data[packets.start[index] : packets.end[index]] == packet.payload
        assert packets.sequence[index] == packet.sequence
        assert packets.timestamp[index] == packet.timestamp
        assert packets.ssrc[index] == packet.ssrc


@given(st.lists(_PACKETS | st.none(), max_size=200))
def test_a_jitter_buffer_takes_any_packets(
    steps: list[RtpPacket | None],
) -> None:
    buffers, row, now = JitterBuffers(1), np.array([0]), 10.0
    buffers.open(0, 8000)
    for step in steps:
        if step is None:
            pulled = buffers.pull(row, np.array([False]), now)
            assert 0 <= pulled.place[0] < SLOTS
            now += 0.02
        else:
            _put(buffers, step, now)
    assert buffers.concealed[0] >= 0


def _put(buffers: JitterBuffers, packet: RtpPacket, now: float) -> None:
    one = np.array([0])
    buffers.put(
        one,
        np.array([packet.sequence]),
        np.array([packet.timestamp]),
        np.array([packet.ssrc]),
        np.array([now]),
        np.zeros((1, 160), np.uint8),
        np.array([160], np.int16),
        np.zeros(1, np.uint8),
    )


@given(st.sampled_from(Format), st.lists(_PACKETS | st.none(), max_size=60), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_any_stream_is_mixed_or_dropped(
    format_: Format, steps: list[RtpPacket | None], kind: int
) -> None:
    engine = Engine(4, random.Random(1).getrandbits)
    room = engine.open_room()
    row = engine.open_stream(room, format_, is_leg=True)
    engine.receive_on(row, Receiving(8, 101, 1))
    engine.set_source(row, True)
    now = 10.0
    for step in steps:
        if step is None:
            for phase in range(4):
                engine.tick(phase, now)
            now += 0.02
            assert not any(isinstance(event, RoomFailed) for event in engine.events())
        else:
            data = replace(step, payload_type=8 if kind else step.payload_type).serialize()
            buffer = np.zeros((1, 2048), np.uint8)
            buffer[0, : len(data)] = np.frombuffer(data, np.uint8)
            packets = RtpRows.parse(buffer, np.array([len(data)], np.int32))
            engine.receive(buffer, np.array([0]), packets, np.array([row]), np.array([now]))


@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 2**32 - 1), st.booleans())))
def test_any_telephone_events_give_digits(steps: list[tuple[bytes, int, bool]]) -> None:
    events = TelephoneEvents()
    told = 0
    for now, (payload, timestamp, is_pause) in enumerate(steps):
        told += sum(digit in DIGITS for digit in events.receive(payload, timestamp, now))
        if is_pause:
            told += len(list(events.handle_timeout(now + 1)))
    assert told <= len(steps)


@given(mangled_offers())
def test_any_offer_is_taken_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        choose(SessionDescription.parse(text))


@given(st.lists(mangled_offers(), min_size=1, max_size=3), st.lists(st.binary(max_size=60)))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_plane_outlives_any_offers_and_leaves_nothing(
    offers: list[str], datagrams: list[bytes]
) -> None:
    asyncio.run(_offer_all(offers, datagrams))


async def _offer_all(offers: list[str], datagrams: list[bytes]) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    events: list[MediaEvent] = []
    plane = InlinePlane(Settings(range(33_000, 33_100), "127.0.0.1", capacity=128))
    await plane.start(events.append)
    leg = ParticipantId("leg")
    for offer in offers:
        try:
            await plane.answer(RoomName("r"), leg, Offer(offer))
            plane.confirm(leg)
            await plane.seat_answer(RoomName("r"), ParticipantId("web"), "k", Offer(offer), {})
        except Refused:
            continue
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in datagrams:
            for port in range(33_000, 33_004):
                stranger.sendto(data, ("127.0.0.1", port))
    await asyncio.sleep(0.03)
    await plane.stop()
    await asyncio.sleep(0)
    assert set(plane.inventory().values()) == {0}
    assert not errors
