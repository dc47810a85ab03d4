"""Whatever a stranger sends to the media plane ends at most the stranger's own call."""

import asyncio
import contextlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.media.inlet import Inlet
from gateway.media.jitter import MAX_DELAY, JitterBuffer
from gateway.media.mixer import FRAME
from gateway.media.negotiation import choose
from gateway.media.plane import InlinePlane
from gateway.media.rtp import RtpPacket
from gateway.media.telephone_event import DIGITS, TelephoneEvents
from gateway.ports import MediaEvent, Offer, ParticipantId, RoomName
from gateway.sdp import Codec, SessionDescription

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
_CODECS = st.sampled_from([Codec(8, "PCMA", 8000), Codec(111, "opus", 48_000, 2)])


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


@given(st.lists(_PACKETS | st.none(), max_size=200))
def test_a_jitter_buffer_never_grows_and_keeps_order(steps: list[RtpPacket | None]) -> None:
    buffer = JitterBuffer(8000)
    for step in steps:
        if step is not None:
            buffer.put(step)
        else:
            buffer.get()
        # The shortest packets that are believed last 2.5 ms.
        assert len(buffer._packets) <= MAX_DELAY / 0.0025 + 1


@given(_CODECS, st.lists(_PACKETS | st.none(), max_size=60))
@settings(max_examples=50)
def test_any_stream_gives_whole_frames(codec: Codec, steps: list[RtpPacket | None]) -> None:
    inlet = Inlet(codec)
    for step in steps:
        if step is not None:
            inlet.receive(step)
        frame = inlet.pull()
        assert frame is None or len(frame) == FRAME


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
    plane = InlinePlane(rtp_ports=range(33_000, 33_100), address="127.0.0.1")
    await plane.start(events.append)
    leg = ParticipantId("leg")
    for offer in offers:
        try:
            await plane.answer(RoomName("r"), leg, Offer(offer))
            plane.confirm(leg)
            await plane.seat_answer(RoomName("r"), ParticipantId("web"), "k", Offer(offer), {})
        except Refused:
            continue
    known = plane._legs.get(leg)
    for data in datagrams:
        if known is not None and hasattr(known.leg, "_receive_rtp"):
            known.leg._receive_rtp(data, ("127.0.0.1", 10_020))
            known.leg._receive_rtcp(data, ("127.0.0.1", 10_020))
    await plane.stop()
    await asyncio.sleep(0)
    assert set(plane.inventory().values()) == {0}
    assert not errors
