"""Offers as phones and clients really send them, and our answers, without sockets."""

import base64
from dataclasses import replace

import pytest

from gateway.errors import Reason, Refused
from gateway.media.ice import host_candidates
from gateway.media.negotiation import Transport, choose
from gateway.media.rtp_negotiation import (
    Local,
    Remote,
    describe_answer,
    describe_offer,
    read_answer,
    read_remote,
)
from gateway.media.sdes import Crypto, answer_to
from gateway.media.srtp import AES_CM_128_HMAC_SHA1_80
from gateway.media.transport import LocalTransport
from gateway.sdp import SessionDescription

LOCAL = Local("192.0.2.2", 20_000, 7, 1)

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"

# baresip 1.0.0 with its default modules: dynamic codecs first, telephone-event, RTCP port.
BARESIP = HEAD + (
    "m=audio 10020 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:10021\r\n"
    "a=sendrecv\r\na=label:1\r\na=ptime:20\r\n"
    "m=video 10024 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"
)

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
WEBRTC_AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=rtcp-mux\r\n"
    f"a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"
)


def answer(offer: str) -> SessionDescription:
    description = SessionDescription.parse(offer)
    choice = choose(description)
    assert choice.transport is Transport.RTP
    remote = read_remote(choice.section, description)
    text = str(describe_answer(description, choice.index, remote, LOCAL))
    return SessionDescription.parse(text)


def remote_of(offer: str) -> Remote:
    description = SessionDescription.parse(offer)
    return read_remote(description.inherited()[0], description)


def refused(offer: str) -> Refused:
    with pytest.raises(Refused) as refusal:
        answer(offer)
    return refusal.value


def audio(protocol: str, formats: str, *attributes: str) -> str:
    lines = "".join(f"a={attribute}\r\n" for attribute in attributes)
    return f"{HEAD}m=audio 4000 {protocol} {formats}\r\n{lines}"


def at(place: str) -> str:
    family = "IP6" if ":" in place else "IP4"
    return audio("RTP/AVP", "8").replace("c=IN IP4 192.0.2.9", f"c=IN {family} {place}")


def test_a_phone_gets_one_codec_and_its_telephone_events() -> None:
    taken, video = answer(BARESIP).inherited()
    assert [(c.payload_type, c.name) for c in taken.codecs] == [
        (96, "opus"),
        (101, "telephone-event"),
    ]
    assert (taken.port, taken.connection, taken.direction) == (20_000, "192.0.2.2", "sendrecv")
    assert (video.media, video.port) == ("video", 0)


def test_the_phones_favourite_of_what_we_take_wins() -> None:
    (taken,) = answer(audio("RTP/AVP", "18 8 0")).media
    assert taken.formats == ("8",)
    (wide,) = answer(audio("RTP/AVP", "9 8 0")).media
    assert wide.formats == ("9",)


def test_opus_wins_over_the_phones_favourite() -> None:
    (taken,) = answer(audio("RTP/AVP", "0 107", "rtpmap:107 opus/48000/2")).inherited()
    assert [(c.name, c.parameters) for c in taken.codecs] == [
        ("opus", "useinbandfec=1;stereo=0;maxplaybackrate=16000")
    ]


def test_comfort_noise_is_taken_with_the_codec_it_goes_with() -> None:
    (taken,) = answer(audio("RTP/AVP", "0 13 101", "rtpmap:101 telephone-event/8000")).media
    assert taken.formats == ("0", "13", "101")
    with_opus = audio("RTP/AVP", "107 13", "rtpmap:107 opus/48000/2")
    assert answer(with_opus).media[0].formats == ("107",)


def test_the_payload_types_of_the_offer_are_used() -> None:
    offer = audio("RTP/AVP", "100 8", "rtpmap:8 PCMA/8000", "rtpmap:100 telephone-event/8000")
    (taken,) = answer(offer).media
    assert taken.formats == ("8", "100")


