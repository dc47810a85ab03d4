"""Descriptions of secured media, mangled: each is answered section by section, or refused."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.media.dtls_leg import DtlsLeg
from gateway.media.negotiation import Choice, Transport, choose
from gateway.media.rtp_negotiation import Local, read_answer, read_remote
from gateway.media.rtp_negotiation import describe_answer as describe_rtp_answer
from gateway.media.sdes import answer_to, key_and_salt_length, secure_leg
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.media.webrtc_negotiation import describe_answer, read_offer
from gateway.sdp import SessionDescription
from support.ice_client import IDENTITY, endpoint

_FINGERPRINT = f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}"
_HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
_ICE = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
_OFFERS = (
    _HEAD + "m=audio 10020 RTP/SAVP 96 9 101\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|2^31\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=rtcp:10021\r\na=sendrecv\r\n",
    _HEAD + f"{_FINGERPRINT}\r\na=setup:active\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0 13\r\n"
    "a=rtcp:4001 IN IP4 192.0.2.9\r\n",
    _HEAD + f"{_ICE}a=ice-lite\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 8\r\n{_FINGERPRINT}\r\n"
    "a=candidate:1 1 udp 1 192.0.2.7 7000 typ host\r\na=setup:passive\r\n",
    _HEAD + f"a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtcp-mux\r\n{_ICE}"
    f"a=rtpmap:111 opus/48000/2\r\na=mid:0\r\na=setup:actpass\r\n{_FINGERPRINT}\r\n"
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=ssrc:7 cname:x\r\n"
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n",
)
_JUNK = st.text(st.characters(exclude_characters="\r\n"), max_size=8) | st.sampled_from(
    ["00019", "000001234567", "-1", "\ud800", "９", "99999999999"]
)
_LOCAL = LocalTransport("ours", "ourpassword", "CD:EF", ("1 1 udp 1 192.0.2.2 5000 typ host",))


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A real offer with some lines changed, dropped or doubled."""
    lines = draw(st.sampled_from(_OFFERS)).splitlines()
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        words = re.split(r"([ :/|=])", line)
        at = draw(st.integers(0, len(words) - 1))
        words[at] = draw(_JUNK)
        changed = "".join(words)
        lines[place] = draw(st.sampled_from([changed, f"{line}\r\n{line}", f"{line}\r\n{changed}"]))
    return "\r\n".join((*lines, ""))


@example(_OFFERS[0].replace("a=rtcp:10021", "a=rtcp:000001234567"))
@example(_OFFERS[2].replace("ufrag:abcd", "ufrag:\ud800"))
@example(_OFFERS[3].replace("extmap:4", "extmap:00019"))
@example(_OFFERS[3].replace("extmap:1", "extmap:１"))
@settings(max_examples=400)
@given(mangled())
def test_any_offer_is_answered_section_by_section_or_refused(text: str) -> None:
    try:
        offer = SessionDescription.parse(text)
        choice = choose(offer)
        described = str(_answer(offer, choice))
    except Refused:
        return
    assert len(SessionDescription.parse(described).media) == len(offer.media)
    assert described.count("\r\n") == described.count("\n")


@example(_OFFERS[0].replace("a=rtcp:10021", "a=rtcp:000001234567"))
@settings(max_examples=400)
@given(mangled())
def test_any_answer_is_taken_or_refused(text: str) -> None:
    try:
        remote = read_answer(SessionDescription.parse(text))
    except Refused:
        return
    assert 0 < remote.rtp[1] <= 65_535
    assert 0 < remote.rtcp[1] <= 65_535


def _answer(offer: SessionDescription, choice: Choice) -> SessionDescription:
    """As the media plane does it, transports included."""
    if choice.transport is Transport.WEBRTC:
        taken = read_offer(offer)
        for audio in taken.sections:
            assert 0 <= audio.mid_extension <= 14
            assert 0 <= audio.level_extension <= 14
        _open(taken.remote)
        ssrcs = {audio.index: 7 for audio in taken.sections}
        return describe_answer(offer, taken, _LOCAL, ssrcs, 1, 1)
    remote = read_remote(choice.section, offer)
    local = Local("192.0.2.2", 20_000, 7, 1)
    if remote.crypto is not None:
        length = key_and_salt_length(remote.crypto.profile)
        ours = answer_to(remote.crypto, bytes(length))
        assert secure_leg(ours, remote.crypto).rx is not None
        local = replace(local, crypto=ours)
    if remote.dtls is not None:
        _open(remote.dtls)
        local = replace(local, dtls=_LOCAL)
    return describe_rtp_answer(offer, choice.index, remote, local)


def _open(remote: RemoteTransport) -> None:
    if not remote.ufrag:
        DtlsLeg(0, IDENTITY, remote, None, 0.0)
        return
    gateway = endpoint()
    gateway.add_leg(0, remote, 0.0)
    gateway.remove_leg(0)


@pytest.mark.parametrize("offer", _OFFERS)
def test_the_offers_are_good_before_they_are_mangled(offer: str) -> None:
    description = SessionDescription.parse(offer)
    assert any(section.port for section in _answer(description, choose(description)).media)
