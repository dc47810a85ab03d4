"""PURE: presence of rooms without any state (RFC 6121, sections 3 and 4).

A room is always there: it says yes to whoever wants to see it, forgets at once that it did, and
answers when a server asks. Keeping subscriptions would mean losing them: slixmpp's own roster
lives in memory and answers probes of contacts it forgot with `unsubscribed`.
"""

from xmppbridge.disco import caps_element
from xmppbridge.jid import Jid
from xmppbridge.jmi import RESOURCE
from xmppbridge.stanza import Stanza


def answer(stanza: Stanza) -> tuple[Stanza, ...]:
    """To subscribe, unsubscribe and probe; all other presence asks for nothing."""
    person = stanza.sender.bare
    room = stanza.to.bare
    match stanza.type:
        case "subscribe":
            return Stanza("presence", "subscribed", room, person), _available(room, person)
        case "unsubscribe":
            return (Stanza("presence", "unsubscribed", room, person),)
        case "probe":
            return (_available(room, stanza.sender),)
    return ()


def _available(room: Jid, to: Jid) -> Stanza:
    """From the address that calls should go to: clients look for a resource with caps."""
    source = Jid(room.user, room.host, RESOURCE) if room.user else room
    return Stanza("presence", "", source, to, payload=(caps_element(source),))
