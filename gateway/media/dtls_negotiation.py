"""PURE: ICE and DTLS in SDP, alike for phones, browsers and Jingle; RFC 8839, RFC 8842.

We are ICE-lite, and take the passive part of the handshake where we may choose: then it begins
as soon as the peer's check has come through.
"""

from collections.abc import Iterator

from gateway.errors import Reason, Refused
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.sdp import Attribute, MediaDescription, SessionDescription

MAX_CANDIDATES = 32

_HASHES = ("sha-256", "sha-384", "sha-512")
"""Of certificates; RFC 8122, section 5, without those that are broken."""

_SETUP_ANSWER = {"actpass": "passive", "active": "passive", "passive": "active"}
"""RFC 5763, section 5."""

_MAX_CREDENTIAL = 256
"""RFC 8839, section 5.4."""


def fingerprints(section: MediaDescription) -> Iterator[tuple[str, str]]:
    """(hash name in lower case, value) of each that can be checked; RFC 8122, section 5."""
    for value in section.all("fingerprint"):
        name, _, digest = value.partition(" ")
        if name.lower() in _HASHES and digest:
            yield name.lower(), digest.strip()


def has_ice(section: MediaDescription) -> bool:
    """Whether the peer makes checks. `section` with what it inherits."""
    return bool(section.get("ice-ufrag") and section.get("ice-pwd"))


def check_fingerprint(section: MediaDescription) -> None:
    """Raises `Refused` (security) where the peer's certificate could not be known."""
    if not any(fingerprints(section)):
        text = f"the media cannot be secured: no fingerprint by one of {', '.join(_HASHES)}"
        raise Refused(Reason.SECURITY, text)


def read_transport(section: MediaDescription, whole: SessionDescription) -> RemoteTransport:
    """The peer's end. `section` of `whole`, with what it inherits. Raises `Refused`."""
    check_fingerprint(section)
    setup = (section.get("setup") or "actpass").lower()
    if setup not in _SETUP_ANSWER:
        raise Refused(Reason.SECURITY, f"a=setup:{setup[:20]} leaves nobody to begin the handshake")
    ufrag, password = section.get("ice-ufrag") or "", section.get("ice-pwd") or ""
    if any(len(one) > _MAX_CREDENTIAL or not one.isascii() for one in (ufrag, password)):
        text = "ice-ufrag or ice-pwd is longer than 256 characters, or not ASCII"
        raise Refused(Reason.BAD_REQUEST, text)
    # The candidates of a BUNDLE group may stand in another of its sections.
    sharing = [one for one in whole.inherited() if one.get("ice-ufrag") == ufrag]
    candidates = dict.fromkeys(line for one in sharing for line in one.all("candidate"))
    return RemoteTransport(
        ufrag,
        password,
        any(attribute.name == "ice-lite" for attribute in whole.attributes),
        tuple(fingerprints(section)),
        _SETUP_ANSWER[setup],
        tuple(candidates)[:MAX_CANDIDATES],
        section.get("rtcp-mux") is not None,
    )


def check_unchanged(before: RemoteTransport, after: RemoteTransport) -> None:
    """Raises `Refused` (media): what has been connected stays as it is; RFC 8839, section 4.4."""
    if (before.ufrag, before.password) != (after.ufrag, after.password):
        raise Refused(Reason.MEDIA, "ICE cannot be restarted: make a new connection")
    if not {(name, digest.upper()) for name, digest in after.fingerprints} & {
        (name, digest.upper()) for name, digest in before.fingerprints
    }:
        raise Refused(Reason.MEDIA, "the certificate cannot change: make a new connection")
    # The other way round it is most likely "actpass", which means: as it is.
    if (before.setup, after.setup) == ("passive", "active"):
        raise Refused(Reason.MEDIA, "the roles in DTLS cannot change: make a new connection")


def session_attributes(remote: RemoteTransport) -> Iterator[Attribute]:
    """What an answer of ours says for the whole session; RFC 8839, section 5.3."""
    if remote.ufrag:
        yield Attribute("ice-lite")


def section_attributes(local: LocalTransport, remote: RemoteTransport) -> Iterator[Attribute]:
    """Our end, for an answer's section. All candidates are there at once: nothing trickles."""
    if remote.rtcp_mux:
        yield Attribute("rtcp-mux")
    if remote.ufrag:
        yield Attribute("ice-ufrag", local.ufrag)
        yield Attribute("ice-pwd", local.password)
        yield from (Attribute("candidate", line) for line in local.candidates)
        yield Attribute("end-of-candidates")
    yield Attribute("fingerprint", f"sha-256 {local.fingerprint}")
    yield Attribute("setup", remote.setup)


def default_candidate(local: LocalTransport) -> tuple[str, int]:
    """What a peer without ICE would use; RFC 8839, section 4.2.1.2."""
    for line in local.candidates:
        words = line.split()
        if len(words) > 5 and words[2].lower() == "udp":
            return words[4], int(words[5])
    return "0.0.0.0", 9
