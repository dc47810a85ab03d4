"""Session descriptions as values: RFC 8866, with what RFC 3264 needs to answer an offer.

Reads what phones and browsers really send (bare line feeds, attributes at session level that hold
for every section, names in any case) and writes strict CRLF text. Lines that mean nothing to us
(bandwidth, phone, key, ...) are read over. What an attribute means is its user's business.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NoReturn, Self

from gateway.errors import Reason, Refused

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
"""RFC 8866, section 6.7; seen from whoever wrote the description."""

_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_REVERSED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}

# RFC 3551, section 6: payload types that are valid without an rtpmap.
_STATIC_RTPMAPS = {
    0: "PCMU/8000",
    3: "GSM/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    13: "CN/8000",
    18: "G729/8000",
}

MAX_LENGTH = 262_144
"""A longer description is refused unread."""

MAX_SECTIONS = 256
"""A browser has one with the seat for each phone in its room, and for each that was there."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One `a=` line; `value` is None for a property attribute such as `a=rtcp-mux`."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of an m-section: rtpmap and fmtp taken together."""

    payload_type: int
    name: str
    """As written; compare without case."""
    clock_rate: int
    channels: int = 1
    parameters: str = ""
    """The value of fmtp without the payload type."""

    def attributes(self) -> Iterator[Attribute]:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        yield Attribute("rtpmap", f"{self.payload_type} {self.name}/{self.clock_rate}{channels}")
        if self.parameters:
            yield Attribute("fmtp", f"{self.payload_type} {self.parameters}")


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m-section. `port` 0 means that it is refused or removed (RFC 3264, section 6)."""

    media: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()
    connection: str | None = None
    """The address of its own `c=` line; None where the session's holds."""

    def get(self, name: str) -> str | None:
        """The value of the first attribute of that name; "" for a property attribute."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[str]:
        return (a.value or "" for a in self.attributes if a.name == name)

    @property
    def mid(self) -> str:
        """RFC 5888; "" where the section has none."""
        return self.get("mid") or ""

    @property
    def direction(self) -> Direction:
        """RFC 3264, section 5.1: sendrecv where nothing is said."""
        said = (_DIRECTIONS[a.name] for a in self.attributes if a.name in _DIRECTIONS)
        return next(said, "sendrecv")

    @property
    def codecs(self) -> tuple[Codec, ...]:
        """In the writer's order of preference (the m-line's), without formats that have no map."""
        maps = dict(_split_format(value) for value in self.all("rtpmap"))
        parameters = dict(_split_format(value) for value in self.all("fmtp"))
        return tuple(self._codecs(maps, parameters))

    def _codecs(self, maps: dict[str, str], parameters: dict[str, str]) -> Iterator[Codec]:
        for text in self.formats:
            if not text.isascii() or not text.isdigit() or int(text) > 127:
                continue
            encoding = maps.get(text) or _STATIC_RTPMAPS.get(int(text), "")
            name, *numbers = encoding.split("/")
            if not name or not 1 <= len(numbers) <= 2 or not all(map(_is_small_number, numbers)):
                continue
            rate, channels = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 1
            yield Codec(int(text), name, rate, channels, parameters.get(text, ""))

    def lines(self) -> Iterator[str]:
        yield f"m={self.media} {self.port} {self.protocol} {' '.join(self.formats)}"
        if self.connection is not None:
            yield _connection_line(self.connection)
        yield from (f"a={attribute}" for attribute in self.attributes)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description. Session-level attributes stand in `attributes` and nowhere else."""

    media: tuple[MediaDescription, ...]
    attributes: tuple[Attribute, ...] = ()
    connection: str | None = None
    session_id: int = 0
    version: int = 0
    """Of the `o=` line; rises with each change (RFC 3264, section 8)."""
    origin_address: str = "0.0.0.0"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `Refused` (bad-request) with a sentence that names the line."""
        if len(text) > MAX_LENGTH:
            _refuse("it is longer than 65,536 characters")
        head, *sections = _sections(text)
        if not head or head[0] != ("v", "0"):
            _refuse("it does not begin with v=0")
        if len(sections) > MAX_SECTIONS:
            _refuse(f"it has more than {MAX_SECTIONS} m-sections")
        session_id, version, address = _origin(next((v for k, v in head if k == "o"), ""))
        return cls(
            tuple(_media(section) for section in sections),
            tuple(_attributes(head)),
            _connection(head),
            session_id,
            version,
            address,
        )

    def inherited(self) -> tuple[MediaDescription, ...]:
        """The m-sections with the session's connection and attributes spelt out in each.

        An attribute at media level overrides the session's of the same name (RFC 8866, s. 5.13);
        phones put ICE credentials, setup, fingerprint and direction at session level.
        """
        return tuple(self._inherit(section) for section in self.media)

    def _inherit(self, section: MediaDescription) -> MediaDescription:
        own = {a.name for a in section.attributes}
        if own & _DIRECTIONS.keys():
            own |= _DIRECTIONS.keys()
        # A group speaks about sections, never of one (RFC 5888).
        taken = tuple(a for a in self.attributes if a.name not in own and a.name != "group")
        return replace(
            section,
            attributes=taken + section.attributes,
            connection=section.connection or self.connection,
        )

    def __str__(self) -> str:
        return "".join(f"{line}\r\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        family = "IP6" if ":" in self.origin_address else "IP4"
        yield "v=0"
        yield f"o=- {self.session_id} {self.version} IN {family} {self.origin_address}"
        yield "s=-"
        if self.connection is not None:
            yield _connection_line(self.connection)
        yield "t=0 0"
        yield from (f"a={attribute}" for attribute in self.attributes)
        for section in self.media:
            yield from section.lines()


def reverse(direction: Direction) -> Direction:
    """The same direction as the other side sees it; RFC 3264, section 6.1."""
    return _REVERSED[direction]


def _refuse(why: str) -> NoReturn:
    raise Refused(Reason.BAD_REQUEST, f"the session description cannot be read: {why}")


def _sections(text: str) -> list[list[tuple[str, str]]]:
    """Lines as (type, value), cut before each m-line; the first part is the session's."""
    parts: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(text.replace("\r\n", "\n").rstrip("\n").split("\n"), 1):
        if len(line) < 2 or line[1] != "=" or "\r" in line or "\0" in line:
            _refuse(f"line {number} is {line[:60]!r}")
        if line[0] == "m":
            parts.append([])
        parts[-1].append((line[0], line[2:].strip()))
    return parts


