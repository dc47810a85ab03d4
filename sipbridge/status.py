"""What the gateway's reasons are called in SIP: RFC 3261, section 21; RFC 3326; RFC 6432."""

from dataclasses import dataclass

from gateway.errors import Reason

RETRY_AFTER_S = 30
"""How long an overloaded or stopping gateway asks callers to wait."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final response that is no success, without what is copied from the request."""

    code: int
    phrase: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    code: int
    phrase: str
    cause: int
    """Q.850, what the telephone network calls it."""
    warning: int = 0
    """A code of section 20.43 for a 488."""


_ROWS = {
    # Only after an answer; before one, a normal end is a refusal without a better word.
    Reason.NORMAL: _Row(480, "Conference Ended", 16),
    Reason.CANCELLED: _Row(487, "Request Terminated", 16),
    Reason.BUSY: _Row(486, "Conference Full", 17),
    Reason.DECLINED: _Row(603, "Declined", 21),
    Reason.NO_ANSWER: _Row(408, "Nobody Answered", 102),
    Reason.NOT_FOUND: _Row(404, "No Such Conference", 1),
    Reason.UNAVAILABLE: _Row(480, "Conference Not Open", 18),
    Reason.OVERLOADED: _Row(503, "No Resources Now", 42),
    Reason.FORBIDDEN: _Row(403, "Caller Not Allowed", 21),
    Reason.MEDIA: _Row(488, "No Common Media", 79, warning=305),
    Reason.SECURITY: _Row(488, "Media Cannot Be Secured", 79, warning=399),
    Reason.BAD_REQUEST: _Row(400, "Session Description Cannot Be Read", 95),
    Reason.CONNECTIVITY: _Row(500, "Media Path Failed", 41),
    Reason.REPLACED: _Row(480, "Replaced By Another Call", 16),
    Reason.SHUTDOWN: _Row(503, "Gateway Is Stopping", 41),
    Reason.FAILURE: _Row(500, "Gateway Fault", 41),
}


def refusal(reason: Reason, text: str) -> Refusal:
    """The answer to an INVITE that gets no conference; `text` is a sentence for people."""
    row = _ROWS[reason]
    headers = [reason_header(reason, text)]
    if row.warning:
        headers.append(("Warning", f"{row.warning} trestle {_quoted(text)}"))
    if row.code == 503:
        headers.append(("Retry-After", str(RETRY_AFTER_S)))
    return Refusal(row.code, row.phrase, tuple(headers))


def reason_header(reason: Reason, text: str) -> tuple[str, str]:
    """RFC 3326: why, for machines and for people; in BYE and, by RFC 6432, in responses."""
    return "Reason", f"Q.850;cause={_ROWS[reason].cause};text={_quoted(text)}"


def _quoted(text: str) -> str:
    """A quoted-string on one line, whatever the text holds."""
    plain = "".join(c if c.isprintable() else " " for c in text[:200])
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
