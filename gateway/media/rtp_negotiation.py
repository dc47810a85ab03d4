"""PURE: a phone's audio in SDP: RTP on ports of its own, plain, with SDES, or with DTLS-SRTP.

SDES: RFC 4568; also on RTP/AVP, where phones mean "if you can" (RFC 8643). DTLS: RFC 5763.
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
from gateway.media.latch import Endpoint
from gateway.media.negotiation import (
    Transport,
    audio_codec,
    events_codec,
    noise_codec,
    refuse_section,
    transport_of,
)
from gateway.media.place import NOWHERE, read_place
from gateway.media.sdes import Crypto, choose_crypto
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.sdp import (
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
    reverse,
)

OFFERED = (
    Codec(96, "opus", 48_000, 2, "useinbandfec=1;stereo=0;maxplaybackrate=16000"),
    Codec(9, "G722", 8000),
    Codec(8, "PCMA", 8000),
    Codec(0, "PCMU", 8000),
    Codec(13, "CN", 8000),
    Codec(101, "telephone-event", 8000, parameters="0-15"),
    Codec(97, "telephone-event", 48_000, parameters="0-15"),
)
"""What we offer to a phone that made no offer. Events come with each clock (RFC 4733, s. 2.1)."""

_EVENTS_TAKEN = "0-15"
_OPUS_TAKEN = "useinbandfec=1;stereo=0;maxplaybackrate=16000"
"""RFC 7587, section 6.1: the mix has 16 kHz and one channel, and losses are mended in band."""

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
    """The same as `rtp` with rtcp-mux, which is only taken together with DTLS."""
    codec: Codec
    events: Codec | None
    noise: Codec | None
    """Comfort noise that may come; RFC 3389."""
    direction: Direction
    """As the phone sees it."""
    crypto: Crypto | None = None
    """The phone's key where SDES is agreed: `sdes.secure_leg`."""
    dtls: RemoteTransport | None = None
    """Without ICE its `ufrag` is empty: `DtlsLeg`; else `IceLiteEndpoint`."""

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
    """Of RTP; RTCP is on the next one, unless it is muxed."""
    session_id: int
    version: int
    crypto: Crypto | None = None
    """In an answer to `Remote.crypto`: `sdes.answer_to`. In an offer: `sdes.offer_crypto`."""
    dtls: LocalTransport | None = None
    """In an answer to `Remote.dtls`. With ICE its candidates are those of both components."""


def read_remote(
    section: MediaDescription, whole: SessionDescription, local: str | None = None
) -> Remote:
    """`section` of `whole`, with what it inherits; `local` is the address of our sockets.

    As `negotiation.choose` gives it for `Transport.RTP` and `Transport.DTLS`. Raises `Refused`
    (bad-request, media, security).
    """
    host = read_place(section, local)
    dtls = crypto = None
    if transport_of(section) is Transport.RTP:
        crypto = choose_crypto(section.all("crypto"))
    else:
        dtls = read_transport(section, whole)
    codec = audio_codec(section.codecs)
    direction = section.direction
    # With ICE, c= is no more than a default: 0.0.0.0 says that there is none (RFC 8839, s. 4.3.1).
    if host in NOWHERE and not (dtls and dtls.ufrag):
        direction = _WITHOUT_SENDING_TO_THEM[direction]
    return Remote(
        (host, section.port),
        (host, section.port if dtls and dtls.rtcp_mux else _rtcp_port(section)),
        codec,
        events_codec(section.codecs, codec),
        noise_codec(section.codecs, codec),
        direction,
        crypto,
        dtls,
    )


def describe_offer(local: Local) -> SessionDescription:
    return _session(local, (_section(local, "RTP/AVP", OFFERED, "sendrecv", ""),))


def describe_answer(
    offer: SessionDescription, index: int, remote: Remote, local: Local
) -> SessionDescription:
    """Takes the section at `index` with one codec, and what was offered to go with it."""
    taken = offer.media[index]
    codecs = [replace(remote.codec, parameters=_parameters(remote.codec))]
    if remote.noise is not None:
        codecs.append(replace(remote.noise, parameters=""))
    if remote.events is not None:
        codecs.append(replace(remote.events, parameters=_EVENTS_TAKEN))
    direction = reverse(remote.direction)
    ours = _section(local, taken.protocol, codecs, direction, taken.mid, remote.dtls)
    sections = (
        ours if number == index else refuse_section(section)
        for number, section in enumerate(offer.media)
    )
    attributes = () if remote.dtls is None else tuple(session_attributes(remote.dtls))
    return _session(local, tuple(sections), attributes)


def read_answer(answer: SessionDescription, local: str | None = None) -> Remote:
    """The answer to `describe_offer`. Raises `Refused`."""
    section = next(iter(answer.inherited()), None)
    if section is None or section.media != "audio" or section.port == 0:
        raise Refused(Reason.MEDIA, "the answer refuses our audio")
    remote = read_remote(section, answer, local)
    if remote.dtls is not None:
        raise Refused(Reason.MEDIA, "the answer changes the transport of our offer")
    return remote


def _session(
    local: Local,
    sections: tuple[MediaDescription, ...],
    attributes: tuple[Attribute, ...] = (),
) -> SessionDescription:
    return SessionDescription(
        sections,
        attributes,
        connection=local.address,
        session_id=local.session_id,
        version=local.version,
        origin_address=local.address,
    )


def _section(
    local: Local,
    protocol: str,
    codecs: Iterable[Codec],
    direction: Direction,
    mid: str,
    dtls: RemoteTransport | None = None,
) -> MediaDescription:
    codecs = tuple(codecs)
    attributes = (
        *(attribute for codec in codecs for attribute in codec.attributes()),
        Attribute("ptime", "20"),
        Attribute(direction),
        *((Attribute("mid", mid),) if mid else ()),
        *_security(local, dtls),
    )
    formats = tuple(str(codec.payload_type) for codec in codecs)
    port = local.port
    if dtls is not None and dtls.ufrag and local.dtls is not None:
        # RFC 8839, section 4.2.1.2: what the m-line says has to be one of the candidates.
        _, port = default_candidate(local.dtls)
    return MediaDescription("audio", port, protocol, formats, attributes)


def _security(local: Local, dtls: RemoteTransport | None) -> Iterator[Attribute]:
    if local.crypto is not None:
        yield Attribute("crypto", str(local.crypto))
    if dtls is not None and local.dtls is not None:
        if not dtls.rtcp_mux:
            yield Attribute("rtcp", str(local.port + 1))
        yield from section_attributes(local.dtls, dtls)


def _parameters(codec: Codec) -> str:
    return _OPUS_TAKEN if codec.name.lower() == "opus" else ""


def _rtcp_port(section: MediaDescription) -> int:
    """RFC 3605; the next port where nothing is said."""
    said = (section.get("rtcp") or "").split(" ")[0]
    if said.isascii() and said.isdigit() and len(said) <= 5 and 0 < int(said) <= 65_535:
        return int(said)
    return min(section.port + 1, 65_535)