def _origin(value: str) -> tuple[int, int, str]:
    words = value.split()
    if len(words) != 6 or not all(word.isascii() and word.isdigit() for word in words[1:3]):
        return 0, 0, "0.0.0.0"
    # RFC 3264, section 5: both fit into 63 bits; a phone that overdoes it is not refused for that.
    return int(words[1][:19]), int(words[2][:19]), words[5]


def _media(lines: Iterable[tuple[str, str]]) -> MediaDescription:
    (_, head), *rest = lines
    words = head.split()
    if len(words) < 4:
        _refuse(f"m={head[:60]} has too few parts")
    media, port_text, protocol, *formats = words
    port = port_text.partition("/")[0]
    if not _is_small_number(port) or int(port) > 65_535:
        _refuse(f"m={head[:60]} has no port")
    return MediaDescription(
        media, int(port), protocol, tuple(formats), tuple(_attributes(rest)), _connection(rest)
    )


def _attributes(lines: Iterable[tuple[str, str]]) -> Iterator[Attribute]:
    for kind, value in lines:
        if kind == "a" and value:
            name, colon, rest = value.partition(":")
            yield Attribute(name, rest.strip() if colon else None)


def _connection(lines: Iterable[tuple[str, str]]) -> str | None:
    value = next((value for kind, value in lines if kind == "c"), None)
    if value is None:
        return None
    words = value.split()
    if len(words) != 3:
        _refuse(f"c={value[:60]} has not three parts")
    return words[2].partition("/")[0]


def _connection_line(address: str) -> str:
    return f"c=IN {'IP6' if ':' in address else 'IP4'} {address}"


def _split_format(value: str) -> tuple[str, str]:
    payload_type, _, rest = value.partition(" ")
    return payload_type, rest.strip()


def _is_small_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
