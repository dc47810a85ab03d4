"""The codes of `error` messages and of closing, and which of the gateway's reasons is which."""

from enum import StrEnum

from gateway.errors import Reason


class ErrorCode(StrEnum):
    """The stable part of an `error` message; its text is for people."""

    BAD_JSON = "bad-json"
    BAD_MESSAGE = "bad-message"
    UNKNOWN_TYPE = "unknown-type"
    NOT_JOINED = "not-joined"
    ALREADY_JOINED = "already-joined"
    NOT_FOUND = "not-found"
    BUSY = "busy"
    FORBIDDEN = "forbidden"
    UNKNOWN_PEER = "unknown-peer"
    REFUSED = "refused"
    RATE_LIMITED = "rate-limited"


class CloseCode:
    """RFC 6455, section 7.4.1, as far as the server closes with them."""

    NORMAL = 1000
    POLICY = 1008
    FAILURE = 1011
    RESTART = 1012
    """IANA's registry: service restart."""
    TRY_AGAIN = 1013
    """The same: try again later."""


class ProtocolError(Exception):
    """A message that docs/protocol.md does not allow. `message_type` is its type, if it had one."""

    def __init__(self, code: ErrorCode, text: str, message_type: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.message_type = message_type


def of_refused_join(reason: Reason) -> ErrorCode:
    return _JOIN.get(reason, ErrorCode.REFUSED)


def of_refused_signal(reason: Reason) -> ErrorCode:
    """Of negotiation: with a neighbour, or with the seat."""
    return _SIGNAL.get(reason, ErrorCode.REFUSED)


def of_denial(reason: Reason) -> ErrorCode:
    """Of what a participant may not, or not now. There are no other reasons for that."""
    return _DENIALS[reason]


def of_closing(reason: Reason) -> int:
    return _CLOSING.get(reason, CloseCode.FAILURE)


_JOIN = {
    Reason.NOT_FOUND: ErrorCode.NOT_FOUND,
    Reason.BUSY: ErrorCode.BUSY,
    Reason.FORBIDDEN: ErrorCode.FORBIDDEN,
}
_SIGNAL = {
    Reason.NOT_FOUND: ErrorCode.UNKNOWN_PEER,
    Reason.BAD_REQUEST: ErrorCode.BAD_MESSAGE,
    Reason.OVERLOADED: ErrorCode.RATE_LIMITED,
}
_DENIALS = {
    Reason.FORBIDDEN: ErrorCode.FORBIDDEN,
    Reason.NOT_FOUND: ErrorCode.UNKNOWN_PEER,
    Reason.OVERLOADED: ErrorCode.RATE_LIMITED,
}
_CLOSING = {
    Reason.NORMAL: CloseCode.NORMAL,
    Reason.REPLACED: CloseCode.NORMAL,
    Reason.SHUTDOWN: CloseCode.RESTART,
}
