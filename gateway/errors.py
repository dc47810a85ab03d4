"""Whose fault an error is, and what every protocol shall say about it.

Three parties can be wrong. We: a bug, raised as an ordinary exception, never caught to go on.
The peer: `Refused`, which every bridge answers in its own words. The admin: `ConfigError`,
which names the file, the line and the cure.
"""

from enum import StrEnum

BY_STRANGERS = {"stranger": True}
"""`extra` of a log line that anybody can cause as often as they like: only some of them are shown,
unless DEBUG is on."""


class Reason(StrEnum):
    """Why a leg ends or was never let in; each bridge maps it to its own codes.

    SIP: status codes of RFC 3261, section 21. Jingle: reasons of XEP-0166, section 7.4.
    """

    NORMAL = "normal"
    """Hung up, left, closed the page."""
    CANCELLED = "cancelled"
    """The caller gave up before we answered."""
    BUSY = "busy"
    """The conference is full."""
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    NOT_FOUND = "not-found"
    """Nothing is known under the address that was called."""
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    """There is no port, no stream or no media process left for it now; there may be later."""
    FORBIDDEN = "forbidden"
    MEDIA = "media"
    """No codec, medium or transport in common."""
    SECURITY = "security"
    """The media cannot be secured: no fingerprint, wrong role."""
    BAD_REQUEST = "bad-request"
    """The peer's message cannot be understood."""
    CONNECTIVITY = "connectivity"
    """The media path or the signalling connection broke down."""
    REPLACED = "replaced"
    """The same participant came back by a new leg."""
    SHUTDOWN = "shutdown"
    """The gateway is stopping."""
    FAILURE = "failure"
    """Our own fault."""


class TrestleError(Exception):
    """An error with a sentence that can be shown to the person who caused it."""


class Refused(TrestleError):
    """The peer asked for something that it does not get.

    `reason` decides the protocol's answer, `text` is one sentence for people.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


class ConfigError(TrestleError):
    """The admin's mistake: prints as `file:line:column: key: what was expected`.

    `line` and `column` count from 1; both are 0 where the whole file is meant.
    """

    def __init__(self, file: str, line: int, column: int, key: str, text: str) -> None:
        place = f"{file}:{line}:{column}" if line else file
        super().__init__(f"{place}: {key}: {text}" if key else f"{place}: {text}")
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.text = text
