"""BUNDLE, ICE and DTLS in SDP, from the answerer's side."""

from dataclasses import replace

import pytest

from gateway.errors import Reason, Refused
from gateway.media.dtls_negotiation import check_unchanged
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.media.webrtc_negotiation import (
    WebRtcOffer,
    describe_answer,
    read_offer,
)
from gateway.sdp import SessionDescription

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
SESSION = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 3\r\n"
LOCAL = LocalTransport(
    "ours", "ourpassword", "CD:EF", ("1 1 udp 2130706431 192.0.2.2 5000 typ host",)
)


def section(mid: str, media: str = "audio", direction: str = "sendrecv", *more: str) -> str:
    codec = "111 opus/48000/2" if media == "audio" else "96 VP8/90000"
    lines = (
        f"m={media} 9 UDP/TLS/RTP/SAVPF {codec.split()[0]} 110",
        "c=IN IP4 0.0.0.0",
        f"a=rtpmap:{codec}",
        "a=rtpmap:110 telephone-event/48000",
        f"a=mid:{mid}",
        f"a={direction}",
        "a=ice-ufrag:thei",
        "a=ice-pwd:theirpasswordtheirpassword",
        f"a=fingerprint:{FINGERPRINT}",
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        *more,
    )
    return "".join(f"{line}\r\n" for line in lines)


def data(mid: str) -> str:
    return f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:{mid}\r\n"


def take(*sections: str, session: str = SESSION) -> tuple[WebRtcOffer, SessionDescription]:
    offer = SessionDescription.parse(session + "".join(sections))
    taken = read_offer(offer)
    ssrcs = {audio.index: 1000 + audio.index for audio in taken.sections}
    return taken, SessionDescription.parse(str(describe_answer(offer, taken, LOCAL, ssrcs, 5, 1)))


def test_audio_is_taken_video_and_data_are_refused_in_their_places() -> None:
    _, answer = take(section("0", "video"), section("1"), data("2"), section("3"))
    assert [(s.media, s.port, s.mid) for s in answer.media] == [
        ("video", 0, "0"),
        ("audio", 5000, "1"),
        ("application", 0, "2"),
        ("audio", 5000, "3"),
    ]
    assert [str(a) for a in answer.attributes] == ["ice-lite", "group:BUNDLE 1 3"]


def test_the_answer_names_one_codec_and_our_transport() -> None:
    _, answer = take(section("0"))
    (audio,) = answer.media
    assert [(c.payload_type, c.name, c.channels) for c in audio.codecs] == [
        (111, "opus", 2),
        (110, "telephone-event", 1),
    ]
    wanted = {
        "ice-ufrag": "ours",
        "ice-pwd": "ourpassword",
        "fingerprint": "sha-256 CD:EF",
        "setup": "passive",
        "rtcp-mux": "",
        "extmap": "4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "candidate": LOCAL.candidates[0],
    }
    assert {name: audio.get(name) for name in wanted} == wanted


def test_a_stream_of_ours_is_named_where_we_may_send() -> None:
    _, answer = take(section("0", "audio", "recvonly"), section("1", "audio", "sendonly"))
    to_them, from_them = answer.media
    assert to_them.get("ssrc") == "1000 cname:trestle"
    assert (to_them.direction, from_them.direction) == ("sendonly", "recvonly")
    assert from_them.get("ssrc") is None


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("actpass", "passive"), ("active", "passive"), ("passive", "active")],
)
def test_who_begins_the_handshake_is_agreed(offered: str, answered: str) -> None:
    _, answer = take(section("0").replace("setup:actpass", f"setup:{offered}"))
    assert answer.media[0].get("setup") == answered


def test_a_connection_that_waits_for_ever_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        take(section("0").replace("setup:actpass", "setup:holdconn"))
    assert refused.value.reason is Reason.SECURITY


def test_a_section_outside_of_the_bundle_is_refused() -> None:
    session = SESSION.replace("0 1 2 3", "0 2")
    _, answer = take(section("0"), section("1"), section("2"), session=session)
    assert [s.port for s in answer.media] == [5000, 0, 5000]