def test_refused_sections_keep_their_places() -> None:
    offer = HEAD + "m=video 1 RTP/AVP 97\r\nm=audio 0 RTP/AVP 0\r\nm=audio 4 RTP/AVP 8\r\n"
    sections = answer(offer).media
    assert [(s.media, s.port) for s in sections] == [
        ("video", 0),
        ("audio", 0),
        ("audio", 20_000),
    ]


def test_the_first_section_that_will_do_is_taken() -> None:
    offer = HEAD + "m=audio 2 RTP/SAVP 8\r\nm=audio 4 RTP/AVP 8\r\n"
    assert [s.port for s in answer(offer).media] == [0, 20_000]


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
    ],
)
def test_directions_are_answered_by_their_mirror(offered: str, answered: str) -> None:
    assert answer(audio("RTP/AVP", "8", offered)).media[0].direction == answered


def test_the_old_way_of_holding_means_send_us_nothing() -> None:
    held = audio("RTP/AVP", "8").replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0")
    assert answer(held).media[0].direction == "recvonly"
    assert answer(held + "a=inactive\r\n").media[0].direction == "inactive"
    assert not remote_of(held).receives


@pytest.mark.parametrize("nowhere", ["0.0.0.0", "::", "0:0::0", "held.invalid"])
def test_every_way_of_naming_no_place_is_a_hold(nowhere: str) -> None:
    description = SessionDescription.parse(at(nowhere))
    held = read_remote(description.inherited()[0], description, "192.0.2.2")
    assert not held.receives
    assert held.rtp[0] in ("0.0.0.0", "::")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("224.2.1.1/127", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "no address of a host"),
        ("0.1.2.3", "no address of a host"),
        ("fe80::1", "own link only"),
        ("::ffff:224.0.0.1", "write it as one"),
        ("phone.example", "names are not looked up"),
        ("192.0.2.999", "names are not looked up"),
    ],
)
def test_a_place_where_nothing_can_be_sent_is_refused(place: str, why: str) -> None:
    refusal = refused(at(place))
    assert refusal.reason is Reason.MEDIA
    assert why in refusal.text


@pytest.mark.parametrize("place", ["::1", "2001:db8::9"])
def test_a_place_of_another_family_than_our_own_is_refused(place: str) -> None:
    description = SessionDescription.parse(at(place))
    section = description.inherited()[0]
    assert read_remote(section, description, "2001:db8::2").rtp[0] == place
    with pytest.raises(Refused, match="we have IPv4 here") as refusal:
        read_remote(section, description, "192.0.2.2")
    assert refusal.value.reason is Reason.MEDIA


def test_the_rtcp_port_is_the_next_one_unless_said() -> None:
    host = "192.0.2.9"
    assert remote_of(audio("RTP/AVP", "8")).rtcp == (host, 4001)
    assert remote_of(audio("RTP/AVP", "8", "rtcp:4321 IN IP4 192.0.2.9")).rtcp == (host, 4321)
    assert remote_of(audio("RTP/AVP", "8", "rtcp:99999")).rtcp == (host, 4001)


def test_no_codec_in_common_names_both_sides() -> None:
    refusal = refused(audio("RTP/AVP", "18 3"))
    assert refusal.reason is Reason.MEDIA
    assert "G729/8000, GSM/8000" in refusal.text
    assert "opus, G722, PCMU, PCMA" in refusal.text


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        (audio("RTP/SAVP", "8"), Reason.SECURITY),
        (audio("RTP/SAVP", "8", "crypto:1 F8_128_HMAC_SHA1_80 inline:AA"), Reason.SECURITY),
        (audio("TCP/MSRP", "*"), Reason.MEDIA),
        (HEAD + "m=video 4 RTP/AVP 97\r\n", Reason.MEDIA),
        (HEAD, Reason.MEDIA),
        (audio("RTP/AVP", "8").replace("m=audio 4000", "m=audio 0"), Reason.MEDIA),
        (audio("RTP/AVP", "8").replace("c=IN IP4 192.0.2.9\r\n", ""), Reason.BAD_REQUEST),
        ("INVITE", Reason.BAD_REQUEST),
        (audio("UDP/TLS/RTP/SAVPF", "0"), Reason.SECURITY),
        (audio("UDP/TLS/RTP/SAVPF", "0", "fingerprint:md5 AB"), Reason.SECURITY),
        (audio("UDP/TLS/RTP/SAVP", "18", f"fingerprint:{FINGERPRINT}"), Reason.MEDIA),
        (HEAD + WEBRTC_AUDIO.replace("opus", "iLBC"), Reason.MEDIA),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(offer: str, reason: Reason) -> None:
    assert refused(offer).reason is reason


