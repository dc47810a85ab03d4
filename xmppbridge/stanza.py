"""PURE: stanzas (RFC 6120, section 8) as values, to and from `xml.etree` elements.

The stream is a component's (XEP-0114): its stanzas stand in `jabber:component:accept`, but servers
pass the insides of clients' stanzas on in `jabber:client`, so both are read alike. What a payload
means is the business of `jingle`, `jmi` and `disco`.
"""

from dataclasses import dataclass
from typing import Literal, cast
from xml.etree.ElementTree import Element, SubElement

from gateway.errors import Reason, Refused
from xmppbridge.jid import Jid

COMPONENT = "jabber:component:accept"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PING = "urn:xmpp:ping"
HINTS = "urn:xmpp:hints"
DELAY = "urn:xmpp:delay"

Kind = Literal["iq", "message", "presence"]
_KINDS = ("iq", "message", "presence")

MAX_ID = 1023


@dataclass(frozen=True, slots=True)
class StanzaError:
    """RFC 6120, section 8.3; `application` is a protocol's own condition, as a qualified tag."""

    type: str
    condition: str
    text: str = ""
    application: str | None = None


@dataclass(frozen=True, slots=True)
class Stanza:
    """One stanza: its envelope as values, its payload as elements that nobody changes."""

    kind: Kind
    type: str
    sender: Jid
    to: Jid
    id: str = ""
    payload: tuple[Element, ...] = ()
    error: StanzaError | None = None

    def child(self, tag: str) -> Element | None:
        return next((element for element in self.payload if element.tag == tag), None)

    def reply(self, *payload: Element) -> "Stanza":
        """The result of an IQ request."""
        return Stanza("iq", "result", self.to, self.sender, self.id, payload)

    def refuse(self, error: StanzaError) -> "Stanza":
        """The stanza sent back with an error; never for one that is an error itself."""
        assert self.type not in ("error", "result")
        return Stanza(self.kind, "error", self.to, self.sender, self.id, error=error)


SERVICE_UNAVAILABLE = StanzaError("cancel", "service-unavailable")
INTERNAL_ERROR = StanzaError("wait", "internal-server-error", "the gateway failed on this stanza")


def read(element: Element) -> Stanza:
    """Raises `Refused` (bad-request) for what is no stanza between two addresses."""
    kind = local_name(element)
    sender, to = element.get("from"), element.get("to")
    if kind not in _KINDS or not sender or not to:
        raise Refused(Reason.BAD_REQUEST, f"{kind[:40]!r} is no stanza with a from and a to")
    stanza_id = element.get("id", "")
    if len(stanza_id) > MAX_ID:
        raise Refused(Reason.BAD_REQUEST, f"a stanza id has more than {MAX_ID} characters")
    payload = tuple(child for child in element if local_name(child) != "error")
    return Stanza(
        cast("Kind", kind),
        element.get("type", "normal" if kind == "message" else ""),
        Jid.parse(sender),
        Jid.parse(to),
        stanza_id,
        payload,
        _read_error(element) if element.get("type") == "error" else None,
    )


def write(stanza: Stanza) -> Element:
    attributes = {"from": str(stanza.sender), "to": str(stanza.to)}
    if stanza.type:
        attributes["type"] = stanza.type
    if stanza.id:
        attributes["id"] = stanza.id
    element = Element(f"{{{COMPONENT}}}{stanza.kind}", attributes)
    element.extend(stanza.payload)
    if stanza.error is not None:
        _write_error(element, stanza.error)
    return element


def local_name(element: Element) -> str:
    """The tag without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(element: Element) -> str:
    tag = element.tag
    return tag[1:].rpartition("}")[0] if isinstance(tag, str) and tag[:1] == "{" else ""


def text_element(tag: str, text: str) -> Element:
    element = Element(tag)
    element.text = xml_text(text)
    return element


def xml_text(text: str) -> str:
    """Without characters that no XML document can carry: one would end the whole stream."""
    return "".join(character for character in text if _is_xml(ord(character)))


def _is_xml(code: int) -> bool:
    """Char of XML 1.0, section 2.2."""
    if code < 0x20:
        return code in (0x9, 0xA, 0xD)
    return code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def _read_error(element: Element) -> StanzaError:
    error = next((child for child in element if local_name(child) == "error"), None)
    if error is None:
        return StanzaError("cancel", "undefined-condition")
    condition, text, application = "undefined-condition", "", None
    for child in error:
        if namespace(child) != STANZAS:
            application = child.tag
        elif local_name(child) == "text":
            text = (child.text or "")[:500]
        else:
            condition = local_name(child)
    return StanzaError(error.get("type", "cancel"), condition, text, application)


def _write_error(element: Element, error: StanzaError) -> None:
    child = SubElement(element, f"{{{COMPONENT}}}error", {"type": error.type})
    SubElement(child, f"{{{STANZAS}}}{error.condition}")
    if error.text:
        child.append(text_element(f"{{{STANZAS}}}text", error.text))
    if error.application is not None:
        SubElement(child, error.application)
