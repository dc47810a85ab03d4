"""Envelopes, addresses, reasons and what we say we can do."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, fromstring

import pytest

from gateway.errors import Reason, Refused
from xmppbridge import disco, presence, stanza
from xmppbridge.disco import CAPS, INFO, NODE, Capabilities, Identity
from xmppbridge.jid import Jid
from xmppbridge.jingle import read as read_jingle
from xmppbridge.leg import display_name
from xmppbridge.reasons import from_jingle, read_reason, to_jingle, write_reason
from xmppbridge.stanza import Stanza, StanzaError

PERSON = Jid.parse("alice@example.org/phone")
ROOM = Jid.parse("demo@rooms.localhost")
MIX = Jid.parse("demo@rooms.localhost/mix")


def get(xml: str, to: Jid = MIX) -> Stanza:
    return disco.answer(Stanza("iq", "get", PERSON, to, "i1", (fromstring(xml),)))


def test_a_stanza_with_an_error_reads_back_the_same() -> None:
    error = StanzaError("cancel", "item-not-found", "no", "{urn:x}unknown-session")
    sent = Stanza("iq", "error", PERSON, ROOM, "i1", error=error)
    assert stanza.read(stanza.write(sent)) == sent


def test_characters_that_no_xml_can_carry_are_left_out() -> None:
    error = StanzaError("cancel", "bad-request", "a\x00b\x1bc\ud800d\uffffe")
    text = ElementTree.tostring(stanza.write(Stanza("iq", "error", PERSON, ROOM, error=error)))
    assert b"abcde" in text
    fromstring(text)


@pytest.mark.parametrize(
    "attributes", [{}, {"from": "a@b"}, {"to": "a@b"}, {"from": "@", "to": "a"}]
)
def test_a_stanza_without_two_addresses_is_none(attributes: dict[str, str]) -> None:
    with pytest.raises(Refused):
        stanza.read(Element("{jabber:client}iq", attributes))


def test_a_jid_may_have_at_signs_and_slashes_in_its_resource() -> None:
    jid = Jid.parse("alice@Example.org/a@b/c")
    assert (jid.user, jid.host, jid.resource) == ("alice", "example.org", "a@b/c")
    assert str(jid) == "alice@example.org/a@b/c"


def test_escaped_characters_are_people_s_own() -> None:
    assert display_name(Jid.parse("d\\27artagnan\\20jr@musketeers.lit/x")) == "d'artagnan jr"
    assert display_name(Jid.parse("example.org")) == "example.org"
    assert len(display_name(Jid("x" * 300, "h"))) == 64


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_word_in_jingle(reason: Reason) -> None:
    parent = Element("{urn:xmpp:jingle:1}jingle")
    write_reason(parent, to_jingle(reason, "because"))
    read = read_reason(parent)
    assert read is not None
    assert read.text == "because"
    assert isinstance(from_jingle(read)[0], Reason)


def test_the_hash_is_that_of_the_specification() -> None:
    # XEP-0115, section 5.2.
    features = {CAPS, INFO, "http://jabber.org/protocol/disco#items"}
    features.add("http://jabber.org/protocol/muc")
    exodus = Capabilities(Identity("client", "pc", "Exodus 0.9.1"), frozenset(features))
    assert exodus.ver == "QgayPKawpkPSDYmwT/WM94uAlu0="


def test_every_address_answers_for_itself_and_for_its_caps_node() -> None:
    query = f'<query xmlns="{INFO}"/>'
    node = f'<query xmlns="{INFO}" node="{NODE}#{disco.ROOM.ver}"/>'
    for address in (MIX, ROOM, Jid.parse("another@rooms.localhost/x")):
        assert get(query, address).type == "result"
        assert get(node, address).type == "result"
    domain = get(query, Jid.parse("rooms.localhost"))
    assert domain.payload[0][0].get("category") == "gateway"


def test_an_unknown_node_or_query_is_an_error() -> None:
    assert get(f'<query xmlns="{INFO}" node="x#y"/>').type == "error"
    assert get('<what xmlns="urn:x"/>').type == "error"
    assert disco.answer(Stanza("iq", "get", PERSON, MIX, "i1")).type == "error"


def test_ping_version_and_items_are_answered() -> None:
    assert get('<ping xmlns="urn:xmpp:ping"/>').type == "result"
    assert get('<query xmlns="jabber:iq:version"/>').payload[0][0].text == "Trestle"
    assert get('<query xmlns="http://jabber.org/protocol/disco#items"/>').type == "result"


def test_who_subscribes_is_let_in_and_sees_the_room() -> None:
    subscribed, available = presence.answer(Stanza("presence", "subscribe", PERSON.bare, ROOM))
    assert (subscribed.type, subscribed.sender, subscribed.to) == ("subscribed", ROOM, PERSON.bare)
    assert (available.type, available.sender) == ("", MIX)
    assert available.payload[0].get("ver") == disco.ROOM.ver


def test_a_probe_is_answered_and_other_presence_is_not() -> None:
    assert len(presence.answer(Stanza("presence", "probe", PERSON, ROOM))) == 1
    for kind in ("", "subscribed", "unsubscribed"):
        assert presence.answer(Stanza("presence", kind, PERSON, ROOM)) == ()


@pytest.mark.parametrize(
    "inner",
    [
        '<content name="a b"/>',
        '<content name="a&#10;b"/>',
        "<content/>",
        '<content name="a"/><content name="a"/>',
        '<content name="a" senders="all"/>',
        "".join(f'<content name="c{n}"/>' for n in range(9)),
        '<content name="a"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">'
        '<payload-type id="128" name="x"/></description></content>',
        '<content name="a"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">'
        '<payload-type id="1" name="x"><parameter name="p" value="a&#13;&#10;a=b"/>'
        "</payload-type></description></content>",
        '<content name="a"><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1">'
        '<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256">xyz</fingerprint>'
        "</transport></content>",
    ],
)
def test_what_could_not_stand_in_a_session_description_is_refused(inner: str) -> None:
    xml = f'<jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s">{inner}</jingle>'
    with pytest.raises(Refused) as refused:
        read_jingle(fromstring(xml))
    assert refused.value.reason is Reason.BAD_REQUEST