def test_a_fingerprint_at_session_level_in_capitals_is_one() -> None:
    inside = f"a=fingerprint:{FINGERPRINT}\r\n"
    offer = HEAD + inside.replace("sha", "SHA") + WEBRTC_AUDIO.replace(inside, "")
    assert choose(SessionDescription.parse(offer)).transport is Transport.WEBRTC


def test_our_offer_is_answered_with_one_of_its_codecs() -> None:
    (ours,) = describe_offer(LOCAL).media
    assert ours.formats == ("96", "9", "8", "0", "13", "101", "97")
    remote = read_answer(SessionDescription.parse(audio("RTP/AVP", "0 101")))
    assert (remote.codec.name, remote.rtp) == ("PCMU", ("192.0.2.9", 4000))


@pytest.mark.parametrize("text", [HEAD, audio("RTP/AVP", "8").replace("4000", "0")])
def test_an_answer_without_audio_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_answer(SessionDescription.parse(text))
    assert refusal.value.reason is Reason.MEDIA


CRYPTO = "1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.b64encode(bytes(30)).decode()
OURS = Crypto("1", AES_CM_128_HMAC_SHA1_80, bytes(range(30)))


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP", "RTP/SAVPF"])
def test_keys_in_the_description_are_answered_on_the_same_protocol(protocol: str) -> None:
    offer = SessionDescription.parse(audio(protocol, "8", f"crypto:{CRYPTO}"))
    choice = choose(offer)
    assert choice.transport is Transport.RTP
    remote = read_remote(choice.section, offer)
    assert remote.crypto is not None
    assert remote.crypto.key_and_salt == bytes(30)
    local = replace(LOCAL, crypto=answer_to(remote.crypto, bytes(range(30))))
    (taken,) = describe_answer(offer, 0, remote, local).media
    assert taken.protocol == protocol
    assert taken.get("crypto") == str(OURS)


def test_keys_that_cannot_be_used_leave_an_avp_offer_plain() -> None:
    text = audio("RTP/AVP", "8", "crypto:1 F8_128_HMAC_SHA1_80 inline:AA")
    assert remote_of(text).crypto is None
    assert answer(text).media[0].get("crypto") is None


def test_our_offer_can_bring_a_key() -> None:
    (ours,) = describe_offer(replace(LOCAL, crypto=OURS)).media
    assert (ours.protocol, ours.get("crypto")) == ("RTP/AVP", str(OURS))
    taken = read_answer(SessionDescription.parse(audio("RTP/AVP", "8", f"crypto:{CRYPTO}")))
    assert taken.crypto is not None


# pjsua and baresip: fingerprint in capitals, own RTCP port, no ICE.
DTLS_PHONE = audio(
    "UDP/TLS/RTP/SAVP",
    "0 101",
    "rtpmap:101 telephone-event/8000",
    "rtcp:4777",
    f"fingerprint:{FINGERPRINT.upper()}",
    "setup:actpass",
)
# baresip 1.0.0 with medianat=ice: credentials at session level, two components.
DTLS_AND_ICE_PHONE = DTLS_PHONE.replace(
    "t=0 0\r\n",
    (
        "t=0 0\r\na=ice-ufrag:Xq2y\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
        f"a=setup:actpass\r\na=fingerprint:{FINGERPRINT}\r\n"
    ),
)
TWO_COMPONENTS = (
    *host_candidates((("192.0.2.2", 20_000),)),
    *host_candidates((("192.0.2.2", 20_001),), component=2),
)


