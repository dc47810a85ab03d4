"""What every server checks before it looks at a request's meaning: RFC 3261, section 8.2."""

import re

from sipbridge.headers import parse_parameters
from sipbridge.message import SDP, Request
from sipbridge.status import Refusal

ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO")
ACCEPT = ("Accept", f"{SDP}, multipart/mixed, multipart/alternative")
SUPPORTED = ("Supported", "")
"""No extension yet; the empty header says so (section 20.37)."""

_REFUSED_METHODS = frozenset(
    ("MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE")
)
"""Known to SIP and not served here: 405, where an unknown method gets 501."""

_SERVED_METHODS = frozenset(ALLOW[1].split(", "))
_MULTIPART = ("multipart/mixed", "multipart/alternative")
_SDP_PART = re.compile(rb"(?im)^content-type[ \t]*:[ \t]*application/sdp[ \t]*(;|\r?$)")


def refuse_request(request: Request) -> Refusal | None:
    """Sections 8.2.1 to 8.2.3, in their order. Never for ACK and CANCEL, which nobody refuses."""
    if request.method in _REFUSED_METHODS:
        return Refusal(405, "Method Not Allowed", (ALLOW,))
    if request.method not in _SERVED_METHODS:
        return Refusal(501, "Not Implemented", (ALLOW,))
    required = request.values("Require")
    if required:
        return Refusal(420, "Bad Extension", (("Unsupported", ", ".join(required)),))
    return _refuse_body(request)


def _refuse_body(request: Request) -> Refusal | None:
    """Section 8.2.3. A body that the sender calls optional is read over."""
    if not request.body or "handling=optional" in request.get("Content-Disposition").lower():
        return None
    encodings = [value.lower() for value in request.values("Content-Encoding")]
    if any(encoding != "identity" for encoding in encodings):
        return Refusal(415, "Content Encoding Not Understood", (("Accept-Encoding", "identity"),))
    try:
        media_type = request.media_type
    except ValueError:
        return Refusal(400, "Content-Type cannot be read")
    if request.method == "INFO":
        # Key presses come as telephone events in the media (RFC 4733), not in INFO.
        return Refusal(415, "INFO Bodies Are Not Understood", (("Accept", ""),))
    if not media_type:
        return Refusal(400, "No Content-Type")
    if media_type != SDP and media_type not in _MULTIPART:
        return Refusal(415, "Unsupported Media Type", (ACCEPT,))
    return None


def session_description(request: Request) -> str | None:
    """The SDP that a request carries, alone or in a multipart body (RFC 5621); None without."""
    try:
        media_type = request.media_type
    except ValueError:
        return None
    if media_type == SDP:
        return request.body.decode("utf-8", "replace") or None
    if media_type not in _MULTIPART:
        return None
    _, semicolon, parameters = request.get("Content-Type").partition(";")
    try:
        boundary = parse_parameters(semicolon + parameters).get("boundary")
    except ValueError:
        return None
    return _sdp_part(request.body, boundary) if boundary else None


def _sdp_part(body: bytes, boundary: str) -> str | None:
    """RFC 2046, section 5.1, one level deep: phones put the SDP beside other parts, not below."""
    for part in body.split(b"--" + boundary.encode("utf-8", "replace"))[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and _SDP_PART.search(head):
            return content.removesuffix(b"\r\n").decode("utf-8", "replace") or None
    return None
