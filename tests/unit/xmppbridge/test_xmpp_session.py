"""XEP-0166's rules, one request at a time."""

import itertools
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gateway.errors import Reason
from gateway.ports import Candidate
from gateway.sdp import Attribute, MediaDescription, SessionDescription
from xmppbridge import jingle as jingles
from xmppbridge import session as sessions
from xmppbridge import stanza as stanzas
from xmppbridge.jid import Jid
from xmppbridge.jingle import RTP_INFO, Content, IceCandidate, Jingle, Transport
from xmppbridge.reasons import JINGLE, to_jingle
from xmppbridge.session import (
    ANSWER_TIMEOUT,
    MAX_SESSIONS_PER_ACCOUNT,
    CandidateCame,
    Ended,
    Initiated,
    MuteChanged,
    SessionKey,
    Sessions,
    TurnedAway,
)
from xmppbridge.stanza import Stanza, StanzaError

DIALECTS = Path(__file__).parent / "dialects"
ANSWER = SessionDescription(
    (
        MediaDescription(
            "audio",
            9,
            "UDP/TLS/RTP/SAVPF",
            ("111",),
            (
                Attribute("rtpmap", "111 opus/48000/2"),
                Attribute("rtcp-mux"),
                Attribute("ice-ufrag", "ours"),
                Attribute("ice-pwd", "p" * 22),
                Attribute("fingerprint", f"sha-256 {':'.join(['12'] * 32)}"),
                Attribute("setup", "active"),
            ),
        ),
    )
)
CANDIDATE = IceCandidate(1, "1", "192.0.2.9", 5000, 7, "udp", "host")
LINE = "1 1 udp 7 192.0.2.9 5000 typ host generation 0"


def read(client: str) -> Stanza:
    return stanzas.read(ElementTree.parse(DIALECTS / f"{client}.xml").getroot())


class Call:
    """A peer and our side, face to face."""

    def __init__(self, client: str = "stanzajs") -> None:
        numbers = itertools.count()
        self.sessions = Sessions(lambda: f"ours-{next(numbers)}")
        self.first = read(client)
        payload = self.first.child(sessions.TAG)
        assert payload is not None
        self.key = SessionKey(self.first.sender, payload.get("sid", ""))
        self.numbers = itertools.count()

    def initiate(self) -> "Call":
        self.sessions.receive_request(self.first, 0.0)
        return self

    def accept(self) -> "Call":
        self.sessions.accept(self.key, ANSWER, 0.0)
        return self

    def drained(self) -> "Call":
        self.sessions.stanzas_to_send()
        self.sessions.events()
        return self

    def request(self, action: str, *inner: Element, sender: Jid | None = None) -> Stanza:
        """Sends an action; returns the answer, which must come before all else."""
        element = jingles.write(Jingle(action, self.key.sid))
        element.extend(inner)
        stanza = Stanza(
            "iq",
            "set",
            sender or self.key.peer,
            self.first.to,
            f"theirs-{next(self.numbers)}",
            (element,),
        )
        before = len(self.sessions.stanzas_to_send())
        assert before == 0
        self.sessions.receive_request(stanza, 0.0)
        self.said = self.sessions.stanzas_to_send()
        assert self.said[0].id == stanza.id
        return self.said[0]

    def trickle(self, name: str = "0", ufrag: str = "4Fdv") -> Stanza:
        content = Content(name, transport=Transport(ufrag, "x", (), (CANDIDATE,)))
        element = jingles.write(Jingle("transport-info", self.key.sid, (content,)))
        return self.request("transport-info", *element)

    def respond(self, to: Stanza, error: StanzaError | None = None) -> None:
        kind = "result" if error is None else "error"
        self.sessions.receive_response(
            Stanza("iq", kind, self.key.peer, to.sender, to.id, error=error)
        )


def actions(said: list[Stanza]) -> list[str]:
    return [child.get("action", "") for stanza in said for child in stanza.payload]


def condition(answer: Stanza) -> str:
    assert answer.error is not None
    return (answer.error.application or answer.error.condition).rpartition("}")[2]


def info(what: str, **attributes: str) -> Element:
    return Element(f"{{{RTP_INFO}}}{what}", attributes)


def test_an_initiate_is_acknowledged_before_anything_else() -> None:
    call = Call().initiate()
    (acknowledgement,) = call.sessions.stanzas_to_send()
    assert (acknowledgement.type, acknowledgement.id) == ("result", "s1")
    (event,) = call.sessions.events()
    assert isinstance(event, Initiated)
    assert event.key == call.key


def test_ringing_and_accept_follow() -> None:
    call = Call().initiate().drained()
    call.sessions.ring(call.key, 0.0)
    call.accept()
    assert actions(call.sessions.stanzas_to_send()) == ["session-info", "session-accept"]


