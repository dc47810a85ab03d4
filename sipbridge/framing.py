"""Messages in a byte stream: RFC 3261, sections 7.5 and 18.3, RFC 5626, section 4.4.1."""

import re
from dataclasses import dataclass

from sipbridge.message import MAX_BODY, MAX_HEAD

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t\r\n]*([0-9]{1,9})[ \t]*\r?$")


@dataclass(frozen=True, slots=True)
class Framed:
    """One whole message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """A double CRLF between messages: keepalive, to be answered with a single one."""


@dataclass(frozen=True, slots=True)
class Unframeable:
    """Where the next message begins cannot be known any more: answer, then close.

    `head` is the offending message's, empty where not even that is whole.
    """

    head: bytes
    code: int
    text: str


class StreamFramer:
    """Cuts a connection's bytes into messages; after `Unframeable` it takes no more."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._events: list[Framed | Ping | Unframeable] = []
        self._dead = False

    @property
    def incomplete(self) -> bool:
        """A message has begun and not ended; the owner of the connection sets it a limit."""
        return bool(self._buffer.strip(b"\r\n"))

    def receive_data(self, data: bytes) -> None:
        if self._dead:
            return
        self._buffer += data
        while not self._dead and self._next():
            pass

    def events(self) -> list[Framed | Ping | Unframeable]:
        events, self._events = self._events, []
        return events

    def _next(self) -> bool:
        """Takes one thing off the buffer; False when more bytes are needed."""
        if self._buffer.startswith((b"\r", b"\n")):
            return self._skip_empty_lines()
        blank = _BLANK_LINE.search(self._buffer, 0, MAX_HEAD + 4)
        if blank is None:
            if len(self._buffer) > MAX_HEAD:
                self._fail(b"", 513, "The head is too large")
            return False
        head = bytes(self._buffer[: blank.end()])
        lengths = {int(match[1]) for match in _LENGTH.finditer(head)}
        if len(lengths) != 1:
            text = "Content-Length is ambiguous" if lengths else "Content-Length is missing"
            self._fail(head, 400, text)
            return False
        length = lengths.pop()
        if length > MAX_BODY:
            self._fail(head, 513, "Message Too Large")
            return False
        end = blank.end() + length
        if len(self._buffer) < end:
            return False
        self._events.append(Framed(bytes(self._buffer[:end])))
        del self._buffer[:end]
        return True

    def _skip_empty_lines(self) -> bool:
        if self._buffer.startswith(b"\r\n\r\n"):
            self._events.append(Ping())
            del self._buffer[:4]
            return True
        if len(self._buffer) < 4 and b"\r\n\r\n".startswith(self._buffer):
            # Half a ping, perhaps: wait for the rest, it costs at most three bytes.
            return False
        del self._buffer[:1]
        return True

    def _fail(self, head: bytes, code: int, text: str) -> None:
        self._dead = True
        self._buffer.clear()
        self._events.append(Unframeable(head, code, text))
