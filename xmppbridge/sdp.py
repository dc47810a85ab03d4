"""PURE: Jingle contents to an SDP offer, and an SDP answer back to contents.

We are always the responder: people call rooms. `senders` counts from the initiator (XEP-0166,
section 7.3), an SDP direction from whoever wrote it, so it is turned for our answer.

Only audio is taken so far. A refused section (port 0) has no counterpart in Jingle:
- Beside audio in a BUNDLE group it is answered with senders "none" over the audio's transport.
  COMPAT: Conversations ends a call whose accept lacks a medium of its offer, or lacks a
  fingerprint in one; browsers want as many m-sections in the answer as in the offer.
- Alone it stays out of the accept (XEP-0166, section 6.4); `Accepted.removed` names it.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.errors import Reason, Refused
from gateway.sdp import (
    Attribute,
    Codec,
    Direction,
    MediaDescription,
    SessionDescription,
)
from xmppbridge.jingle import (
    Content,
    Description,
    Fingerprint,
    Group,
    HeaderExtension,
    IceCandidate,
    Jingle,
    PayloadType,
    Source,
    Transport,
)
from xmppbridge.reasons import Unsupported

_DIRECTIONS: Mapping[str, Direction] = {
    "both": "sendrecv",
    "initiator": "sendonly",
    "responder": "recvonly",
    "none": "inactive",
}
"""As the initiator's SDP says it."""

_SENDERS: Mapping[Direction, str] = {
    "sendrecv": "both",
    "sendonly": "responder",
    "recvonly": "initiator",
    "inactive": "none",
}
"""Of the responder's SDP."""

_MULTICAST_DNS = re.compile(r"[0-9A-Za-z-]{1,63}\.local\.?")
"""What browsers write instead of an address."""

_CANDIDATE = re.compile(
    r"(?P<foundation>\S+) (?P<component>\d{1,3}) (?P<protocol>\S+) (?P<priority>\d{1,10})"
    r" (?P<ip>\S+) (?P<port>\d{1,5}) typ (?P<type>\S+)"
    r"(?: raddr (?P<rel_addr>\S+) rport (?P<rel_port>\d{1,5}))?(?: .*)?"
)
"""RFC 8839, section 5.1, without `candidate:`."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What session-accept carries, and the names of the contents that it leaves out."""

    contents: tuple[Content, ...]
    groups: tuple[Group, ...]
    removed: tuple[str, ...]


# --- the offer ------------------------------------------------------------------------------


def offer(jingle: Jingle) -> SessionDescription:
    """A session-initiate as SDP. Raises `Refused` for what could never be answered."""
    sections = tuple(
        _section(content, jingle.groups, content.description)
        for content in jingle.contents
        if content.description is not None
    )
    _check(jingle)
    groups = tuple(
        Attribute("group", " ".join((group.semantics, *group.names))) for group in jingle.groups
    )
    return SessionDescription(sections, groups, session_id=1, version=1)


def candidate_line(candidate: IceCandidate) -> str | None:
    """The value of `a=candidate`; None for one that must not or cannot be used.

    RTCP shares the port (component 2 is for those who do not), and ICE only sends where the
    peer says: so addresses that name our own machine or link are never tried.
    """
    if candidate.component != 1 or candidate.protocol != "udp" or candidate.port == 0:
        return None
    if not _is_reachable(candidate.ip):
        return None
    related = ""
    if candidate.rel_addr is not None:
        related = f" raddr {candidate.rel_addr} rport {candidate.rel_port or 0}"
    return (
        f"{candidate.foundation} 1 udp {candidate.priority} {candidate.ip} {candidate.port}"
        f" typ {candidate.type}{related} generation {candidate.generation}"
    )


def _check(jingle: Jingle) -> None:
    audio = [c for c in jingle.contents if c.description and c.description.media == "audio"]
    if not audio:
        raise Unsupported("unsupported-applications", "a conference needs audio over RTP")
    for content in audio:
        if content.transport is None:
            raise Unsupported("unsupported-transports", "audio is taken over ICE-UDP only")
        if not content.transport.fingerprints:
            # XEP-0167, section 7: never fall back to plain RTP or SDES.
            text = "the offer has no DTLS fingerprint: this conference takes encrypted audio only"
            raise Refused(Reason.SECURITY, text)
        if any(
            one.setup not in ("actpass", "active", "passive")
            for one in content.transport.fingerprints
        ):
            text = "the fingerprint's setup is none that lets the encryption begin"
            raise Refused(Reason.SECURITY, text)


def _section(
    content: Content, groups: tuple[Group, ...], description: Description
) -> MediaDescription:
    grouped = any(content.name in group.names for group in groups)
    attributes = (
        Attribute("mid", content.name),
        Attribute(_DIRECTIONS[content.senders]),
        *(a for payload_type in description.payload_types for a in _codec(payload_type)),
        # COMPAT: Conversations takes a group as a promise of rtcp-mux, as RFC 9143 does.
        *((Attribute("rtcp-mux"),) if description.rtcp_mux or grouped else ()),
        *(Attribute("extmap", f"{one.id} {one.uri}") for one in description.extensions),
        *(attribute for source in description.sources for attribute in _source(source)),
        *(_transport(content.transport) if content.transport is not None else ()),
    )
    formats = tuple(str(one.id) for one in description.payload_types)
    # The payload types of a section without any: one that no codec is ever mapped to.
    return MediaDescription(
        description.media, 9, "UDP/TLS/RTP/SAVPF", formats or ("127",), attributes, "0.0.0.0"
    )