def test_a_second_initiate_with_the_same_sid_is_out_of_order() -> None:
    call = Call().initiate().drained()
    call.initiate()
    (answer,) = call.sessions.stanzas_to_send()
    assert condition(answer) == "out-of-order"
    assert call.sessions.events() == []
    assert call.key in call.sessions


def test_an_accept_from_the_initiator_is_out_of_order() -> None:
    call = Call().initiate().accept().drained()
    assert condition(call.request("session-accept")) == "out-of-order"


def test_a_third_party_that_guesses_the_sid_finds_no_session() -> None:
    call = Call().initiate().drained()
    for stranger in ("carol@example.org/other", "mallory@example.org/page", "carol@example.org"):
        answer = call.request("session-terminate", sender=Jid.parse(stranger))
        assert condition(answer) == "unknown-session"
    assert call.key in call.sessions
    assert call.sessions.events() == []


def test_a_session_with_one_room_is_unknown_to_another() -> None:
    call = Call().initiate().drained()
    element = jingles.write(Jingle("session-terminate", call.key.sid))
    other = Jid.parse("other@rooms.localhost/mix")
    call.sessions.receive_request(Stanza("iq", "set", call.key.peer, other, "x", (element,)), 0.0)
    assert condition(call.sessions.stanzas_to_send()[0]) == "unknown-session"
    assert call.key in call.sessions


def test_after_terminate_the_session_is_unknown() -> None:
    call = Call().initiate().drained()
    reason = SubElement(Element("x"), f"{{{JINGLE}}}reason")
    SubElement(reason, f"{{{JINGLE}}}cancel")
    assert call.request("session-terminate", reason).type == "result"
    (event,) = call.sessions.events()
    assert isinstance(event, Ended)
    assert event.reason is Reason.CANCELLED
    assert condition(call.request("session-info")) == "unknown-session"


def test_a_terminate_without_reason_is_a_hang_up() -> None:
    call = Call().initiate().accept().drained()
    call.request("session-terminate")
    assert call.sessions.events() == [Ended(call.key, Reason.NORMAL, "hung up")]


def test_candidates_wait_for_the_description() -> None:
    call = Call().initiate().drained()
    assert call.trickle().type == "result"
    assert call.sessions.events() == []
    call.accept()
    came = CandidateCame(call.key, Candidate("0", LINE))
    assert call.sessions.events() == [came]
    call.drained().trickle()
    assert call.sessions.events() == [came]


def test_candidates_of_another_ice_generation_or_content_are_not_ours() -> None:
    call = Call().initiate().accept().drained()
    call.trickle(ufrag="else")
    call.trickle(name="nonesuch")
    assert call.sessions.events() == []


def test_candidates_have_an_end() -> None:
    call = Call().initiate().accept().drained()
    for _ in range(sessions.MAX_CANDIDATES + 5):
        assert call.trickle().type == "result"
    assert len(call.sessions.events()) == sessions.MAX_CANDIDATES


def test_an_empty_session_info_is_a_ping() -> None:
    call = Call().initiate().drained()
    assert call.request("session-info").type == "result"


def test_an_unknown_session_info_is_unsupported() -> None:
    call = Call().initiate().drained()
    assert condition(call.request("session-info", Element("{urn:example}x"))) == "unsupported-info"


def test_mute_counts_from_the_accept_on() -> None:
    call = Call().initiate().drained()
    call.request("session-info", info("mute", creator="initiator", name="0"))
    assert call.sessions.events() == []
    call.accept().sessions.stanzas_to_send()
    call.request("session-info", info("unmute"))
    assert call.sessions.events() == [MuteChanged(call.key, True), MuteChanged(call.key, False)]


def test_muting_the_camera_does_not_mute_the_voice() -> None:
    call = Call("conversations").initiate().drained()
    call.sessions.accept(call.key, SessionDescription((*ANSWER.media, refused_video())), 0.0)
    call.drained()
    call.request("session-info", info("mute", creator="initiator", name="1"))
    assert call.sessions.events() == []


def refused_video() -> MediaDescription:
    return MediaDescription("video", 0, "UDP/TLS/RTP/SAVPF", ("96",))


def test_hold_is_acknowledged_and_changes_nothing() -> None:
    call = Call().initiate().accept().drained()
    for word in ("hold", "unhold", "active", "ringing"):
        assert call.request("session-info", info(word)).type == "result"
    assert call.sessions.events() == []


def test_a_video_content_that_cannot_be_answered_is_removed() -> None:
    call = Call("dino").initiate().drained()
    call.sessions.accept(call.key, SessionDescription((*ANSWER.media, refused_video())), 0.0)
    assert actions(call.sessions.stanzas_to_send()) == ["session-accept", "content-remove"]


def test_a_camera_that_comes_later_is_rejected() -> None:
    call = Call().initiate().accept().drained()
    content = SubElement(
        Element("x"), f"{{{JINGLE}}}content", {"creator": "initiator", "name": "v"}
    )
    assert call.request("content-add", content).type == "result"
    assert actions(call.said[1:]) == ["content-reject"]
    assert call.key in call.sessions


