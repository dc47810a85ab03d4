"""PURE: why calls end, in Jingle's words (XEP-0166, section 7.4) and in the gateway's."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from gateway.errors import Reason, Refused
from xmppbridge.stanza import STANZAS, local_name, namespace, text_element

JINGLE = "urn:xmpp:jingle:1"
RTP_ERRORS = "urn:xmpp:jingle:apps:rtp:errors:1"

MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class JingleReason:
    """A `<reason/>`; `application` says it more precisely, as a qualified tag."""

    condition: str
    text: str = ""
    application: str | None = None


_TO_JINGLE = {
    Reason.NORMAL: JingleReason("success"),
    Reason.CANCELLED: JingleReason("cancel"),
    Reason.BUSY: JingleReason("busy"),
    Reason.DECLINED: JingleReason("decline"),
    Reason.NO_ANSWER: JingleReason("timeout"),
    Reason.NOT_FOUND: JingleReason("gone"),
    Reason.UNAVAILABLE: JingleReason("gone"),
    Reason.OVERLOADED: JingleReason("busy", application=f"{{{STANZAS}}}resource-constraint"),
    Reason.FORBIDDEN: JingleReason("decline"),
    Reason.MEDIA: JingleReason("incompatible-parameters"),
    Reason.SECURITY: JingleReason("security-error", application=f"{{{RTP_ERRORS}}}crypto-required"),
    Reason.BAD_REQUEST: JingleReason("general-error"),
    Reason.CONNECTIVITY: JingleReason("connectivity-error"),
    Reason.REPLACED: JingleReason("expired"),
    Reason.SHUTDOWN: JingleReason("gone"),
    Reason.FAILURE: JingleReason("general-error"),
}

_FROM_JINGLE = {
    "success": Reason.NORMAL,
    "busy": Reason.BUSY,
    "cancel": Reason.CANCELLED,
    "connectivity-error": Reason.CONNECTIVITY,
    "decline": Reason.DECLINED,
    "expired": Reason.NO_ANSWER,
    "failed-application": Reason.MEDIA,
    "failed-transport": Reason.CONNECTIVITY,
    "gone": Reason.UNAVAILABLE,
    "incompatible-parameters": Reason.MEDIA,
    "media-error": Reason.MEDIA,
    "security-error": Reason.SECURITY,
    "timeout": Reason.NO_ANSWER,
    "unsupported-applications": Reason.MEDIA,
    "unsupported-transports": Reason.MEDIA,
}


class Unsupported(Refused):
    """A refusal for which Jingle has a finer word than the gateway: `condition`."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(Reason.MEDIA, text)
        self.condition = condition


def to_jingle(reason: Reason, text: str = "") -> JingleReason:
    known = _TO_JINGLE[reason]
    return JingleReason(known.condition, text, known.application)


def of_refusal(refused: Refused) -> JingleReason:
    if isinstance(refused, Unsupported):
        return JingleReason(refused.condition, refused.text)
    return to_jingle(refused.reason, refused.text)


def from_jingle(reason: JingleReason | None) -> tuple[Reason, str]:
    """What the peer's reason means; whoever ends a call without one has hung up."""
    if reason is None:
        return Reason.NORMAL, "hung up"
    known = _FROM_JINGLE.get(reason.condition, Reason.FAILURE)
    return known, f"the peer says {reason.condition}" + (f": {reason.text}" if reason.text else "")


def read_reason(parent: Element) -> JingleReason | None:
    """Of a Jingle or JMI element: its `<reason/>`, if it has one."""
    element = parent.find(f"{{{JINGLE}}}reason")
    if element is None:
        return None
    condition, text = "general-error", ""
    for child in element:
        if local_name(child) == "text":
            text = printable(child.text or "")
        elif namespace(child) == JINGLE:
            condition = local_name(child)[:40]
    return JingleReason(condition, text)


def write_reason(parent: Element, reason: JingleReason) -> None:
    element = SubElement(parent, f"{{{JINGLE}}}reason")
    SubElement(element, f"{{{JINGLE}}}{reason.condition}")
    if reason.application is not None:
        SubElement(element, reason.application)
    if reason.text:
        element.append(text_element(f"{{{JINGLE}}}text", reason.text))


def printable(text: str) -> str:
    """A stranger's words, made fit for one line of a log."""
    return "".join(c if c.isprintable() else " " for c in text[:MAX_TEXT]).strip()