def _codec(payload_type: PayloadType) -> Iterator[Attribute]:
    parameters = ";".join(
        f"{name}={value}" if name and value else name or value
        for name, value in payload_type.parameters
    )
    if not payload_type.name:
        return iter(())
    return Codec(
        payload_type.id,
        payload_type.name,
        payload_type.clock_rate,
        payload_type.channels,
        parameters,
    ).attributes()


def _source(source: Source) -> Iterator[Attribute]:
    for name, value in source.parameters:
        yield Attribute("ssrc", f"{source.ssrc} {name}" + (f":{value}" if value else ""))


def _transport(transport: Transport) -> Iterator[Attribute]:
    if transport.ufrag:
        yield Attribute("ice-ufrag", transport.ufrag)
        yield Attribute("ice-pwd", transport.password)
    for one in transport.fingerprints:
        yield Attribute("fingerprint", f"{one.hash} {one.value}")
    if transport.fingerprints:
        yield Attribute("setup", transport.fingerprints[0].setup)
    for candidate in transport.candidates:
        line = candidate_line(candidate)
        if line is not None:
            yield Attribute("candidate", line)


def _is_reachable(host: str) -> bool:
    if _MULTICAST_DNS.fullmatch(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # Any other name would make us ask the DNS for a stranger.
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # ::ffff:127.0.0.1 is this machine, too.
        address = address.ipv4_mapped or address
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == ipaddress.ip_address("255.255.255.255")
    )


# --- the answer -----------------------------------------------------------------------------


def accept(initiate: Jingle, answer: SessionDescription) -> Accepted:
    """What an SDP answer to `offer(initiate)` says in Jingle."""
    offered = [content for content in initiate.contents if content.description is not None]
    taken = {
        content.name: _answered(content, section)
        for content, section in zip(offered, answer.inherited(), strict=True)
        if section.port != 0
    }
    shared = _bundled_with(taken, initiate.groups)
    for content in offered:
        if content.name in shared and content.name not in taken:
            taken[content.name] = _silent(content, taken[shared[content.name]])
    groups = (
        Group(group.semantics, tuple(name for name in group.names if name in taken))
        for group in initiate.groups
        if group.semantics == "BUNDLE"
    )
    return Accepted(
        tuple(taken[content.name] for content in initiate.contents if content.name in taken),
        # aiortc bundles whether it was offered or not; here only what was offered comes back.
        tuple(group for group in groups if group.names),
        tuple(content.name for content in initiate.contents if content.name not in taken),
    )


def _bundled_with(taken: Mapping[str, Content], groups: tuple[Group, ...]) -> dict[str, str]:
    """By content: the taken one whose transport it shares."""
    shared: dict[str, str] = {}
    for group in groups:
        owner = next((name for name in group.names if name in taken), None)
        if group.semantics == "BUNDLE" and owner is not None:
            shared.update(dict.fromkeys(group.names, owner))
    return shared


def _answered(offered: Content, section: MediaDescription) -> Content:
    return Content(
        offered.name,
        # XEP-0166, section 7.3: who made the content, not who sends this stanza.
        offered.creator,
        _SENDERS[section.direction],
        Description(
            section.media,
            tuple(_payload_type(codec) for codec in section.codecs),
            section.get("rtcp-mux") is not None,
            tuple(_extensions(section)),
            tuple(_sources(section)),
        ),
        Transport(
            section.get("ice-ufrag") or "",
            section.get("ice-pwd") or "",
            tuple(_fingerprints(section)),
            tuple(_candidates(section)),
        ),
    )


def _silent(offered: Content, owner: Content) -> Content:
    """Nothing flows in this content; it travels on `owner`'s transport."""
    assert offered.description is not None
    assert owner.transport is not None
    return Content(
        offered.name,
        offered.creator,
        "none",
        Description(offered.description.media, offered.description.payload_types[:1], True),
        replace(owner.transport, candidates=()),
    )


def _payload_type(codec: Codec) -> PayloadType:
    parts = (part.strip().partition("=") for part in codec.parameters.split(";") if part.strip())
    # A parameter without "=" is a value alone: telephone-event's "0-15".
    pairs = ((name, value) if equals else ("", name) for name, equals, value in parts)
    return PayloadType(
        codec.payload_type, codec.name, codec.clock_rate, codec.channels, tuple(pairs)
    )


def _extensions(section: MediaDescription) -> Iterator[HeaderExtension]:
    for value in section.all("extmap"):
        number, _, uri = value.partition(" ")
        yield HeaderExtension(int(number.partition("/")[0]), uri.split(" ")[0])


def _sources(section: MediaDescription) -> Iterator[Source]:
    parameters: dict[int, list[tuple[str, str]]] = {}
    for value in section.all("ssrc"):
        ssrc, _, attribute = value.partition(" ")
        name, _, content = attribute.partition(":")
        parameters.setdefault(int(ssrc), []).append((name, content))
    for number, pairs in parameters.items():
        yield Source(number, tuple(pairs))


def _fingerprints(section: MediaDescription) -> Iterator[Fingerprint]:
    """sha-256 only: aiortc names three hashes, and clients take the first or the last."""
    setup = section.get("setup") or "active"
    for value in section.all("fingerprint"):
        name, _, digest = value.partition(" ")
        if name.lower() == "sha-256":
            yield Fingerprint("sha-256", setup, digest)


def _candidates(section: MediaDescription) -> Iterator[IceCandidate]:
    for number, value in enumerate(section.all("candidate")):
        match = _CANDIDATE.fullmatch(value)
        if match is not None and match["component"] == "1":
            yield IceCandidate(
                1,
                match["foundation"],
                match["ip"],
                int(match["port"]),
                int(match["priority"]),
                match["protocol"].lower(),
                match["type"],
                match["rel_addr"],
                int(match["rel_port"]) if match["rel_port"] else None,
                id=f"c{number}",
            )
