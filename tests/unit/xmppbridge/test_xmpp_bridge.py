"""The bridge between a stream and a focus that both only remember; what a real Prosody cannot be
brought to do at the right moment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from gateway.address import Address
from gateway.errors import Reason, Refused
from gateway.ports import Answer, Candidate, Leg, Offer, ParticipantId, RoomName
from gateway.sdp import SessionDescription
from xmppbridge import bridge as bridges
from xmppbridge import jingle as jingles
from xmppbridge import stanza as stanzas
from xmppbridge.bridge import XmppBridge
from xmppbridge.component import Component
from xmppbridge.jid import Jid
from xmppbridge.jingle import Jingle
from xmppbridge.session import TAG
from xmppbridge.stanza import Stanza

DIALECTS = Path(__file__).parent / "dialects"
CALLER = Jid.parse("carol@example.org/page")
MIX = Jid.parse("demo@rooms.localhost/mix")
SID = "6f2c9e8a4b1d"
ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:ours\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\n"
    f"a=fingerprint:sha-256 {':'.join(['12'] * 32)}\r\n"
)


class RecordingComponent(Component):
    """A stream that goes nowhere."""

    sent: list[Stanza]

    async def start(self) -> None:
        self.sent = []

    async def stop(self) -> None:
        pass

    def send(self, stanza: Stanza) -> None:
        # Written as the real one would, so that what cannot be written fails here too.
        ElementTree.tostring(stanzas.write(stanza))
        self.sent.append(stanza)


class PatientFocus:
    """Lets the test decide when a join ends and how."""

    def __init__(self) -> None:
        self.joins: asyncio.Queue[tuple[Leg, Offer]] = asyncio.Queue()
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.left: list[tuple[ParticipantId, Reason]] = []
        self.candidates: list[Candidate] = []

    def route(self, to: Address, caller: Address) -> RoomName:
        if to.user == "broken":
            raise RuntimeError("a bug of ours")
        return RoomName(to.user)

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        SessionDescription.parse(offer.sdp)
        self.joins.put_nowait((leg, offer))
        return await self.answer

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        raise AssertionError

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        raise AssertionError

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        raise AssertionError

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        raise RuntimeError("a bug of ours")

    def mute(self, leg: ParticipantId, muted: bool) -> None: ...

    def confirm(self, leg: ParticipantId) -> None: ...

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        self.left.append((leg, reason))


class Scene:
    """A bridge with its two sides in hand."""

    def __init__(self) -> None:
        self.focus = PatientFocus()
        self.bridge = XmppBridge(component="rooms.localhost", secret="x")

    @property
    def sent(self) -> list[Stanza]:
        component = self.bridge._component
        assert isinstance(component, RecordingComponent)
        return component.sent

    @property
    def actions(self) -> list[str]:
        return [e.get("action", stanzas.local_name(e)) for s in self.sent for e in s.payload[:1]]

    def initiate(self, to: Jid = MIX) -> None:
        element = ElementTree.parse(DIALECTS / "stanzajs.xml").getroot()
        element.set("to", str(to))
        self.bridge.on_stanza(stanzas.read(element))

    def request(self, jingle: Jingle | Element) -> None:
        element = jingles.write(jingle) if isinstance(jingle, Jingle) else jingle
        self.bridge.on_stanza(Stanza("iq", "set", CALLER, MIX, "q1", (element,)))

    async def joining(self) -> Leg:
        leg, _ = await self.focus.joins.get()
        return leg

    async def settle(self) -> None:
        await asyncio.gather(*self.bridge._joining)

    async def answered(self) -> Leg:
        self.initiate()
        leg = await self.joining()
        self.focus.answer.set_result(Answer(ANSWER))
        await self.settle()
        assert self.actions[-1] == "session-accept"
        return leg


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(bridges, "Component", RecordingComponent)
    scene = Scene()
    await scene.bridge.start(scene.focus)
    yield scene
    await scene.bridge.stop()
    assert scene.bridge.inventory() == {"jingle_sessions": 0, "jmi_proposals": 0}


async def test_a_caller_that_hangs_up_before_the_answer_leaves_nothing(scene: Scene) -> None:
    scene.initiate()
    leg = await scene.joining()
    scene.request(Jingle("session-terminate", SID))
    assert scene.focus.left == [(leg.id, Reason.NORMAL)]
    scene.focus.answer.set_result(Answer(ANSWER))
    await scene.settle()
    assert "session-accept" not in scene.actions
    # The focus may have taken the first word for a leg that it did not know yet.
    assert scene.focus.left[1:] == [(leg.id, Reason.CANCELLED)]


async def test_a_refused_join_is_told_in_jingle_s_words(scene: Scene) -> None:
    scene.initiate()
    await scene.joining()
    scene.focus.answer.set_exception(Refused(Reason.MEDIA, "no codec in common"))
    await scene.settle()
    text = ElementTree.tostring(scene.sent[-1].payload[0], encoding="unicode")
    assert "incompatible-parameters" in text
    assert "no codec in common" in text
    assert scene.focus.left == []


async def test_a_gateway_without_ports_names_a_resource_constraint(scene: Scene) -> None:
    scene.initiate()
    await scene.joining()
    scene.focus.answer.set_exception(Refused(Reason.OVERLOADED, "no RTP port is free"))
    await scene.settle()
    (reason,) = scene.sent[-1].payload[0]
    assert [one.tag for one in reason] == [
        "{urn:xmpp:jingle:1}busy",
        "{urn:ietf:params:xml:ns:xmpp-stanzas}resource-constraint",
        "{urn:xmpp:jingle:1}text",
    ]


async def test_a_bug_in_the_join_ends_that_call_with_general_error(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.initiate()
    leg = await scene.joining()
    scene.focus.answer.set_exception(RuntimeError("a bug of ours"))
    await scene.settle()
    assert scene.actions[-1] == "session-terminate"
    assert scene.focus.left == [(leg.id, Reason.FAILURE)]
    assert "a bug of ours" in caplog.text


async def test_media_that_never_gets_ready_ends_the_call(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridges, "JOIN_TIMEOUT", 0.01)
    scene.initiate()
    await scene.joining()
    await scene.settle()
    assert scene.actions[-1] == "session-terminate"


async def test_a_bug_over_one_stanza_is_answered_and_ends_its_call_alone(scene: Scene) -> None:
    leg = await scene.answered()
    candidate = jingles.IceCandidate(1, "1", "192.0.2.9", 5000, 7, "udp", "host")
    content = jingles.Content("0", transport=jingles.Transport("4Fdv", "x", (), (candidate,)))
    scene.request(Jingle("transport-info", SID, (content,)))
    assert [s.type for s in scene.sent if s.id == "q1"] == ["result"]
    assert scene.focus.left == [(leg.id, Reason.FAILURE)]
    assert scene.actions[-1] == "session-terminate"


async def test_a_request_that_cannot_be_treated_is_answered_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(stanza: Stanza) -> Stanza:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(bridges.disco, "answer", fail)
    scene.request(Element("{urn:x}y"))
    (answer,) = scene.sent
    assert answer.error == stanzas.INTERNAL_ERROR


async def test_calls_end_when_the_server_stays_away(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = await scene.answered()
    scene.bridge.on_offline()
    scene.bridge.on_online()
    assert scene.focus.left == []
    monkeypatch.setattr(bridges, "GRACE", 0.0)
    scene.bridge.on_offline()
    await asyncio.sleep(0.01)
    assert scene.focus.left == [(leg.id, Reason.CONNECTIVITY)]


async def test_the_focus_hangs_up_and_is_not_told_to_leave(scene: Scene) -> None:
    leg = await scene.answered()
    leg.hang_up(Reason.NORMAL, "the conference is over")
    assert scene.actions[-1] == "session-terminate"
    assert scene.focus.left == []


async def test_stopping_ends_calls_in_jingle_s_words(scene: Scene) -> None:
    leg = await scene.answered()
    await scene.bridge.stop()
    assert scene.actions[-1] == "session-terminate"
    assert scene.focus.left == [(leg.id, Reason.SHUTDOWN)]


async def test_stopping_while_a_call_joins_waits_for_nothing(scene: Scene) -> None:
    scene.initiate()
    await scene.joining()
    async with asyncio.timeout(1):
        await scene.bridge.stop()
    assert scene.actions[-1] == "session-terminate"


async def test_a_chat_message_comes_back_with_an_error(scene: Scene) -> None:
    body = Element("{jabber:client}body")
    scene.bridge.on_stanza(Stanza("message", "chat", CALLER, MIX.bare, "m1", (body,)))
    assert scene.sent[-1].type == "error"
    scene.bridge.on_stanza(Stanza("message", "error", CALLER, MIX.bare, "m2", (body,)))
    assert len(scene.sent) == 1


async def test_a_finish_without_terminate_ends_the_call(scene: Scene) -> None:
    propose = Element("{urn:xmpp:jingle-message:0}propose", {"id": SID})
    scene.bridge.on_stanza(Stanza("message", "chat", CALLER, MIX.bare, "m1", (propose,)))
    assert scene.actions == ["ringing", "proceed"]
    leg = await scene.answered()
    finish = Element("{urn:xmpp:jingle-message:0}finish", {"id": SID})
    scene.bridge.on_stanza(Stanza("message", "chat", CALLER, MIX.bare, "m2", (finish,)))
    assert scene.focus.left == [(leg.id, Reason.NORMAL)]
    assert scene.actions[-2:].count("session-terminate") == 1
    assert scene.actions.count("finish") == 1


async def test_every_stanza_names_the_call_that_it_is_about(scene: Scene) -> None:
    leg = await scene.answered()
    assert leg.id.startswith("xmpp-")
    assert leg.name == "carol"
    jingle = scene.sent[-1].child(TAG)
    assert jingle is not None
    assert jingle.get("sid") == SID