def test_without_bundle_one_section_is_taken_and_no_group_named() -> None:
    session = SESSION.replace("a=group:BUNDLE 0 1 2 3\r\n", "a=group:BUNDLE\r\na=group:\r\n")
    _, answer = take(section("0"), section("1"), session=session)
    assert [s.port for s in answer.media] == [5000, 0]
    assert [str(a) for a in answer.attributes] == ["ice-lite"]


def test_a_bundle_only_section_is_open_though_its_port_is_0() -> None:
    bundled = section("1", "audio", "sendonly", "a=bundle-only").replace("audio 9", "audio 0")
    _, answer = take(section("0"), bundled)
    assert [s.port for s in answer.media] == [5000, 5000]


def test_candidates_of_the_whole_group_are_the_peers() -> None:
    line = "7 1 udp 1 192.0.2.7 7000 typ host"
    taken, _ = take(section("0", "video", "sendrecv", f"a=candidate:{line}"), section("1"))
    assert taken.remote.candidates == (line,)


def test_streams_are_known_by_their_ssrc_lines() -> None:
    lines = ("a=ssrc:77 cname:x", "a=ssrc:77 msid:a b", "a=ssrc:what", "a=ssrc:")
    taken, _ = take(section("0", "audio", "sendonly", *lines))
    assert set(taken.sections[0].ssrcs) == {77}


def test_two_sections_with_one_mid_are_a_bad_request() -> None:
    with pytest.raises(Refused) as refused:
        take(section("1"), section("1"))
    assert refused.value.reason is Reason.BAD_REQUEST


def test_plain_rtp_is_no_offer_for_the_seat() -> None:
    with pytest.raises(Refused) as refused:
        take("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.9\r\n")
    assert refused.value.reason is Reason.MEDIA


def test_an_offer_for_a_hundred_phones_is_taken_whole() -> None:
    mids = [str(number) for number in range(101)]
    padding = [f"a=ssrc:{number} msid:{'x' * 36} {'y' * 36}" for number in range(6)]
    session = SESSION.replace("0 1 2 3", " ".join(mids))
    taken, answer = take(
        *(section(mid, "audio", "recvonly", *padding) for mid in mids), session=session
    )
    assert len(taken.sections) == len(answer.media) == 101


def test_the_level_extension_is_taken_where_it_is_offered() -> None:
    line = "a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on"
    taken, answer = take(section("0", "audio", "sendrecv", line), section("1"))
    assert [audio.level_extension for audio in taken.sections] == [1, 0]
    first, second = answer.media
    assert "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level" in first.all("extmap")
    assert len(list(second.all("extmap"))) == 1


def test_a_section_without_rtcp_mux_is_not_for_the_shared_port() -> None:
    with pytest.raises(Refused) as refused:
        take(section("0").replace("a=rtcp-mux\r\n", ""))
    assert refused.value.reason is Reason.MEDIA


# Dino 0.4: no BUNDLE, a transport with credentials of its own for each content, SDES besides.
def test_contents_with_transports_of_their_own_are_answered_without_a_group() -> None:
    audio = section("audio").replace("thei", "aaaa")
    video = section("video", "video").replace("thei", "bbbb")
    session = SESSION.replace("a=group:BUNDLE 0 1 2 3\r\n", "")
    taken, answer = take(audio, video, session=session)
    assert taken.remote.ufrag == "aaaa"
    assert [s.port for s in answer.media] == [5000, 0]
    assert [str(a) for a in answer.attributes] == ["ice-lite"]


def test_what_was_connected_stays_as_it_is() -> None:
    before = RemoteTransport("u", "p", False, (("sha-256", "AA:BB"),), "passive")
    # The same in other letters, and with one more hash.
    again = replace(before, fingerprints=(("sha-256", "aa:bb"), ("sha-512", "CC")))
    check_unchanged(before, again)
    # "actpass" would make us passive, but a peer that waited for us goes on waiting.
    check_unchanged(replace(before, setup="active"), before)
    for changed in (
        replace(before, ufrag="v"),
        replace(before, password="q"),
        replace(before, fingerprints=(("sha-256", "AA:CC"),)),
        replace(before, setup="active"),
    ):
        with pytest.raises(Refused) as refused:
            check_unchanged(before, changed)
        assert refused.value.reason is Reason.MEDIA
