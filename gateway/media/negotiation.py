"""PURE: which section of an offer is taken, and what is said where none can be; RFC 3264.

A leg has one audio stream. It is the first section that we can take; all others are answered with
port 0, in their places. What the two transports put into the taken section is theirs
(`rtp_negotiation`, `webrtc_negotiation`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from gateway.errors import Reason, Refused
from gateway.media.place import read_place
from gateway.sdp import Codec, MediaDescription, SessionDescription

_G711 = ("PCMU", "PCMA")
_G711_RATE = 8000
_OPUS_RATE = 48_000
_EVENTS = "telephone-event"

_HASHES = ("sha-256", "sha-384", "sha-512")
"""Of certificates; RFC 8122, section 5, without those that are broken."""


class Transport(Enum):
    """How a section's media travels."""

    RTP = "plain RTP"
    WEBRTC = "ICE and DTLS-SRTP"


@dataclass(frozen=True, slots=True)
class Choice:
    """The section of an offer that is taken."""

    index: int
    section: MediaDescription
    """With what it inherits from the session."""
    transport: Transport


def choose(offer: SessionDescription) -> Choice:
    """Raises `Refused` (media, security), and says why the first audio section will not do."""
    refusals: list[Refused] = []
    for index, section in enumerate(offer.inherited()):
        if section.media != "audio" or not is_open(section):
            continue
        try:
            return Choice(index, section, transport_of(section))
        except Refused as refused:
            refusals.append(refused)
    if refusals:
        raise refusals[0]
    raise Refused(Reason.MEDIA, "the offer has no audio: a conference needs one audio section")


def is_open(section: MediaDescription) -> bool:
    """Port 0 means refused, except beside bundle-only; RFC 9143, section 6."""
    return section.port != 0 or section.get("bundle-only") is not None


def transport_of(section: MediaDescription) -> Transport:
    """How the section's media travels, if we can do that. Raises `Refused`."""
    match section.protocol.upper().split("/"):
        case ["RTP", "AVP" | "AVPF"]:
            audio_codec(section.codecs, _G711)
            read_place(section)
            return Transport.RTP
        case ["UDP", "TLS", "RTP", "SAVP" | "SAVPF"]:
            _check_webrtc(section)
            audio_codec(section.codecs, ("opus", *_G711))
            return Transport.WEBRTC
        case ["RTP", "SAVP" | "SAVPF"]:
            text = "SRTP with keys in the session description is not taken yet: offer RTP/AVP"
            raise Refused(Reason.MEDIA, text)
    text = f"{section.protocol} is no way of sending audio that we know: offer RTP/AVP"
    raise Refused(Reason.MEDIA, text)


def audio_codec(codecs: Iterable[Codec], taken: Iterable[str]) -> Codec:
    """Opus where it is taken and offered, else the offerer's favourite. Raises `Refused`."""
    offered = tuple(codecs)
    usable = tuple(codec for codec in offered if _is_usable(codec, taken))
    if not usable:
        theirs = ", ".join(dict.fromkeys(f"{c.name}/{c.clock_rate}" for c in offered[:16]))
        text = f"no codec in common: offered {theirs or 'none'}, we take {', '.join(taken)}"
        raise Refused(Reason.MEDIA, text)
    return next((codec for codec in usable if codec.name.lower() == "opus"), usable[0])


def events_codec(codecs: Iterable[Codec], audio: Codec) -> Codec | None:
    """The telephone events to take with `audio`.

    Their clock should be the audio's (RFC 4733, section 2.1), but baresip offers 8000 beside
    Opus: then that one.
    """
    events = [codec for codec in codecs if codec.name.lower() == _EVENTS]
    same = (codec for codec in events if codec.clock_rate == audio.clock_rate)
    return next(same, events[0] if events else None)


def plain_codec(section: MediaDescription) -> Codec:
    """The codec of a plain RTP section: G.711 only. Raises `Refused`."""
    return audio_codec(section.codecs, _G711)


def webrtc_codec(section: MediaDescription) -> Codec:
    """The codec of a WebRTC section. Raises `Refused`."""
    return audio_codec(section.codecs, ("opus", *_G711))


def fingerprints(section: MediaDescription) -> Iterator[tuple[str, str]]:
    """(hash name in lower case, value) of each that can be checked; RFC 8122, section 5."""
    for value in section.all("fingerprint"):
        name, _, digest = value.partition(" ")
        if name.lower() in _HASHES and digest:
            yield name.lower(), digest.strip()


def refuse_section(section: MediaDescription) -> MediaDescription:
    """RFC 3264, section 6: the same line with port 0; the formats do not matter.

    The mid stays, so that WebRTC endpoints know which section is meant (RFC 9429, s. 5.3.1).
    """
    kept = tuple(a for a in section.attributes if a.name == "mid")
    return MediaDescription(section.media, 0, section.protocol, section.formats[:1], kept)


def _is_usable(codec: Codec, taken: Iterable[str]) -> bool:
    name = codec.name.lower()
    if name not in {one.lower() for one in taken}:
        return False
    if name == "opus":
        return codec.clock_rate == _OPUS_RATE
    return codec.clock_rate == _G711_RATE and codec.channels == 1


def _check_webrtc(section: MediaDescription) -> None:
    if not any(fingerprints(section)):
        text = f"the media cannot be secured: no fingerprint by one of {', '.join(_HASHES)}"
        raise Refused(Reason.SECURITY, text)
    if not section.get("ice-ufrag") or not section.get("ice-pwd"):
        raise Refused(Reason.MEDIA, "DTLS-SRTP without ICE is not taken yet: offer ice-ufrag")
    if section.get("rtcp-mux") is None:
        raise Refused(Reason.MEDIA, "DTLS-SRTP is taken with RTCP on the same port only: rtcp-mux")
