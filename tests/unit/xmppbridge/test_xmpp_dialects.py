"""Real clients' first words, in their own dialects, through the pure layers."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.errors import Reason, Refused
from gateway.sdp import Attribute, MediaDescription, SessionDescription
from xmppbridge import jingle, sdp, stanza
from xmppbridge.jingle import Jingle
from xmppbridge.session import TAG

DIALECTS = Path(__file__).parent / "dialects"
OUR_FINGERPRINT = ":".join(["12"] * 32)


def initiate_of(client: str) -> Jingle:
    element = ElementTree.parse(DIALECTS / f"{client}.xml").getroot()
    payload = stanza.read(element).child(TAG)
    assert payload is not None
    return jingle.read(payload)


def answer_to(offer: SessionDescription) -> SessionDescription:
    """As the media plane and aiortc answer: the first audio taken, BUNDLE always, three hashes."""
    sections = []
    for section in offer.media:
        if section.media == "audio":
            attributes = (
                Attribute("mid", section.mid),
                Attribute("sendrecv"),
                Attribute("rtpmap", "111 opus/48000/2"),
                Attribute("fmtp", "111 minptime=10;useinbandfec=1"),
                Attribute("rtpmap", "126 telephone-event/8000"),
                Attribute("fmtp", "126 0-15"),
                Attribute("extmap", "4/sendonly urn:ietf:params:rtp-hdrext:sdes:mid"),
                Attribute("rtcp-mux"),
                Attribute("ssrc", "77 cname:trestle"),
                Attribute("ice-ufrag", "ours"),
                Attribute("ice-pwd", "secretsecretsecretsecr"),
                Attribute("fingerprint", f"sha-384 {':'.join(['34'] * 48)}"),
                Attribute("fingerprint", f"sha-256 {OUR_FINGERPRINT}"),
                Attribute("setup", "active"),
                Attribute("candidate", "1 1 udp 2130706431 192.0.2.1 4000 typ host"),
                Attribute(
                    "candidate",
                    "2 1 UDP 100 198.51.100.1 4000 typ srflx raddr 192.0.2.1 rport 4000",
                ),
                Attribute("end-of-candidates"),
            )
            sections.append(
                MediaDescription("audio", 4000, section.protocol, ("111", "126"), attributes)
            )
        else:
            refused = (Attribute("mid", section.mid),)
            sections.append(
                MediaDescription(section.media, 0, section.protocol, section.formats[:1], refused)
            )
    mids = " ".join(s.mid for s in sections if s.port)
    return SessionDescription(tuple(sections), (Attribute("group", f"BUNDLE {mids}"),))


@pytest.mark.parametrize("client", ["dino", "conversations", "stanzajs"])
def test_an_offer_becomes_sdp_that_reads_back_the_same(client: str) -> None:
    offer = sdp.offer(initiate_of(client))
    assert SessionDescription.parse(str(offer)) == offer
    audio = offer.media[0]
    opus = audio.codecs[0]
    assert (opus.name, opus.clock_rate, opus.channels) == ("opus", 48_000, 2)
    assert audio.get("rtcp-mux") == ""
    assert (audio.get("fingerprint") or "").startswith("sha-256 ")
    assert audio.get("setup") == "actpass"
    assert audio.direction == "sendrecv"


def test_dino_keeps_only_candidates_that_can_be_used() -> None:
    audio = sdp.offer(initiate_of("dino")).media[0]
    assert list(audio.all("candidate")) == [
        "1 1 udp 2013266431 192.0.2.33 45664 typ host generation 0",
        "2 1 udp 1677721855 198.51.100.4 45664 typ srflx raddr 192.0.2.33 rport 45664 generation 0",
    ]


def test_dino_without_bundle_gets_audio_alone() -> None:
    initiate = initiate_of("dino")
    accepted = sdp.accept(initiate, answer_to(sdp.offer(initiate)))
    assert [content.name for content in accepted.contents] == ["audio"]
    assert accepted.groups == ()
    assert accepted.removed == ("video",)


def test_conversations_gets_every_medium_secured_and_the_picture_still() -> None:
    initiate = initiate_of("conversations")
    accepted = sdp.accept(initiate, answer_to(sdp.offer(initiate)))
    audio, video = accepted.contents
    assert [(c.name, c.senders) for c in accepted.contents] == [("0", "both"), ("1", "none")]
    assert audio.transport is not None
    assert video.transport is not None
    assert video.transport.fingerprints == audio.transport.fingerprints
    assert video.transport.ufrag == audio.transport.ufrag
    assert video.description is not None
    assert [p.name for p in video.description.payload_types] == ["VP8"]
    assert accepted.groups[0].names == ("0", "1")
    assert accepted.removed == ()


def test_the_answer_names_one_fingerprint_and_all_candidates() -> None:
    initiate = initiate_of("stanzajs")
    accepted = sdp.accept(initiate, answer_to(sdp.offer(initiate)))
    (content,) = accepted.contents
    assert content.transport is not None
    assert [(f.hash, f.setup, f.value) for f in content.transport.fingerprints] == [
        ("sha-256", "active", OUR_FINGERPRINT)
    ]
    assert [(c.ip, c.type, c.rel_addr) for c in content.transport.candidates] == [
        ("192.0.2.1", "host", None),
        ("198.51.100.1", "srflx", "192.0.2.1"),
    ]


def test_an_accept_written_as_xml_reads_back_the_same() -> None:
    initiate = initiate_of("conversations")
    accepted = sdp.accept(initiate, answer_to(sdp.offer(initiate)))
    sent = Jingle("session-accept", "sid", accepted.contents, accepted.groups)
    text = ElementTree.tostring(jingle.write(sent))
    assert jingle.read(ElementTree.fromstring(text)) == sent


def test_stanzajs_parameters_without_value_or_name_survive() -> None:
    audio = sdp.offer(initiate_of("stanzajs")).media[0]
    by_name = {codec.name: codec.parameters for codec in audio.codecs}
    assert by_name["red"] == "111/111"
    assert by_name["opus"] == "minptime=10;useinbandfec=1"
    assert "1234567 cname:abc" in list(audio.all("ssrc"))


@pytest.mark.parametrize(
    ("senders", "offered"),
    [
        ("both", "sendrecv"),
        ("initiator", "sendonly"),
        ("responder", "recvonly"),
        ("none", "inactive"),
    ],
)
def test_senders_count_from_the_caller_in_both_directions(senders: str, offered: str) -> None:
    initiate = initiate_of("stanzajs")
    initiate = replace(initiate, contents=(replace(initiate.contents[0], senders=senders),))
    offer = sdp.offer(initiate)
    assert offer.media[0].direction == offered
    answer = answer_to(offer)
    ours = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(offered, offered)
    attributes = tuple(
        Attribute(ours) if a.name == "sendrecv" else a for a in answer.media[0].attributes
    )
    answer = SessionDescription((replace(answer.media[0], attributes=attributes),))
    assert sdp.accept(initiate, answer).contents[0].senders == senders


@pytest.mark.parametrize(
    ("ip", "usable"),
    [
        ("192.0.2.1", True),
        ("10.0.0.1", True),
        ("2001:db8::1", True),
        ("0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0.local", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("fe80::1%eth0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("internal.example.org", False),
    ],
)
def test_only_addresses_of_other_machines_are_tried(ip: str, usable: bool) -> None:
    candidate = jingle.IceCandidate(1, "1", ip, 5000, 7, "udp", "host")
    assert (sdp.candidate_line(candidate) is not None) == usable


def test_gajim_is_refused_because_nothing_is_encrypted() -> None:
    with pytest.raises(Refused) as refused:
        sdp.offer(initiate_of("gajim"))
    assert refused.value.reason is Reason.SECURITY
