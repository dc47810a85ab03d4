"""Header field values: lists, parameters, addresses, URIs and Via; RFC 3261, sections 20 and 25.

`sipmessage` has types for these too, but its host grammar refuses names that end in a digit
(`sip:demo@gateway1`, `Via: SIP/2.0/UDP phone1`) and its parameters are written back changed
(`received=::1`). A core that copies what it was sent needs them as they were.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]+"
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+"
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_VIA = re.compile(
    rf"SIP\s*/\s*2\.0\s*/\s*(?P<transport>{TOKEN})\s+"
    rf"(?P<host>{_HOST})(?:\s*:\s*(?P<port>[0-9]{{1,5}}))?\s*(?P<parameters>;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_SIP_URI = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@\s<>\"]+)@)?"
    rf"(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?(?P<parameters>;[^?\s<>]*)?(?:\?[^\s<>]*)?",
    re.IGNORECASE,
)
_TEL_URI = re.compile(r"tel:(?P<number>[0-9A-Fa-f*#+().-]+)(?P<parameters>;\S*)?", re.IGNORECASE)


def split_quoted(value: str, separator: str) -> list[str]:
    """Cuts at each `separator` that stands neither in "..." nor in <...>."""
    parts, start, quoted, bracketed, escaped = [], 0, False, False, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "<>":
            bracketed = char == "<"
        elif char == separator and not bracketed:
            parts.append(value[start:index].strip())
            start = index + 1
    parts.append(value[start:].strip())
    return parts


def unquote_string(value: str) -> str:
    """The text of a quoted-string, s. 25.1; anything else as it is."""
    match = _QUOTED.fullmatch(value)
    return _ESCAPED.sub(r"\1", match[1]) if match else value


def parse_parameters(text: str) -> dict[str, str | None]:
    """`;name=value;flag`. Names come out in lower case. Raises ValueError."""
    first, *pieces = split_quoted(text, ";")
    if first:
        raise ValueError(f"{first[:40]!r} stands where a parameter should begin")
    parameters: dict[str, str | None] = {}
    for piece in pieces:
        name, equals, value = (part.strip() for part in piece.partition("="))
        if not re.fullmatch(TOKEN, name):
            raise ValueError(f"{piece[:40]!r} is no parameter")
        parameters[name.lower()] = unquote_string(value) if equals else None
    return parameters


def _port(text: str | None) -> int | None:
    if text is not None and int(text) > 65_535:
        raise ValueError(f"{text} is no port")
    return int(text) if text else None


@dataclass(frozen=True, slots=True)
class SipUri:
    """A `sip:`, `sips:` or `tel:` URI, s. 19.1 and RFC 3966; a tel URI has its number as user."""

    scheme: str
    user: str
    host: str
    port: int | None
    parameters: Mapping[str, str | None]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        if match := _SIP_URI.fullmatch(text):
            user = unquote((match["user"] or "").partition(":")[0])
            parameters = parse_parameters(match["parameters"] or "")
            host = match["host"].lower()
            return cls(match["scheme"].lower(), user, host, _port(match["port"]), parameters)
        if match := _TEL_URI.fullmatch(text):
            number = re.sub(r"[().-]", "", match["number"])
            return cls("tel", number, "", None, parse_parameters(match["parameters"] or ""))
        raise ValueError(f"{text[:100]!r} is no SIP or tel URI")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """The value of From, To, Contact, Route and Record-Route: name-addr or addr-spec, s. 25.1."""

    name: str
    uri: str
    """As written, to be sent back as written."""
    parameters: Mapping[str, str | None]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        text = text.strip()
        name, rest = "", text
        if text.startswith('"'):
            quoted = _QUOTED.match(text)
            if quoted is None:
                raise ValueError("a quotation mark is not closed")
            name, rest = _ESCAPED.sub(r"\1", quoted[1]), text[quoted.end() :].lstrip()
            if not rest.startswith("<"):
                raise ValueError("no <...> follows the display name")
        elif "<" in text:
            # A display name outside token characters owes us quotes; RFC 4475, s. 3.1.2.15,
            # allows reading it all the same.
            name, _, rest = text.partition("<")
            name, rest = name.strip(), "<" + rest
        if rest.startswith("<"):
            uri, closed, tail = rest[1:].partition(">")
            if not closed:
                raise ValueError("a < is not closed")
            return cls(name, uri.strip(), parse_parameters(tail))
        uri, semicolon, tail = rest.partition(";")
        if not uri.strip():
            raise ValueError("it has no URI")
        return cls("", uri.strip(), parse_parameters(semicolon + tail))

    @property
    def tag(self) -> str:
        """ "" where there is none."""
        return self.parameters.get("tag") or ""


@dataclass(frozen=True, slots=True)
class Via:
    """One hop that the answer shall take back, s. 20.42."""

    transport: str
    host: str
    port: int | None
    parameters: Mapping[str, str | None]

    @classmethod
    def parse(cls, text: str) -> Self:
        """White space may stand around every separator. Raises ValueError."""
        match = _VIA.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text[:100]!r} is no Via")
        parameters = parse_parameters(match["parameters"] or "")
        host = match["host"].lower()
        return cls(match["transport"].upper(), host, _port(match["port"]), parameters)

    @property
    def branch(self) -> str:
        return self.parameters.get("branch") or ""

    @property
    def sent_by(self) -> str:
        """Host and port; without a port 5060 is meant, 5061 over TLS (s. 18.2.2)."""
        default = 5061 if self.transport in ("TLS", "WSS") else 5060
        return f"{self.host}:{self.port or default}"
