"""PURE: what we say we can do: XEP-0030, its hash in presence (XEP-0115), ping and version.

Every address of the component answers alike, also for the node `<NODE>#<ver>`: some clients
(Gajim) look only there, and believe it only when the hash is the true one.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from xmppbridge.jid import Jid
from xmppbridge.jingle import DTLS, GROUPING, HEADER_EXTENSIONS, ICE_UDP, RTP, RTP_AUDIO, SOURCES
from xmppbridge.jmi import JMI
from xmppbridge.reasons import JINGLE
from xmppbridge.stanza import PING, SERVICE_UNAVAILABLE, Stanza, StanzaError, text_element

INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
CAPS = "http://jabber.org/protocol/caps"
VERSION = "jabber:iq:version"

NODE = "urn:x-trestle:gateway"
NAME = "Trestle"


@dataclass(frozen=True, slots=True)
class Identity:
    """XEP-0030, section 3.1; registered at xmpp.org/registrar/disco-categories.html."""

    category: str
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one address is and can do."""

    identity: Identity
    features: frozenset[str]

    @property
    def ver(self) -> str:
        """XEP-0115, section 5.1."""
        one = self.identity
        parts = [f"{one.category}/{one.type}//{one.name}", *sorted(self.features)]
        digest = hashlib.sha1("".join(f"{part}<" for part in parts).encode()).digest()
        return base64.b64encode(digest).decode()


_BASE = frozenset({INFO, ITEMS, CAPS, PING, VERSION})

ROOM = Capabilities(
    # Clients offer calls to what looks like somebody's client; they offer "join" to conferences.
    Identity("client", "pc", NAME),
    _BASE
    | {
        JINGLE,
        JMI,
        RTP,
        RTP_AUDIO,
        ICE_UDP,
        DTLS,
        GROUPING,
        HEADER_EXTENSIONS,
        SOURCES,
    },
)
"""Of `<room>@<component>`, with and without resource. Conversations asks for JINGLE, ICE_UDP, RTP,
DTLS and audio before it shows a call button."""

DOMAIN = Capabilities(Identity("gateway", "sip", NAME), _BASE)
"""Of the component's own address."""


def capabilities(of: Jid) -> Capabilities:
    return ROOM if of.user else DOMAIN


def caps_element(of: Jid) -> Element:
    """What stands in every presence."""
    attributes = {"hash": "sha-1", "node": NODE, "ver": capabilities(of).ver}
    return Element(f"{{{CAPS}}}c", attributes)


def answer(stanza: Stanza) -> Stanza:
    """The result of an IQ get; an error for what we know nothing of (RFC 6120, section 8.4)."""
    if stanza.type == "get" and len(stanza.payload) == 1:
        query = stanza.payload[0]
        match query.tag:
            case "{http://jabber.org/protocol/disco#info}query":
                return _info(stanza, query.get("node", ""))
            case "{http://jabber.org/protocol/disco#items}query":
                # Rooms are not listed: who is to come knows the address.
                return stanza.reply(Element(f"{{{ITEMS}}}query", _node(query)))
            case "{jabber:iq:version}query":
                return stanza.reply(_version())
            case "{urn:xmpp:ping}ping":
                return stanza.reply()
    return stanza.refuse(SERVICE_UNAVAILABLE)


def _info(stanza: Stanza, node: str) -> Stanza:
    known = capabilities(stanza.to)
    if node not in ("", f"{NODE}#{known.ver}"):
        return stanza.refuse(StanzaError("cancel", "item-not-found"))
    query = Element(f"{{{INFO}}}query", {"node": node} if node else {})
    one = known.identity
    attributes = {"category": one.category, "type": one.type, "name": one.name}
    SubElement(query, f"{{{INFO}}}identity", attributes)
    _features(query, sorted(known.features))
    return stanza.reply(query)


def _features(query: Element, features: Iterable[str]) -> None:
    for feature in features:
        SubElement(query, f"{{{INFO}}}feature", {"var": feature})


def _node(query: Element) -> dict[str, str]:
    node = query.get("node")
    return {"node": node} if node else {}


def _version() -> Element:
    """XEP-0092 wants both; the exact version is nobody's business but the admin's."""
    query = Element(f"{{{VERSION}}}query")
    query.append(text_element(f"{{{VERSION}}}name", NAME))
    query.append(text_element(f"{{{VERSION}}}version", "0"))
    return query