def answer_dtls(text: str, candidates: tuple[str, ...] = ()) -> tuple[Remote, SessionDescription]:
    offer = SessionDescription.parse(text)
    choice = choose(offer)
    assert choice.transport is Transport.DTLS
    remote = read_remote(choice.section, offer)
    dtls = LocalTransport("ours", "ourpassword", "CD:EF", candidates)
    return remote, describe_answer(offer, 0, remote, replace(LOCAL, dtls=dtls))


def test_a_dtls_phone_without_ice_gets_two_ports_and_no_ice() -> None:
    remote, described = answer_dtls(DTLS_PHONE)
    assert remote.dtls is not None
    assert (remote.dtls.ufrag, remote.dtls.setup, remote.dtls.rtcp_mux) == ("", "passive", False)
    assert remote.dtls.fingerprints[0][0] == "sha-256"
    assert remote.rtcp == ("192.0.2.9", 4777)
    (taken,) = described.media
    said = {name: taken.get(name) for name in ("rtcp", "setup", "fingerprint", "ice-ufrag")}
    assert said == {
        "rtcp": "20001",
        "setup": "passive",
        "fingerprint": "sha-256 CD:EF",
        "ice-ufrag": None,
    }
    assert described.attributes == ()


def test_a_dtls_phone_with_rtcp_mux_gets_one_port() -> None:
    remote, described = answer_dtls(DTLS_PHONE + "a=rtcp-mux\r\n")
    assert remote.rtcp == remote.rtp
    (taken,) = described.media
    assert (taken.get("rtcp-mux"), taken.get("rtcp")) == ("", None)


def test_ice_without_rtcp_mux_gets_two_components() -> None:
    remote, described = answer_dtls(DTLS_AND_ICE_PHONE, TWO_COMPONENTS)
    assert remote.dtls is not None
    assert (remote.dtls.ufrag, remote.dtls.password) == ("Xq2y", "abcdefghijklmnopqrstuvwx")
    (taken,) = described.media
    assert [line.split()[1] for line in taken.all("candidate")] == ["1", "2"]
    assert (taken.port, taken.get("rtcp"), taken.get("rtcp-mux")) == (20_000, "20001", None)
    assert [str(one) for one in described.attributes] == ["ice-lite"]


def test_ice_without_a_default_candidate_is_no_hold() -> None:
    remote, _ = answer_dtls(DTLS_AND_ICE_PHONE.replace("192.0.2.9", "0.0.0.0"), TWO_COMPONENTS)
    assert remote.direction == "sendrecv"


def test_ice_and_rtcp_mux_share_the_one_port() -> None:
    offer = SessionDescription.parse(DTLS_AND_ICE_PHONE + "a=rtcp-mux\r\n")
    assert choose(offer).transport is Transport.WEBRTC


def test_dtls_under_its_old_name_is_known_by_the_fingerprint() -> None:
    old = SessionDescription.parse(DTLS_PHONE.replace("UDP/TLS/RTP/SAVP", "RTP/SAVPF"))
    assert choose(old).transport is Transport.DTLS


def test_an_answer_cannot_change_over_to_dtls() -> None:
    with pytest.raises(Refused, match="transport"):
        read_answer(SessionDescription.parse(DTLS_PHONE))


def test_credentials_without_end_are_refused() -> None:
    text = DTLS_AND_ICE_PHONE.replace("ice-ufrag:Xq2y", "ice-ufrag:" + "x" * 257)
    offer = SessionDescription.parse(text)
    with pytest.raises(Refused) as refusal:
        read_remote(choose(offer).section, offer)
    assert refusal.value.reason is Reason.BAD_REQUEST
