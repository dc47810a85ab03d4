"""PURE: WebRTC in SDP, for one who only answers: BUNDLE, ICE and DTLS; RFC 9429, section 5.3.

All taken sections share one transport (RFC 9143), so only sections of the group that holds the
first of them can be taken; so far these are audio ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.errors import Reason, Refused
from gateway.media.dtls_negotiation import (
    default_candidate,
    read_transport,
    section_attributes,
    session_attributes,
)
from gateway.media.negotiation import (
    Transport,
    audio_codec,
    choose,
    events_codec,
    is_open,
    noise_codec,
    refuse_section,
    transport_of,
)
from gateway.media.rtp import LEVEL_URI, MID_URI
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.sdp import (
    MAX_SECTIONS,
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
    reverse,
)

MAX_AUDIO_SECTIONS = MAX_SECTIONS
"""Of a browser's connection: one for each source that passes over it."""


@dataclass(frozen=True, slots=True)
class AudioOffer:
    """An audio section that is taken."""

    index: int
    mid: str
    codec: Codec
    events: Codec | None
    noise: Codec | None
    direction: Direction
    """As the offerer sees it."""
    ssrcs: tuple[int, ...]
    mid_extension: int
    """RFC 9143; 0 where it is not offered."""
    level_extension: int
    """RFC 6464; 0 where it is not offered."""
    msid: str | None

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, slots=True)
class WebRtcOffer:
    """What an offer asks for, as far as we take it."""

    remote: RemoteTransport
    sections: tuple[AudioOffer, ...]


def read_offer(offer: SessionDescription, max_audio: int = MAX_AUDIO_SECTIONS) -> WebRtcOffer:
    """Takes the first `max_audio` audio sections that share a transport. Raises `Refused`."""
    first = choose(offer)
    if first.transport is not Transport.WEBRTC:
        raise Refused(Reason.MEDIA, "that is for phones: offer ICE, DTLS-SRTP and rtcp-mux")
    sections = offer.inherited()
    _check_mids(sections)
    group = _bundle(offer, first.section.mid)
    taken = [
        index
        for index, section in enumerate(sections)
        if index == first.index or (section.mid in group and _can_be_taken(section))
    ]
    return WebRtcOffer(
        read_transport(first.section, offer),
        tuple(_audio(index, sections[index]) for index in taken[:max_audio]),
    )


def describe_answer(
    offer: SessionDescription,
    taken: WebRtcOffer,
    local: LocalTransport,
    ssrcs: dict[int, int],
    session_id: int,
    version: int,
) -> SessionDescription:
    """`ssrcs`: by section index, the one that we send with."""
    by_index = {audio.index: audio for audio in taken.sections}
    sections = tuple(
        _answer_section(section, by_index[i], taken, local, ssrcs[i])
        if i in by_index
        else refuse_section(section)
        for i, section in enumerate(offer.media)
    )
    mids = [audio.mid for audio in taken.sections if audio.mid]
    grouped = bool(mids) and any(mids[0] in group for group in _groups(offer))
    attributes = list(session_attributes(taken.remote))
    if grouped:
        attributes.append(Attribute("group", " ".join(("BUNDLE", *mids))))
    # No section uses this address, but each has to have one (RFC 8866, section 5.7).
    return SessionDescription(sections, tuple(attributes), "0.0.0.0", session_id, version)


def _can_be_taken(section: MediaDescription) -> bool:
    try:
        return (
            section.media == "audio"
            and is_open(section)
            and transport_of(section) is Transport.WEBRTC
        )
    except Refused:
        return False


def _check_mids(sections: Iterable[MediaDescription]) -> None:
    mids = [section.mid for section in sections if section.mid]
    if len(set(mids)) != len(mids):
        raise Refused(Reason.BAD_REQUEST, "two sections of the offer have the same mid")


def _groups(offer: SessionDescription) -> Iterator[tuple[str, ...]]:
    for attribute in offer.attributes:
        if attribute.name == "group":
            words = (attribute.value or "").split()
            if words[:1] == ["BUNDLE"]:
                yield tuple(words[1:])


def _bundle(offer: SessionDescription, mid: str) -> tuple[str, ...]:
    """The mids that share a transport with `mid`; empty where it stands alone."""
    return next((group for group in _groups(offer) if mid and mid in group), ())


def _audio(index: int, section: MediaDescription) -> AudioOffer:
    codec = audio_codec(section.codecs)
    return AudioOffer(
        index,
        section.mid,
        codec,
        events_codec(section.codecs, codec),
        noise_codec(section.codecs, codec),
        section.direction,
        tuple(_ssrcs(section)),
        _extension(section, MID_URI),
        _extension(section, LEVEL_URI),
        section.get("msid"),
    )


def _ssrcs(section: MediaDescription) -> Iterator[int]:
    """RFC 5576; the same number stands on several lines."""
    for value in section.all("ssrc"):
        number = value.split(" ")[0]
        if number.isascii() and number.isdigit() and len(number) <= 10:
            yield int(number) & 0xFFFF_FFFF


def _extension(section: MediaDescription, wanted: str) -> int:
    """The number of a header extension, if it fits a one-byte header; 0 without. RFC 8285."""
    for value in section.all("extmap"):
        number, _, uri = value.partition(" ")
        number = number.partition("/")[0]
        if uri.split(" ")[0] == wanted and number.isascii() and number.isdigit():
            return int(number) if len(number) <= 2 and 1 <= int(number) <= 14 else 0
    return 0


def _answer_section(
    offered: MediaDescription,
    audio: AudioOffer,
    taken: WebRtcOffer,
    local: LocalTransport,
    ssrc: int,
) -> MediaDescription:
    codecs = [replace(audio.codec, parameters=_parameters(audio.codec))]
    if audio.noise is not None:
        codecs.append(replace(audio.noise, parameters=""))
    if audio.events is not None:
        codecs.append(replace(audio.events, parameters="0-15"))
    address, port = default_candidate(local)
    attributes = (
        *((Attribute("mid", audio.mid),) if audio.mid else ()),
        Attribute(reverse(audio.direction)),
        *(attribute for codec in codecs for attribute in codec.attributes()),
        *_extmap(audio),
        *_stream(audio, ssrc),
        *section_attributes(local, taken.remote),
    )
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaDescription("audio", port, offered.protocol, formats, attributes, address)


def _parameters(codec: Codec) -> str:
    # Mono: our mix has one channel, and a sender that knows saves itself the second.
    return "minptime=10;useinbandfec=1;stereo=0" if codec.name.lower() == "opus" else ""


def _extmap(audio: AudioOffer) -> Iterator[Attribute]:
    if audio.mid_extension:
        yield Attribute("extmap", f"{audio.mid_extension} {MID_URI}")
    if audio.level_extension:
        yield Attribute("extmap", f"{audio.level_extension} {LEVEL_URI}")


def _stream(audio: AudioOffer, ssrc: int) -> Iterator[Attribute]:
    """The stream that we send; RFC 5576 and RFC 8830."""
    if audio.receives:
        yield Attribute("msid", f"seat-{audio.mid or audio.index} {ssrc}")
        yield Attribute("ssrc", f"{ssrc} cname:trestle")
