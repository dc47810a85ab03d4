"""Requests and responses as values, read from and written to bytes; RFC 3261, sections 7 and 18.3.

Header fields stay as they were written and in their order; what the core needs of them is read on
first use. Reading is in two steps: `parse` takes every message whose start line can be read, and
`fault` then says what is wrong with a request, so that it can be answered with a plain reason.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from sipmessage import CSeq, MediaType
from sipmessage.message import COMPACT_FORMS

from sipbridge.flow import Flow
from sipbridge.headers import TOKEN, NameAddr, SipUri, Via, split_quoted

Headers = tuple[tuple[str, str], ...]

MAX_HEAD = 16_384
MAX_HEADERS = 256
MAX_BODY = 65_536
MAX_CSEQ = 2**31
"""S. 8.1.1.5: the number must be less."""

MAGIC_COOKIE = "z9hG4bK"
SDP = "application/sdp"

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_REQUEST_LINE = re.compile(rf"({TOKEN}) (.*) (SIP/[0-9]+\.[0-9]+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
_HEADER = re.compile(rf"({TOKEN})[ \t]*:(.*)", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):\S+")
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
_ANSWERABLE = ("Via", "From", "To", "Call-ID", "CSeq")
# Full names in their usual spelling, compact ones spelt out: s. 7.3.1, 7.3.3.
_NAMES = {short.lower(): name for short, name in COMPACT_FORMS.items()}
# Phones send bytes that are no UTF-8 in display names: carried through as they are.
_ENCODING = ("utf-8", "surrogateescape")


class Malformed(ValueError):
    """No SIP message, or nothing that could be answered."""


@dataclass(frozen=True)
class Message:
    """What requests and responses have in common."""

    headers: Headers
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of each header field of that name, one per line."""
        lowered = name.lower()
        return [value for key, value in self.headers if key.lower() == lowered]

    def get(self, name: str) -> str:
        """The first value of that name; "" where there is none."""
        return next(iter(self.all(name)), "")

    def values(self, name: str) -> list[str]:
        """The values of a list header, over all its lines; s. 7.3.1."""
        lines = self.all(name)
        return [value for line in lines for value in split_quoted(line, ",") if value]

    @cached_property
    def via(self) -> Via:
        """The topmost. Raises ValueError."""
        return Via.parse((split_quoted(self.get("Via"), ",") or [""])[0])

    @cached_property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self.get("From"))

    @cached_property
    def to(self) -> NameAddr:
        return NameAddr.parse(self.get("To"))

    @property
    def call_id(self) -> str:
        return self.get("Call-ID")

    @cached_property
    def cseq(self) -> CSeq:
        value = self.get("CSeq")
        if not value.isascii():
            raise ValueError("CSeq is not valid")
        return CSeq.parse(value)

    def _bytes(self, start_line: str) -> bytes:
        lines = [start_line, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode(*_ENCODING) + self.body


@dataclass(frozen=True)
class Request(Message):
    """S. 7.1."""

    method: str
    uri: str
    """The Request-URI as written."""
    version: str = "SIP/2.0"

    def __bytes__(self) -> bytes:
        return self._bytes(f"{self.method} {self.uri} {self.version}")

    def __str__(self) -> str:
        return f"{self.method} {self.uri}"

    @cached_property
    def contact(self) -> NameAddr | None:
        """The only Contact, or None where there is none. Raises ValueError."""
        contacts = self.values("Contact")
        if len(contacts) > 1:
            raise ValueError("there is more than one Contact")
        return NameAddr.parse(contacts[0]) if contacts else None

    @property
    def media_type(self) -> str:
        """Of the body, in lower case without parameters. Raises ValueError."""
        text = self.get("Content-Type")
        return MediaType.parse(text.partition(";")[0]).mime_type.lower() if text else ""

    def received_by(self, flow: Flow) -> Self:
        """With the `received` and `rport` of the topmost Via filled in; s. 18.2.1, RFC 3581.

        Whatever the peer wrote there itself is taken out: answers go where the packet came from.
        """
        index = next(i for i, (name, _) in enumerate(self.headers) if name == "Via")
        top, *others = split_quoted(self.headers[index][1], ",")
        sent, *parameters = split_quoted(top, ";")
        kept = [p for p in parameters if not re.match(r"(received|rport)\s*(=|$)", p, re.I)]
        if "rport" in self.via.parameters:
            kept += [f"rport={flow.port}", f"received={flow.host}"]
        elif self.via.host.strip("[]") != flow.host:
            kept.append(f"received={flow.host}")
        value = ", ".join([";".join([sent, *kept]), *others])
        headers = (*self.headers[:index], ("Via", value), *self.headers[index + 1 :])
        return replace(self, headers=headers)


@dataclass(frozen=True)
class Response(Message):
    """S. 7.2."""

    code: int
    phrase: str

    def __bytes__(self) -> bytes:
        return self._bytes(f"SIP/2.0 {self.code} {self.phrase}")

    def __str__(self) -> str:
        return f"{self.code} {self.phrase} ({self.get('CSeq')})"

    @property
    def final(self) -> bool:
        return self.code >= 200


def respond(
    request: Request,
    code: int,
    phrase: str,
    *,
    to_tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """A response with what s. 8.2.6.2 copies from the request."""
    to = request.get("To")
    if to_tag and not _tagged(request):
        to = f"{to};tag={to_tag}"
    copied = [("Via", value) for value in request.all("Via")]
    copied += [("From", request.get("From")), ("To", to)]
    copied += [("Call-ID", request.call_id), ("CSeq", request.get("CSeq"))]
    if code == 100:
        copied += [("Timestamp", value) for value in request.all("Timestamp")]
    return Response((*copied, *headers), body, code, phrase)


def _tagged(request: Request) -> bool:
    """Also when To cannot be read: it goes back as it came."""
    try:
        return bool(request.to.tag)
    except ValueError:
        return True


def parse(data: bytes) -> Request | Response:
    """One whole message: a datagram, or what the stream framer cut out. Raises Malformed."""
    data = data.lstrip(b"\r\n")
    blank = _BLANK_LINE.search(data, 0, MAX_HEAD + 4)
    if blank is None:
        raise Malformed(f"no empty line ends the head within {MAX_HEAD} bytes")
    head = _FOLD.sub(" ", data[: blank.start()].decode(*_ENCODING))
    # A lone CR is no line end: as white space it cannot become one in what we copy.
    start_line, *lines = head.replace("\r\n", "\n").replace("\r", " ").split("\n")
    if len(lines) > MAX_HEADERS:
        raise Malformed(f"there are more than {MAX_HEADERS} header lines")
    start_line = start_line.rstrip(" ")
    headers = tuple(_header(line) for line in lines)
    body = data[blank.end() :]
    if match := _STATUS_LINE.fullmatch(start_line):
        return _cut(Response(headers, body, int(match[1]), match[2] or ""))
    if match := _REQUEST_LINE.fullmatch(start_line):
        return _cut(Request(headers, body, match[1], match[2], match[3].upper()))
    raise Malformed(f"{start_line[:80]!r} is neither a request nor a status line")


def _header(line: str) -> tuple[str, str]:
    """Name and value; a line that is no header field is kept under the name "" for `fault`."""
    match = _HEADER.fullmatch(line)
    if match is None:
        return "", line
    name, value = match[1], match[2].strip()
    return _NAMES.get(name.lower(), _CANONICAL.get(name.lower(), name)), value


_CANONICAL = {name.lower(): name for name in (*_SINGLE, *_ANSWERABLE)}


def _cut(message: "Request | Response") -> "Request | Response":
    """S. 18.3: bytes after Content-Length are no part of the message."""
    length = message.get("Content-Length")
    if length.isascii() and length.isdigit() and len(length) < 10:
        return replace(message, body=message.body[: int(length)])
    return message


def answerable(request: Request) -> bool:
    """Whether a response could be built at all; nobody answers an ACK (s. 17.1.1.3)."""
    return request.method != "ACK" and all(request.get(name) for name in _ANSWERABLE)


def fault(request: Request) -> tuple[int, str] | None:
    """What makes the request unfit to be looked at: status code and a plain reason; s. 8.2, 16.3.

    COMPAT: aiosip 0.2.0 writes `CSeq: 1 INVITE` into its ACK; an ACK is known by its own method.
    """
    if request.version != "SIP/2.0":
        return 505, "Version Not Supported"
    for check in (_lines_fault, _fields_fault, _uri_fault, _contact_fault):
        found = check(request)
        if found is not None:
            return found
    return None


def _lines_fault(request: Request) -> tuple[int, str] | None:
    for name, value in request.headers:
        if not name:
            return 400, f"Header line {_printable(value[:30])} has no name and colon"
    for name in _SINGLE:
        if len(request.all(name)) > 1:
            return 400, f"More than one {name}"
    for name in _ANSWERABLE:
        if not request.get(name):
            return 400, f"No {name}"
    return None


def _fields_fault(request: Request) -> tuple[int, str] | None:
    for name in ("via", "from_", "to", "cseq"):
        try:
            getattr(request, name)
        except ValueError:
            return 400, f"{name.strip('_').capitalize().replace('Cseq', 'CSeq')} cannot be read"
    if request.cseq.sequence >= MAX_CSEQ:
        return 400, "CSeq is too large"
    if request.cseq.method != request.method and request.method != "ACK":
        return 400, "CSeq names another method"
    hops = request.get("Max-Forwards")
    if hops and not (hops.isascii() and hops.isdigit() and len(hops) < 7 and int(hops) < 256):
        return 400, "Max-Forwards is no number below 256"
    length = request.get("Content-Length")
    if length and not (length.isascii() and length.isdigit() and len(length) < 10):
        return 400, "Content-Length is no number"
    if length and len(request.body) < int(length):
        return 400, "Content-Length is larger than the message"
    if len(request.body) > MAX_BODY:
        return 513, "Message Too Large"
    return None


def _uri_fault(request: Request) -> tuple[int, str] | None:
    scheme = _SCHEME.fullmatch(request.uri)
    if scheme is None:
        return 400, "Request-URI cannot be read"
    if scheme[1].lower() not in ("sip", "sips", "tel"):
        return 416, "Unsupported URI Scheme"
    try:
        SipUri.parse(request.uri)
    except ValueError:
        return 400, "Request-URI cannot be read"
    return None


def _contact_fault(request: Request) -> tuple[int, str] | None:
    """S. 8.1.1.8, 12.1.1: without one SIP URI and a readable route nobody could send a BYE."""
    if request.method != "INVITE":
        return None
    try:
        if request.contact is None:
            return 400, "No Contact"
        SipUri.parse(request.contact.uri)
    except ValueError:
        return 400, "Contact cannot be read"
    try:
        for route in request.values("Record-Route"):
            SipUri.parse(NameAddr.parse(route).uri)
    except ValueError:
        return 400, "Record-Route cannot be read"
    return None


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else "?" for c in text)
