"""PURE: the `<jingle/>` element (XEP-0166) with RTP over ICE and DTLS inside, as values.

Takes XEP-0167 (RTP), 0176 (ICE-UDP), 0320 (DTLS), 0338 (grouping), 0294 (header extensions) and
0339 (sources). Left out on purpose: SDES keys (XEP-0167, section 7), which are never used, and
RTCP feedback (XEP-0293), which audio has no use for.

Everything a stranger wrote is checked here, because values become lines of session descriptions:
no white space in names, nothing unprintable in parameters, a limit on every list.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn
from xml.etree.ElementTree import Element, SubElement

from gateway.errors import Reason, Refused
from xmppbridge.reasons import JINGLE, JingleReason, read_reason, write_reason
from xmppbridge.stanza import local_name, namespace

RTP = "urn:xmpp:jingle:apps:rtp:1"
RTP_AUDIO = "urn:xmpp:jingle:apps:rtp:audio"
RTP_INFO = "urn:xmpp:jingle:apps:rtp:info:1"
ICE_UDP = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS = "urn:xmpp:jingle:apps:dtls:0"
GROUPING = "urn:xmpp:jingle:apps:grouping:0"
HEADER_EXTENSIONS = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"

MAX_CONTENTS = 8
MAX_CANDIDATES = 32
"""In one content; more are read over, since a multi-homed machine may honestly have them."""
MAX_PAYLOAD_TYPES = 64
MAX_EXTENSIONS = 32
MAX_SOURCES = 16
MAX_FINGERPRINTS = 8
MAX_PARAMETERS = 32

_TOKEN = re.compile(r"[!-~]{1,256}")
_PRINTABLE = re.compile(r"[ -~]{0,512}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}")

_INFOS = ("active", "hold", "mute", "ringing", "unhold", "unmute")


@dataclass(frozen=True, slots=True)
class PayloadType:
    """XEP-0167, section 4."""

    id: int
    name: str
    clock_rate: int
    channels: int = 1
    parameters: tuple[tuple[str, str], ...] = ()
    """Name and value; either may be empty: `0-15` of telephone-event has no name."""


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """XEP-0294; RFC 8285."""

    id: int
    uri: str


@dataclass(frozen=True, slots=True)
class Source:
    """XEP-0339; RFC 5576."""

    ssrc: int
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """XEP-0167's; `media` is "audio", "video" or whatever was written."""

    media: str
    payload_types: tuple[PayloadType, ...] = ()
    rtcp_mux: bool = False
    extensions: tuple[HeaderExtension, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class IceCandidate:
    """XEP-0176, section 5.3; the network, a number that only tells two apart, is not kept."""

    component: int
    foundation: str
    ip: str
    port: int
    priority: int
    protocol: str
    type: str
    rel_addr: str | None = None
    rel_port: int | None = None
    id: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """XEP-0320; RFC 8122."""

    hash: str
    setup: str
    value: str


@dataclass(frozen=True, slots=True)
class Transport:
    """ICE-UDP; `ufrag` and `password` are empty in a transport that has none."""

    ufrag: str = ""
    password: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    candidates: tuple[IceCandidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """`description` is None unless it is RTP, `transport` is None unless it is ICE-UDP."""

    name: str
    creator: str = "initiator"
    senders: str = "both"
    description: Description | None = None
    transport: Transport | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """XEP-0338; RFC 5888."""

    semantics: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Info:
    """The payload of a session-info; XEP-0167, section 6. `name` is empty: all contents."""

    what: str
    """One of active, hold, mute, ringing, unhold, unmute; "unknown" for anything else."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Jingle:
    """One request; XEP-0166, section 7."""

    action: str
    sid: str
    contents: tuple[Content, ...] = ()
    groups: tuple[Group, ...] = ()
    reason: JingleReason | None = None
    info: Info | None = None


# --- reading --------------------------------------------------------------------------------


def read(element: Element) -> Jingle:
    """Raises `Refused` (bad-request) and says which part cannot be used."""
    contents = tuple(
        _read_content(child) for child in _some(element, JINGLE, "content", MAX_CONTENTS)
    )
    names = [content.name for content in contents]
    if len(set(names)) != len(names):
        _refuse("two contents have one name")
    return Jingle(
        _token(element, "action"),
        _token(element, "sid"),
        contents,
        tuple(_read_group(child) for child in _some(element, GROUPING, "group", MAX_CONTENTS)),
        read_reason(element),
        _read_info(element),
    )


def _read_content(element: Element) -> Content:
    senders = element.get("senders", "both")
    if senders not in ("both", "initiator", "responder", "none"):
        _refuse(f"senders is {senders[:20]!r}")
    description = element.find(f"{{{RTP}}}description")
    transport = element.find(f"{{{ICE_UDP}}}transport")
    return Content(
        _token(element, "name"),
        element.get("creator", "initiator"),
        senders,
        None if description is None else _read_description(description),
        None if transport is None else _read_transport(transport),
    )


def _read_description(element: Element) -> Description:
    return Description(
        _token(element, "media"),
        tuple(
            _read_payload_type(child)
            for child in _some(element, RTP, "payload-type", MAX_PAYLOAD_TYPES)
        ),
        element.find(f"{{{RTP}}}rtcp-mux") is not None,
        tuple(
            HeaderExtension(_number(child, "id", 255), _token(child, "uri"))
            for child in _some(element, HEADER_EXTENSIONS, "rtp-hdrext", MAX_EXTENSIONS)
        ),
        tuple(
            Source(_number(child, "ssrc", 0xFFFF_FFFF), _parameters(child, SOURCES))
            for child in _some(element, SOURCES, "source", MAX_SOURCES)
        ),
    )


def _read_payload_type(element: Element) -> PayloadType:
    name = element.get("name", "")
    if not _TOKEN.fullmatch(name or "-"):
        _refuse(f"a codec is called {name[:40]!r}")
    # COMPAT: stanza.js 12 says channels="1" of opus, Gajim says nothing; RFC 7587 says 2.
    channels = 2 if name.lower() == "opus" else _number(element, "channels", 255, 1)
    return PayloadType(
        _number(element, "id", 127),
        name,
        _number(element, "clockrate", 1_000_000, 8000),
        channels,
        _parameters(element, RTP),
    )


def _parameters(element: Element, space: str) -> tuple[tuple[str, str], ...]:
    pairs = (
        (child.get("name", "").strip(), child.get("value", "").strip())
        for child in _some(element, space, "parameter", MAX_PARAMETERS)
    )
    return tuple((_printable(name), _printable(value)) for name, value in pairs if name or value)


def _read_transport(element: Element) -> Transport:
    candidates = (_read_candidate(child) for child in element.iterfind(f"{{{ICE_UDP}}}candidate"))
    usable = (candidate for candidate in candidates if candidate is not None)
    return Transport(
        _token(element, "ufrag", ""),
        _token(element, "pwd", ""),
        tuple(
            _read_fingerprint(child)
            for child in _some(element, DTLS, "fingerprint", MAX_FINGERPRINTS)
        ),
        tuple(candidate for candidate, _ in zip(usable, range(MAX_CANDIDATES), strict=False)),
    )


def _read_fingerprint(element: Element) -> Fingerprint:
    value = (element.text or "").strip()
    if not _FINGERPRINT.fullmatch(value):
        _refuse(f"a fingerprint is {value[:40]!r}")
    return Fingerprint(
        _token(element, "hash").lower(), _token(element, "setup", "actpass").lower(), value.upper()
    )


def _read_candidate(element: Element) -> IceCandidate | None:
    """None for one that cannot be read: a bad candidate costs a path, not the call."""
    try:
        return IceCandidate(
            _number(element, "component", 256, 1),
            _token(element, "foundation"),
            _token(element, "ip"),
            _number(element, "port", 65_535),
            _number(element, "priority", 0xFFFF_FFFF),
            _token(element, "protocol").lower(),
            _token(element, "type"),
            _token(element, "rel-addr") if element.get("rel-addr") else None,
            _number(element, "rel-port", 65_535) if element.get("rel-port") else None,
            _token(element, "id", ""),
            _number(element, "generation", 0xFFFF, 0),
        )
    except Refused:
        return None


def _read_group(element: Element) -> Group:
    names = (_token(child, "name") for child in _some(element, GROUPING, "content", MAX_CONTENTS))
    return Group(_token(element, "semantics"), tuple(names))


def _read_info(element: Element) -> Info | None:
    """The first child that is neither content nor reason nor group; none makes it a ping."""
    for child in element:
        if namespace(child) == RTP_INFO and local_name(child) in _INFOS:
            return Info(local_name(child), _token(child, "name", ""))
        if namespace(child) not in (JINGLE, GROUPING):
            return Info("unknown")
    return None


def _some(element: Element, space: str, name: str, most: int) -> Iterator[Element]:
    children = element.findall(f"{{{space}}}{name}")
    if len(children) > most:
        _refuse(f"there are {len(children)} {name} elements, {most} are taken")
    return iter(children)


def _token(element: Element, attribute: str, default: str | None = None) -> str:
    """Without white space or control characters; Conversations refuses the same."""
    value = element.get(attribute)
    if not value and default is not None:
        return default
    if value is None or not _TOKEN.fullmatch(value):
        _refuse(f"{attribute} of {local_name(element)[:40]} is {(value or '')[:40]!r}")
    return value


def _printable(value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        _refuse(f"a parameter is {value[:40]!r}")
    return value


def _number(element: Element, attribute: str, most: int, default: int | None = None) -> int:
    value = element.get(attribute)
    if value is None and default is not None:
        return default
    if value is None or not _NUMBER.fullmatch(value) or int(value) > most:
        _refuse(f"{attribute} of {local_name(element)[:40]} is {(value or '')[:40]!r}")
    return int(value)


def _refuse(why: str) -> NoReturn:
    raise Refused(Reason.BAD_REQUEST, f"the Jingle request cannot be used: {why}")


# --- writing --------------------------------------------------------------------------------


def write(jingle: Jingle, *, responder: str | None = None) -> Element:
    attributes = {"action": jingle.action, "sid": jingle.sid}
    if responder is not None:
        attributes["responder"] = responder
    element = Element(f"{{{JINGLE}}}jingle", attributes)
    for group in jingle.groups:
        child = SubElement(element, f"{{{GROUPING}}}group", {"semantics": group.semantics})
        for name in group.names:
            SubElement(child, f"{{{GROUPING}}}content", {"name": name})
    for content in jingle.contents:
        element.append(_write_content(content))
    if jingle.info is not None:
        SubElement(element, f"{{{RTP_INFO}}}{jingle.info.what}")
    if jingle.reason is not None:
        write_reason(element, jingle.reason)
    return element


def _write_content(content: Content) -> Element:
    attributes = {"creator": content.creator, "name": content.name, "senders": content.senders}
    element = Element(f"{{{JINGLE}}}content", attributes)
    if content.description is not None:
        element.append(_write_description(content.description))
    if content.transport is not None:
        element.append(_write_transport(content.transport))
    return element


def _write_description(description: Description) -> Element:
    element = Element(f"{{{RTP}}}description", {"media": description.media})
    for payload_type in description.payload_types:
        attributes = {
            "id": str(payload_type.id),
            "name": payload_type.name,
            "clockrate": str(payload_type.clock_rate),
            "channels": str(payload_type.channels),
        }
        child = SubElement(element, f"{{{RTP}}}payload-type", attributes)
        _write_parameters(child, RTP, payload_type.parameters)
    for extension in description.extensions:
        attributes = {"id": str(extension.id), "uri": extension.uri}
        SubElement(element, f"{{{HEADER_EXTENSIONS}}}rtp-hdrext", attributes)
    for source in description.sources:
        child = SubElement(element, f"{{{SOURCES}}}source", {"ssrc": str(source.ssrc)})
        _write_parameters(child, SOURCES, source.parameters)
    if description.rtcp_mux:
        SubElement(element, f"{{{RTP}}}rtcp-mux")
    return element


def _write_parameters(parent: Element, space: str, pairs: Iterable[tuple[str, str]]) -> None:
    for name, value in pairs:
        attributes = {"name": name} if name else {}
        SubElement(parent, f"{{{space}}}parameter", {**attributes, "value": value})


def _write_transport(transport: Transport) -> Element:
    credentials = {"ufrag": transport.ufrag, "pwd": transport.password}
    element = Element(f"{{{ICE_UDP}}}transport", credentials if transport.ufrag else {})
    for one in transport.fingerprints:
        child = SubElement(
            element, f"{{{DTLS}}}fingerprint", {"hash": one.hash, "setup": one.setup}
        )
        child.text = one.value
    for candidate in transport.candidates:
        SubElement(element, f"{{{ICE_UDP}}}candidate", dict(_candidate_attributes(candidate)))
    return element


def _candidate_attributes(candidate: IceCandidate) -> Iterator[tuple[str, str]]:
    yield "component", str(candidate.component)
    yield "foundation", candidate.foundation
    yield "generation", str(candidate.generation)
    yield "id", candidate.id
    yield "ip", candidate.ip
    yield "network", "0"
    yield "port", str(candidate.port)
    yield "priority", str(candidate.priority)
    yield "protocol", candidate.protocol
    yield "type", candidate.type
    if candidate.rel_addr is not None:
        yield "rel-addr", candidate.rel_addr
    if candidate.rel_port is not None:
        yield "rel-port", str(candidate.rel_port)