def test_taking_the_audio_back_ends_the_call() -> None:
    call = Call().initiate().accept().drained()
    content = SubElement(
        Element("x"), f"{{{JINGLE}}}content", {"creator": "initiator", "name": "0"}
    )
    call.request("content-remove", content)
    assert actions(call.said[1:]) == ["session-terminate"]
    (event,) = call.sessions.events()
    assert isinstance(event, Ended)


def test_another_transport_is_rejected_and_an_unknown_action_unsupported() -> None:
    call = Call().initiate().accept().drained()
    call.request("transport-replace")
    assert actions(call.said[1:]) == ["transport-reject"]
    assert condition(call.request("security-info")) == "feature-not-implemented"


def test_a_call_without_encryption_is_told_at_once_and_forgotten() -> None:
    call = Call("gajim").initiate()
    acknowledgement, terminate = call.sessions.stanzas_to_send()
    assert acknowledgement.type == "result"
    text = ElementTree.tostring(terminate.payload[0], encoding="unicode")
    assert "security-error" in text
    assert "crypto-required" in text
    (event,) = call.sessions.events()
    assert isinstance(event, TurnedAway)
    assert len(call.sessions) == 0


def test_an_accept_that_nobody_acknowledges_ends_the_session() -> None:
    call = Call().initiate().accept().drained()
    assert call.sessions.next_timeout() == ANSWER_TIMEOUT
    call.sessions.handle_timeout(ANSWER_TIMEOUT - 0.1)
    assert call.key in call.sessions
    call.sessions.handle_timeout(ANSWER_TIMEOUT)
    (event,) = call.sessions.events()
    assert isinstance(event, Ended)
    assert event.reason is Reason.CONNECTIVITY
    assert call.sessions.next_timeout() is None


def test_an_acknowledged_accept_waits_for_nothing_more() -> None:
    call = Call().initiate().accept()
    call.respond(call.sessions.stanzas_to_send()[-1])
    assert call.sessions.next_timeout() is None


def test_a_request_that_comes_back_ends_the_session_of_a_client_that_is_gone() -> None:
    call = Call().initiate().drained()
    call.sessions.ring(call.key, 0.0)
    (ringing,) = call.sessions.stanzas_to_send()
    call.respond(ringing, StanzaError("cancel", "service-unavailable"))
    (event,) = call.sessions.events()
    assert isinstance(event, Ended)
    assert call.sessions.stanzas_to_send() == []


def test_a_client_that_does_not_know_ringing_keeps_its_call() -> None:
    call = Call().initiate().drained()
    call.sessions.ring(call.key, 0.0)
    (ringing,) = call.sessions.stanzas_to_send()
    call.respond(ringing, StanzaError("cancel", "feature-not-implemented"))
    assert call.key in call.sessions


def test_a_refused_accept_ends_the_session_on_both_sides() -> None:
    call = Call().initiate().accept()
    accept = call.sessions.stanzas_to_send()[-1]
    call.respond(accept, StanzaError("modify", "bad-request"))
    assert actions(call.sessions.stanzas_to_send()) == ["session-terminate"]
    assert len(call.sessions) == 0


def test_a_stranger_cannot_answer_for_the_peer() -> None:
    call = Call().initiate().accept()
    accept = call.sessions.stanzas_to_send()[-1]
    stranger = Jid.parse("mallory@example.org/x")
    error = StanzaError("cancel", "item-not-found")
    call.sessions.receive_response(
        Stanza("iq", "error", stranger, accept.sender, accept.id, error=error)
    )
    assert call.key in call.sessions


def test_a_client_that_leaves_one_room_stays_in_the_other() -> None:
    call = Call().initiate().drained()
    call.sessions.peer_gone(call.key.peer, Jid.parse("other@rooms.localhost"))
    assert call.key in call.sessions
    call.sessions.peer_gone(call.key.peer, Jid.parse("demo@rooms.localhost"))
    assert call.key not in call.sessions


def test_an_account_has_so_many_calls_at_most() -> None:
    call = Call()
    for number in range(MAX_SESSIONS_PER_ACCOUNT + 1):
        element = ElementTree.parse(DIALECTS / "stanzajs.xml").getroot()
        jingle = element[0]
        jingle.set("sid", f"s{number}")
        call.sessions.receive_request(stanzas.read(element), 0.0)
    assert len(call.sessions) == MAX_SESSIONS_PER_ACCOUNT
    assert condition(call.sessions.stanzas_to_send()[-1]) == "resource-constraint"


def test_ending_twice_says_it_once() -> None:
    call = Call().initiate().drained()
    call.sessions.end(call.key, to_jingle(Reason.NORMAL))
    call.sessions.end(call.key, to_jingle(Reason.NORMAL))
    assert actions(call.sessions.stanzas_to_send()) == ["session-terminate"]
    assert call.sessions.events() == []
