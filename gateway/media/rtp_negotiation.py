"""PURE: plain RTP in SDP: what a phone's description says, and our side of it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.errors import Reason, Refused
from gateway.media.latch import Endpoint
from gateway.media.negotiation import events_codec, plain_codec, refuse_section
from gateway.media.place import NOWHERE, read_place
from gateway.sdp import (
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
    reverse,
)

OFFERED = (
    Codec(8, "PCMA", 8000),
    Codec(0, "PCMU", 8000),
    Codec(101, "telephone-event", 8000, parameters="0-15"),
)
"""What we offer to a phone that made no offer."""

_EVENTS_TAKEN = "0-15"

_WITHOUT_SENDING_TO_THEM: dict[Direction, Direction] = {
    "sendrecv": "sendonly",
    "recvonly": "inactive",
    "sendonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Remote:
    """What a phone's audio section says."""

    rtp: Endpoint
    rtcp: Endpoint
    codec: Codec
    events: Codec | None
    direction: Direction
    """As the phone sees it."""

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")

    @property
    def on_hold(self) -> bool:
        """Either side of the call is put on hold: it is no two-way conversation now."""
        return self.direction != "sendrecv"


@dataclass(frozen=True, slots=True)
class Local:
    """Our side: what makes a description ours."""

    address: str
    port: int
    session_id: int
    version: int


def read_remote(section: MediaDescription, local: str | None = None) -> Remote:
    """`section` with what it inherits; `local` is the address of our sockets.

    Raises `Refused` (bad-request, media).
    """
    host = read_place(section, local)
    codec = plain_codec(section)
    direction = section.direction
    if host in NOWHERE:
        direction = _WITHOUT_SENDING_TO_THEM[direction]
    return Remote(
        (host, section.port),
        (host, _rtcp_port(section)),
        codec,
        events_codec(section.codecs, codec),
        direction,
    )


def describe_offer(local: Local) -> SessionDescription:
    return _session(local, (_section(local, "RTP/AVP", OFFERED, "sendrecv", ""),))


def describe_answer(
    offer: SessionDescription, index: int, remote: Remote, local: Local
) -> SessionDescription:
    """Takes the section at `index` with one codec, and telephone events if they were offered."""
    taken = offer.media[index]
    codecs = [replace(remote.codec, parameters="")]
    if remote.events is not None:
        codecs.append(replace(remote.events, parameters=_EVENTS_TAKEN))
    ours = _section(local, taken.protocol, codecs, reverse(remote.direction), taken.mid)
    sections = (
        ours if number == index else refuse_section(section)
        for number, section in enumerate(offer.media)
    )
    return _session(local, tuple(sections))


def read_answer(answer: SessionDescription, local: str | None = None) -> Remote:
    """The answer to `describe_offer`. Raises `Refused`."""
    section = next(iter(answer.inherited()), None)
    if section is None or section.media != "audio" or section.port == 0:
        raise Refused(Reason.MEDIA, "the answer refuses our audio")
    return read_remote(section, local)


def _session(local: Local, sections: tuple[MediaDescription, ...]) -> SessionDescription:
    return SessionDescription(
        sections,
        connection=local.address,
        session_id=local.session_id,
        version=local.version,
        origin_address=local.address,
    )


def _section(
    local: Local, protocol: str, codecs: Iterable[Codec], direction: Direction, mid: str
) -> MediaDescription:
    codecs = tuple(codecs)
    attributes = [attribute for codec in codecs for attribute in codec.attributes()]
    attributes += [Attribute("ptime", "20"), Attribute(direction)]
    if mid:
        attributes.append(Attribute("mid", mid))
    formats = tuple(str(codec.payload_type) for codec in codecs)
    return MediaDescription("audio", local.port, protocol, formats, tuple(attributes))


def _rtcp_port(section: MediaDescription) -> int:
    """RFC 3605; the next port where nothing is said."""
    said = (section.get("rtcp") or "").split(" ")[0]
    if said.isascii() and said.isdigit() and 0 < int(said[:6]) <= 65_535:
        return int(said)
    return min(section.port + 1, 65_535)
