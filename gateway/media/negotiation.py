"""PURE: which section of an offer is taken, and what is said where none can be; RFC 3264.

A leg has one audio stream. It is the first section that we can take; all others are answered with
port 0, in their places. What the transports put into the taken section is theirs
(`rtp_negotiation`, `webrtc_negotiation`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.errors import Reason, Refused
from gateway.media.dtls_negotiation import check_fingerprint, fingerprints, has_ice
from gateway.media.sdes import choose_crypto
from gateway.sdp import Codec, MediaDescription, SessionDescription

CODECS: Final = ("opus", "G722", "PCMU", "PCMA")
"""What we can decode and encode, on every transport."""

_RTP_RATE = 8000
"""Of G.711 and G.722 alike, though G.722 samples at twice that: RFC 3551, section 4.5.2."""
_OPUS_RATE = 48_000
_EVENTS = "telephone-event"
_COMFORT_NOISE = "CN"


class Transport(Enum):
    """How a section's media travels."""

    RTP = "RTP"
    """Plain, or SRTP with keys in the description (SDES): a pair of ports of the leg's own."""
    DTLS = "DTLS-SRTP on ports of its own"
    """A phone without ICE, or any peer without rtcp-mux."""
    WEBRTC = "ICE and DTLS-SRTP"
    """On the one port that all such legs share."""


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
    transport = _transport(section)
    audio_codec(section.codecs)
    return transport


def audio_codec(codecs: Iterable[Codec]) -> Codec:
    """Opus where it is offered, else the offerer's favourite of `CODECS`. Raises `Refused`."""
    offered = tuple(codecs)
    usable = tuple(codec for codec in offered if _is_usable(codec))
    if not usable:
        theirs = ", ".join(dict.fromkeys(f"{c.name}/{c.clock_rate}" for c in offered[:16]))
        text = f"no codec in common: offered {theirs or 'none'}, we take {', '.join(CODECS)}"
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


def noise_codec(codecs: Iterable[Codec], audio: Codec) -> Codec | None:
    """The comfort noise that stands in for `audio` in pauses; RFC 3389. Opus has its own."""
    noises = (codec for codec in codecs if codec.name.upper() == _COMFORT_NOISE)
    return next((codec for codec in noises if codec.clock_rate == audio.clock_rate), None)


def refuse_section(section: MediaDescription) -> MediaDescription:
    """RFC 3264, section 6: the same line with port 0; the formats do not matter.

    The mid stays, so that WebRTC endpoints know which section is meant (RFC 9429, s. 5.3.1).
    """
    kept = tuple(a for a in section.attributes if a.name == "mid")
    return MediaDescription(section.media, 0, section.protocol, section.formats[:1], kept)


def _transport(section: MediaDescription) -> Transport:
    match section.protocol.upper().split("/"):
        case ["RTP", "AVP" | "AVPF"]:
            return Transport.RTP
        case ["UDP", "TLS", "RTP", "SAVP" | "SAVPF"]:
            return _dtls_transport(section)
        # Before RFC 5764 had its own name for it, DTLS-SRTP was offered so, and still is.
        case ["RTP", "SAVP" | "SAVPF"] if any(fingerprints(section)):
            return _dtls_transport(section)
        case ["RTP", "SAVP" | "SAVPF"]:
            if choose_crypto(section.all("crypto")) is None:
                text = "the media cannot be secured: no a=crypto that we can use, no fingerprint"
                raise Refused(Reason.SECURITY, text)
            return Transport.RTP
    text = f"{section.protocol} is no way of sending audio that we know: offer RTP/AVP"
    raise Refused(Reason.MEDIA, text)


def _dtls_transport(section: MediaDescription) -> Transport:
    check_fingerprint(section)
    is_muxed = section.get("rtcp-mux") is not None
    return Transport.WEBRTC if is_muxed and has_ice(section) else Transport.DTLS


def _is_usable(codec: Codec) -> bool:
    name = codec.name.lower()
    if name not in {one.lower() for one in CODECS}:
        return False
    if name == "opus":
        return codec.clock_rate == _OPUS_RATE
    return codec.clock_rate == _RTP_RATE and codec.channels == 1
