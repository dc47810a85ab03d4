"""Session descriptions: what phones and browsers really write, and that nothing gets lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Reason, Refused
from gateway.sdp import (
    MAX_LENGTH,
    MAX_SECTIONS,
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
    reverse,
)

HEAD = "v=0\no=- 11 22 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.2\nt=0 0\n"


def test_line_feeds_alone_are_line_ends() -> None:
    bare = SessionDescription.parse(HEAD + "m=audio 4000 RTP/AVP 0\na=sendonly\n")
    strict = SessionDescription.parse(str(bare))
    assert bare == strict
    assert str(bare).count("\r\n") == str(bare).count("\n")


def test_the_origin_is_read() -> None:
    description = SessionDescription.parse(HEAD)
    assert description.session_id == 11
    assert description.version == 22
    assert description.origin_address == "192.0.2.1"


@pytest.mark.parametrize("origin", ["", "o=\n", "o=- x 1 IN IP4 h\n", "o=- 1\n"])
def test_a_broken_origin_ends_nothing(origin: str) -> None:
    assert SessionDescription.parse(f"v=0\n{origin}s=-\nt=0 0\n").session_id == 0


def test_a_section_inherits_what_it_does_not_say_itself() -> None:
    text = HEAD + (
        "a=recvonly\na=ice-ufrag:session\na=setup:active\na=group:BUNDLE a b\n"
        "m=audio 4000 RTP/AVP 0\na=sendonly\na=ice-ufrag:own\n"
        "m=audio 4002 RTP/AVP 0\nc=IN IP4 192.0.2.3\n"
    )
    first, second = SessionDescription.parse(text).inherited()
    assert (first.direction, first.get("ice-ufrag"), first.get("setup")) == (
        "sendonly",
        "own",
        "active",
    )
    assert (second.direction, second.get("ice-ufrag")) == ("recvonly", "session")
    assert (first.connection, second.connection) == ("192.0.2.2", "192.0.2.3")
    assert first.get("group") is None


def test_static_payload_types_need_no_map() -> None:
    (section,) = SessionDescription.parse(HEAD + "m=audio 1 RTP/AVP 8 0 9 77 18\n").media
    assert [codec.name for codec in section.codecs] == ["PCMA", "PCMU", "G722", "G729"]


def test_codecs_come_in_the_order_of_the_m_line_with_their_parameters() -> None:
    text = HEAD + (
        "m=audio 1 RTP/AVP 96 0\na=rtpmap:0 PCMU/8000\n"
        "a=fmtp:96 stereo=1;useinbandfec=1\na=rtpmap:96 opus/48000/2\n"
    )
    (section,) = SessionDescription.parse(text).media
    assert section.codecs == (
        Codec(96, "opus", 48_000, 2, "stereo=1;useinbandfec=1"),
        Codec(0, "PCMU", 8000),
    )


@pytest.mark.parametrize(
    "rtpmap", ["96", "96 opus", "96 opus/x", "96 opus/48000/2/2", "96 /8000", "96 opus/9999999"]
)
def test_a_codec_that_cannot_be_read_is_left_out(rtpmap: str) -> None:
    text = HEAD + f"m=audio 1 RTP/AVP 96 200 x 8\na=rtpmap:{rtpmap}\n"
    (section,) = SessionDescription.parse(text).media
    assert [codec.name for codec in section.codecs] == ["PCMA"]


def test_a_direction_that_nobody_says_is_sendrecv() -> None:
    assert SessionDescription.parse(HEAD + "m=audio 1 RTP/AVP 0\n").media[0].direction == "sendrecv"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_reversing_a_direction(theirs: Direction, ours: Direction) -> None:
    assert reverse(theirs) == ours


def test_the_number_of_ports_and_the_ttl_are_read_over() -> None:
    text = HEAD + "m=audio 4000/2 RTP/AVP 0\nc=IN IP4 224.2.1.1/127\n"
    (section,) = SessionDescription.parse(text).media
    assert (section.port, section.connection) == (4000, "224.2.1.1")


def test_ipv6_addresses_are_written_as_ip6() -> None:
    section = MediaDescription("audio", 1, "RTP/AVP", ("0",), connection="2001:db8::1")
    text = str(SessionDescription((section,), origin_address="2001:db8::2"))
    assert "c=IN IP6 2001:db8::1\r\n" in text
    assert " IN IP6 2001:db8::2\r\n" in text
    assert SessionDescription.parse(text).media[0].connection == "2001:db8::1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=1\n",
        "hello",
        "o=- 1 1 IN IP4 h\n",
        "m=audio 1 RTP/AVP 0\n",
        HEAD + "m=audio RTP/AVP 0\n",
        HEAD + "m=audio 70000 RTP/AVP 0\n",
        HEAD + "m=audio -1 RTP/AVP 0\n",
        HEAD + "m=audio 1 RTP/AVP\n",
        HEAD + "c=IN IP4\n" + "m=audio 1 RTP/AVP 0\nc=IN IP4\n",
        HEAD + "\n\nm=audio 1 RTP/AVP 0\n",
        HEAD + "a=x\0y\n",
        HEAD + "m=audio 1 RTP/AVP 0\n" * (MAX_SECTIONS + 1),
        HEAD + "a=" + "x" * MAX_LENGTH,
    ],
)
def test_what_cannot_be_read_is_a_bad_request(text: str) -> None:
    with pytest.raises(Refused) as refused:
        SessionDescription.parse(text)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert len(refused.value.text) < 200


_TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-./", min_size=1, max_size=12)
_VALUE = st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
_ATTRIBUTE = st.builds(Attribute, st.text("abcdefgh-", min_size=1, max_size=10), _VALUE)
_ADDRESS = st.none() | st.sampled_from(["192.0.2.1", "2001:db8::1", "phone.example"])
_SECTION = st.builds(
    MediaDescription,
    st.sampled_from(["audio", "video", "application"]),
    st.integers(0, 65_535),
    st.sampled_from(["RTP/AVP", "UDP/TLS/RTP/SAVPF"]),
    st.lists(_TOKEN, min_size=1, max_size=5).map(tuple),
    st.lists(_ATTRIBUTE, max_size=5).map(tuple),
    _ADDRESS,
)
_SESSION = st.builds(
    SessionDescription,
    st.lists(_SECTION, max_size=4).map(tuple),
    st.lists(_ATTRIBUTE, max_size=4).map(tuple),
    _ADDRESS,
    st.integers(0, 2**62),
    st.integers(0, 2**62),
)


@given(_SESSION)
def test_what_is_written_is_read_back_the_same(description: SessionDescription) -> None:
    assert SessionDescription.parse(str(description)) == description


@given(st.text(max_size=300) | st.text("vomac=0 /:\r\n", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        description = SessionDescription.parse("v=0\n" + text)
    except Refused:
        return
    for section in description.inherited():
        assert all(codec.clock_rate >= 0 for codec in section.codecs)
    assert SessionDescription.parse(str(description)) is not None
