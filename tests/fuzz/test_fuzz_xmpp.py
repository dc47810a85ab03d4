"""Whatever a stranger's client sends: an answer for them, nothing for anybody else."""

import itertools
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.sdp import SessionDescription
from xmppbridge import disco, jingle, presence, sdp, stanza
from xmppbridge.jid import Jid
from xmppbridge.jmi import JMI, Proposals
from xmppbridge.reasons import JINGLE
from xmppbridge.session import TAG, SessionKey, Sessions
from xmppbridge.stanza import Stanza

DIALECTS = Path(__file__).parents[1] / "unit" / "xmppbridge" / "dialects"
VICTIM = Jid.parse("victim@example.org/a")
MALLORY = Jid.parse("mallory@example.org/b")
ROOM = Jid.parse("demo@rooms.localhost/mix")

NAMESPACES = (
    *(JINGLE, JMI, jingle.RTP, jingle.RTP_INFO, jingle.ICE_UDP, jingle.DTLS, jingle.GROUPING),
    *(jingle.HEADER_EXTENSIONS, jingle.SOURCES, disco.INFO, "urn:example"),
)
NAMES = (
    *("jingle", "content", "description", "transport", "payload-type", "parameter", "candidate"),
    *("fingerprint", "group", "source", "rtp-hdrext", "rtcp-mux", "reason", "text", "success"),
    *("mute", "unmute", "ringing", "propose", "retract", "finish", "query"),
)
ATTRIBUTES = (
    *("action", "sid", "name", "creator", "senders", "media", "id", "clockrate", "channels"),
    *("value", "ufrag", "pwd", "hash", "setup", "component", "foundation", "ip", "port"),
    *("priority", "protocol", "type", "rel-addr", "rel-port", "semantics", "ssrc", "uri", "node"),
)
ACTIONS = (
    *("session-initiate", "session-accept", "session-info", "session-terminate"),
    *("transport-info", "transport-replace", "transport-accept", "content-add", "content-remove"),
    *("content-modify", "content-reject", "description-info", "security-info", "x"),
)
WORDS = (
    *("audio", "video", "0", "1", "111", "-1", "99999999999", "both", "none", "initiator"),
    *("sha-256", "active", "udp", "host", "192.0.2.1", "::1", "x.local", "BUNDLE", "opus"),
    *("a\r\na=b", " ", "", "\x00", "é", "٣", ":".join(["AB"] * 32), *ACTIONS),
)

words = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
tags = st.builds("{{{}}}{}".format, st.sampled_from(NAMESPACES), st.sampled_from(NAMES))
attributes = st.dictionaries(st.sampled_from(ATTRIBUTES), words, max_size=6)


def element(tag: str, attributes: dict[str, str], text: str, children: list[Element]) -> Element:
    made = Element(tag, attributes)
    made.text = text
    made.extend(children)
    return made


trees = st.recursive(
    st.builds(element, tags, attributes, words, st.just([])),
    lambda inner: st.builds(element, tags, attributes, words, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mutants(draw: st.DrawFn) -> Element:
    """A real client's session-initiate with a few places changed: gets deeper than noise."""
    client = draw(st.sampled_from(["dino", "conversations", "stanzajs", "gajim"]))
    root = ElementTree.parse(DIALECTS / f"{client}.xml").getroot()[0]
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(list(root.iter())))
        change = draw(st.sampled_from(["set", "drop", "text", "add", "repeat"]))
        if change == "set":
            place.set(draw(st.sampled_from(ATTRIBUTES)), draw(words))
        elif change == "drop" and place.attrib:
            del place.attrib[draw(st.sampled_from(sorted(place.attrib)))]
        elif change == "text":
            place.text = draw(words)
        elif change == "add":
            place.append(draw(trees))
        elif change == "repeat" and len(place):
            place.append(draw(st.sampled_from(list(place))))
    return root


@settings(deadline=None)
@given(st.one_of(trees, mutants()))
def test_a_jingle_request_is_read_or_refused_and_never_breaks_out_of_its_lines(
    tree: Element,
) -> None:
    try:
        offer = sdp.offer(jingle.read(tree))
    except Refused:
        return
    again = SessionDescription.parse(str(offer))
    assert len(again.media) == len(offer.media)
    for ours, theirs in zip(offer.media, again.media, strict=True):
        assert [a.name for a in ours.attributes] == [a.name for a in theirs.attributes]


@settings(deadline=None)
@given(trees, st.sampled_from(["get", "set", "result", "error", "chat", "probe", "x"]))
def test_no_stanza_breaks_the_simple_answers(tree: Element, kind: str) -> None:
    sent = Stanza("iq", kind, MALLORY, ROOM, "i", (tree,))
    stanza.read(stanza.write(sent))
    if kind in ("get", "set"):
        stanza.write(disco.answer(sent))
    presence.answer(Stanza("presence", kind, MALLORY, ROOM, "p", (tree,)))
    proposals = Proposals()
    proposals.receive_message(Stanza("message", kind, MALLORY, ROOM, "m", (tree,)), 0.0)
    for event in proposals.events():
        proposals.ring_and_proceed(event.key)
    proposals.handle_timeout(1e9)
    assert len(proposals) == 0


requests = st.one_of(
    mutants(),
    st.builds(
        lambda action, children: element(TAG, {"action": action, "sid": "v"}, "", children),
        st.sampled_from(ACTIONS),
        st.lists(trees, max_size=3),
    ),
)


@settings(deadline=None)
@given(st.lists(st.tuples(requests, st.booleans()), min_size=1, max_size=6))
def test_a_stranger_never_touches_the_victim_s_session(
    moves: list[tuple[Element, bool]],
) -> None:
    numbers = itertools.count()
    sessions = Sessions(lambda: f"ours-{next(numbers)}")
    call = ElementTree.parse(DIALECTS / "stanzajs.xml").getroot()[0]
    call.set("sid", "v")
    sessions.receive_request(Stanza("iq", "set", VICTIM, ROOM, "v1", (call,)), 0.0)
    sessions.events()
    sessions.stanzas_to_send()
    victim = SessionKey(VICTIM, "v")
    for tree, as_answer in moves:
        sent = Stanza("iq", "set", MALLORY, ROOM, "m1", (tree,))
        if tree.tag == TAG:
            sessions.receive_request(sent, 1.0)
            replies = [s for s in sessions.stanzas_to_send() if s.id == "m1"]
            assert len(replies) == 1
        if as_answer:
            sessions.receive_response(Stanza("iq", "error", MALLORY, ROOM, "ours-0"))
        assert all(event.key.peer == MALLORY for event in sessions.events())
        assert victim in sessions
