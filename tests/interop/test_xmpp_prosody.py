"""The XMPP bridge behind a real Prosody, called by a real client (slixmpp)."""

import asyncio
import base64
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from slixmpp import ClientXMPP
from slixmpp.xmlstream import StanzaBase

from gateway.address import Address
from gateway.errors import Reason, Refused, TrestleError
from gateway.ports import Answer, Candidate, Leg, Offer, ParticipantId, RoomName
from gateway.sdp import Attribute, MediaDescription, SessionDescription
from support.sockets import free_ports
from xmppbridge.bridge import XmppBridge
from xmppbridge.prosody import EmbeddedProsody

DOMAIN = "localhost"
ROOMS = "rooms.localhost"
MIX = f"demo@{ROOMS}/mix"
DISCO = "http://jabber.org/protocol/disco#info"
CAPS = "http://jabber.org/protocol/caps"
JINGLE = "urn:xmpp:jingle:1"
ERRORS = "urn:xmpp:jingle:errors:1"
JMI = "urn:xmpp:jingle-message:0"
FINGERPRINT = ":".join(["AB"] * 32)

INITIATE = f"""
<jingle xmlns="{JINGLE}" action="session-initiate" sid="{{sid}}" initiator="someone@else/x">
  <content creator="initiator" name="audio">
    <description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">
      <payload-type id="111" name="opus" clockrate="48000" channels="2"/><rtcp-mux/>
    </description>
    <transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="abcd" pwd="0123456789abcdefghij">
      {{fingerprint}}
    </transport>
  </content>
</jingle>"""
SECURE = (
    '<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="actpass">'
    f"{FINGERPRINT}</fingerprint>"
)


class OneRoomFocus:
    """Answers as a media plane would: Opus on an address of ours. Only `demo` exists."""

    def __init__(self) -> None:
        self.legs: dict[ParticipantId, Leg] = {}
        self.offers: list[SessionDescription] = []
        self.candidates: list[Candidate] = []
        self.muted: list[bool] = []
        self.confirmed: list[ParticipantId] = []
        self.left: asyncio.Queue[tuple[Reason, str]] = asyncio.Queue()
        self.joined: asyncio.Queue[Leg] = asyncio.Queue()

    def route(self, to: Address, caller: Address) -> RoomName:
        if to.user != "demo":
            raise Refused(Reason.NOT_FOUND, f"there is no conference {to.user!r}")
        return RoomName(to.user)

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        description = SessionDescription.parse(offer.sdp)
        self.offers.append(description)
        self.legs[leg.id] = leg
        self.joined.put_nowait(leg)
        section = MediaDescription(
            "audio",
            9,
            "UDP/TLS/RTP/SAVPF",
            ("111",),
            (
                Attribute("mid", description.media[0].mid),
                Attribute("rtpmap", "111 opus/48000/2"),
                Attribute("rtcp-mux"),
                Attribute("ice-ufrag", "ours"),
                Attribute("ice-pwd", "ourpassword0123456789ab"),
                Attribute("fingerprint", f"sha-256 {FINGERPRINT}"),
                Attribute("setup", "active"),
                Attribute("candidate", "1 1 udp 2130706431 192.0.2.1 40000 typ host"),
            ),
        )
        return Answer(str(SessionDescription((section,))))

    def confirm(self, leg: ParticipantId) -> None:
        self.confirmed.append(leg)

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        raise AssertionError("XMPP clients always offer")

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        raise AssertionError("XMPP clients always offer")

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        raise AssertionError("not in this issue")

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        assert leg in self.legs
        self.candidates.append(candidate)

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        assert leg in self.legs
        self.muted.append(muted)

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        if self.legs.pop(leg, None) is not None:
            self.left.put_nowait((reason, text))


class Client:
    """A person's client: sends what it is told, keeps what it gets, acknowledges requests."""

    def __init__(self, prosody: EmbeddedProsody, name: str, port: int) -> None:
        self._stream = ClientXMPP(f"{name}@{DOMAIN}/py", f"{name}-pw")
        self._stream.enable_direct_tls = False
        self._stream.ca_certs = str(prosody.certificate)
        self._port = port
        self._arrived = asyncio.Event()
        self.received: list[Element] = []
        self._stream.add_filter("in", self._take)

    @property
    def jid(self) -> str:
        return str(self._stream.boundjid)

    async def login(self) -> None:
        online = asyncio.get_running_loop().create_future()
        self._stream.add_event_handler("session_start", online.set_result, disposable=True)
        self._stream.connect("127.0.0.1", self._port)
        async with asyncio.timeout(10):
            await online
        # Who asks for the roster is told of its changes (RFC 6121, section 2.2).
        await self.ask('<query xmlns="jabber:iq:roster"/>', str(self._stream.boundjid.bare))
        self.send("<presence/>")

    async def logout(self) -> None:
        await self._stream.disconnect(wait=1.0)
        sender = self._stream._run_out_filters
        assert sender is not None
        sender.cancel()
        await asyncio.wait([sender])

    async def disconnected(self) -> None:
        await self._stream.wait_until("disconnected", 10)

    def send(self, xml: str) -> None:
        self._stream.send_raw(xml)

    async def ask(self, payload: str, to: str, kind: str = "get") -> Element:
        """An IQ and its answer."""
        stanza_id = os.urandom(6).hex()
        self.send(f'<iq type="{kind}" to="{to}" id="{stanza_id}">{payload}</iq>')
        return await self.wait_for(
            lambda e: e.get("id") == stanza_id and e.get("type") in ("result", "error")
        )

    async def jingle(self, action: str, inner: str = "", *, sid: str, to: str = MIX) -> Element:
        payload = f'<jingle xmlns="{JINGLE}" action="{action}" sid="{sid}">{inner}</jingle>'
        return await self.ask(payload, to, "set")

    async def call(self, sid: str, to: str = MIX, fingerprint: str = SECURE) -> Element:
        return await self.ask(INITIATE.format(sid=sid, fingerprint=fingerprint), to, "set")

    async def action(self, action: str) -> Element:
        """The next Jingle request of that kind."""
        found = await self.wait_for(
            lambda e: (j := e.find(f"{{{JINGLE}}}jingle")) is not None and j.get("action") == action
        )
        jingle = found.find(f"{{{JINGLE}}}jingle")
        assert jingle is not None
        return jingle

    async def proposal(self, action: str) -> Element:
        return await self.wait_for(lambda e: e.find(f"{{{JMI}}}{action}") is not None)

    async def wait_for(self, fits: Callable[[Element], bool]) -> Element:
        async with asyncio.timeout(5):
            while True:
                for element in self.received:
                    if fits(element):
                        self.received.remove(element)
                        return element
                self._arrived.clear()
                await self._arrived.wait()

    def _take(self, stanza: StanzaBase) -> StanzaBase | None:
        element = stanza.xml
        if "jabber:client" not in element.tag:
            return stanza
        self.received.append(element)
        self._arrived.set()
        if element.tag == "{jabber:client}iq" and element.get("type") == "set":
            jingle = element.find(f"{{{JINGLE}}}jingle")
            if jingle is not None:
                self.send(
                    f'<iq type="result" to="{element.get("from")}" id="{element.get("id")}"/>'
                )
                return None
        return stanza


@dataclass(frozen=True)
class Server:
    """An embedded Prosody, where it keeps its files, and its ports: c2s, component, http."""

    prosody: EmbeddedProsody
    directory: Path
    ports: range

    @property
    def pid(self) -> int:
        return int((self.directory / "data" / "prosody.pid").read_text())

    def proc(self, name: str) -> str:
        """What the kernel says of it: proc(5)."""
        return Path(f"/proc/{self.pid}/{name}").read_text()

    async def login(self, name: str) -> Client:
        await self.prosody.add_account(f"{name}@{DOMAIN}", f"{name}-pw")
        return await self.login_again(name)

    async def login_again(self, name: str) -> Client:
        client = Client(self.prosody, name, self.ports[0])
        await client.login()
        return client


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    ports = free_ports(3)
    prosody = EmbeddedProsody(
        state_dir=tmp_path / "prosody",
        domain=DOMAIN,
        component=ROOMS,
        listen="127.0.0.1",
        c2s_port=ports[0],
        component_port=ports[1],
        http_port=ports[2],
    )
    await prosody.start()
    yield Server(prosody, tmp_path / "prosody", ports)
    await prosody.stop()


@pytest.fixture
async def focus() -> OneRoomFocus:
    return OneRoomFocus()


@pytest.fixture
async def bridge(server: Server, focus: OneRoomFocus) -> AsyncIterator[XmppBridge]:
    door = XmppBridge(component=ROOMS, secret=server.prosody.secret, port=server.ports[1])
    await door.start(focus)
    yield door
    await door.stop()
    assert door.inventory() == {"jingle_sessions": 0, "jmi_proposals": 0}


@pytest.fixture
async def romeo(server: Server, bridge: XmppBridge) -> AsyncIterator[Client]:
    client = await server.login("romeo")
    yield client
    await client.logout()


def ver_of(query: Element) -> str:
    """XEP-0115, section 5.1, written apart from the bridge's own."""
    identities = sorted(
        "{}/{}/{}/{}".format(*(i.get(k, "") for k in ("category", "type", "lang", "name")))
        for i in query.iterfind(f"{{{DISCO}}}identity")
    )
    features = sorted(f.get("var", "") for f in query.iterfind(f"{{{DISCO}}}feature"))
    text = "".join(f"{one}<" for one in identities + features)
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


async def test_the_domain_lists_the_component(romeo: Client) -> None:
    items = await romeo.ask('<query xmlns="http://jabber.org/protocol/disco#items"/>', DOMAIN)
    assert f'jid="{ROOMS}"' in ElementTree.tostring(items, encoding="unicode")


async def test_a_subscriber_sees_the_room_with_its_true_capabilities(romeo: Client) -> None:
    romeo.send(f'<presence type="subscribe" to="demo@{ROOMS}"/>')
    await romeo.wait_for(lambda e: e.get("type") == "subscribed")
    presence = await romeo.wait_for(lambda e: e.find(f"{{{CAPS}}}c") is not None)
    assert presence.get("from") == MIX
    caps = presence.find(f"{{{CAPS}}}c")
    assert caps is not None
    node = f"{caps.get('node')}#{caps.get('ver')}"
    for asked in (f'<query xmlns="{DISCO}" node="{node}"/>', f'<query xmlns="{DISCO}"/>'):
        info = await romeo.ask(asked, MIX)
        query = info.find(f"{{{DISCO}}}query")
        assert query is not None
        assert ver_of(query) == caps.get("ver")
        features = {f.get("var") for f in query.iterfind(f"{{{DISCO}}}feature")}
        assert {JINGLE, JMI, "urn:xmpp:jingle:apps:dtls:0"} <= features


async def test_a_probe_after_login_finds_the_room_still_there(
    romeo: Client, server: Server
) -> None:
    romeo.send(f'<presence type="subscribe" to="demo@{ROOMS}"/>')
    await romeo.wait_for(lambda e: e.get("from") == MIX)
    second = await server.login_again("romeo")
    await second.wait_for(lambda e: e.get("from") == MIX and e.find(f"{{{CAPS}}}c") is not None)
    await second.logout()


async def test_a_proposed_call_is_rung_answered_and_finished(
    romeo: Client, focus: OneRoomFocus, bridge: XmppBridge
) -> None:
    romeo.send(
        f'<message type="chat" to="demo@{ROOMS}"><propose xmlns="{JMI}" id="c1">'
        '<description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"/></propose>'
        '<store xmlns="urn:xmpp:hints"/></message>'
    )
    await romeo.proposal("ringing")
    proceed = await romeo.proposal("proceed")
    assert proceed.get("from") == MIX
    assert bridge.inventory()["jmi_proposals"] == 1
    assert (await romeo.call("c1")).get("type") == "result"
    assert bridge.inventory() == {"jingle_sessions": 1, "jmi_proposals": 0}
    ringing = await romeo.action("session-info")
    assert ringing.find("{urn:xmpp:jingle:apps:rtp:info:1}ringing") is not None
    accept = await romeo.action("session-accept")
    text = ElementTree.tostring(accept, encoding="unicode")
    assert 'ufrag="ours"' in text
    assert FINGERPRINT in text
    leg = await focus.joined.get()
    assert (leg.name, leg.address) == ("romeo", romeo.jid)
    assert (await romeo.jingle("session-terminate", sid="c1")).get("type") == "result"
    assert (await focus.left.get())[0] is Reason.NORMAL
    await romeo.proposal("finish")


async def test_a_direct_call_trickles_mutes_and_is_hung_up_by_the_focus(
    romeo: Client, focus: OneRoomFocus
) -> None:
    await romeo.call("d1")
    await romeo.action("session-accept")
    leg = await focus.joined.get()
    await romeo.jingle(
        "transport-info",
        '<content creator="initiator" name="audio">'
        '<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="abcd" pwd="x">'
        '<candidate component="1" foundation="1" ip="192.0.2.9" port="5000" priority="7"'
        ' protocol="udp" type="host"/></transport></content>',
        sid="d1",
    )
    assert focus.candidates == [
        Candidate("audio", "1 1 udp 7 192.0.2.9 5000 typ host generation 0")
    ]
    for word in ("mute", "unmute"):
        await romeo.jingle(
            "session-info", f'<{word} xmlns="urn:xmpp:jingle:apps:rtp:info:1"/>', sid="d1"
        )
    assert focus.muted == [True, False]
    leg.hang_up(Reason.CONNECTIVITY, "the sound stopped")
    terminate = await romeo.action("session-terminate")
    assert terminate.find(f"{{{JINGLE}}}reason/{{{JINGLE}}}connectivity-error") is not None


async def test_an_offer_without_fingerprint_is_told_that_encryption_is_needed(
    romeo: Client, bridge: XmppBridge
) -> None:
    assert (await romeo.call("s1", fingerprint="")).get("type") == "result"
    terminate = await romeo.action("session-terminate")
    reason = terminate.find(f"{{{JINGLE}}}reason")
    assert reason is not None
    assert reason.find(f"{{{JINGLE}}}security-error") is not None
    assert reason.find("{urn:xmpp:jingle:apps:rtp:errors:1}crypto-required") is not None
    assert bridge.inventory()["jingle_sessions"] == 0


async def test_an_unknown_room_is_gone(romeo: Client, bridge: XmppBridge) -> None:
    nowhere = f"nowhere@{ROOMS}"
    romeo.send(
        f'<message type="chat" to="{nowhere}"><propose xmlns="{JMI}" id="n1">'
        '<description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"/></propose></message>'
    )
    reject = await romeo.proposal("reject")
    assert reject.find(f"{{{JMI}}}reject/{{{JINGLE}}}reason/{{{JINGLE}}}gone") is not None
    await romeo.call("n2", to=f"{nowhere}/mix")
    terminate = await romeo.action("session-terminate")
    assert terminate.find(f"{{{JINGLE}}}reason/{{{JINGLE}}}gone") is not None
    assert bridge.inventory() == {"jingle_sessions": 0, "jmi_proposals": 0}


async def test_a_third_party_with_a_guessed_sid_finds_no_session(
    romeo: Client, server: Server, bridge: XmppBridge
) -> None:
    await romeo.call("g1")
    await romeo.action("session-accept")
    mallory = await server.login("mallory")
    error = await mallory.jingle("session-terminate", sid="g1")
    assert error.get("type") == "error"
    assert f"{{{ERRORS}}}unknown-session" in {child.tag for child in error.iter()}
    assert bridge.inventory()["jingle_sessions"] == 1
    await mallory.logout()


async def test_a_client_that_goes_offline_leaves(romeo: Client, focus: OneRoomFocus) -> None:
    romeo.send(f'<presence to="{MIX}"/>')
    await romeo.call("o1")
    await romeo.action("session-accept")
    await romeo.logout()
    assert (await focus.left.get())[0] is Reason.CONNECTIVITY
    await romeo.login()


async def test_a_request_that_nobody_knows_gets_an_error(romeo: Client) -> None:
    error = await romeo.ask('<what xmlns="urn:example:what"/>', MIX)
    assert error.get("type") == "error"


async def test_a_call_outlives_a_restart_of_prosody_and_new_ones_work(
    romeo: Client, server: Server, bridge: XmppBridge, focus: OneRoomFocus
) -> None:
    await romeo.call("r1")
    await romeo.action("session-accept")
    os.kill(server.pid, signal.SIGKILL)
    async with asyncio.timeout(15):
        await romeo.disconnected()
        while True:
            try:
                await romeo.login()
                info = await romeo.ask(f'<query xmlns="{DISCO}"/>', MIX)
            except (TimeoutError, OSError):
                continue
            if info.get("type") == "result":
                break
    assert bridge.inventory()["jingle_sessions"] == 1
    # The same resource again: the session goes on.
    assert (await romeo.jingle("session-terminate", sid="r1")).get("type") == "result"
    assert (await focus.left.get())[0] is Reason.NORMAL


async def test_a_wrong_secret_is_said_to_be_wrong(server: Server) -> None:
    door = XmppBridge(component=ROOMS, secret="wrong", port=server.ports[1])
    with pytest.raises(TrestleError, match=r"xmpp\.secret"):
        await door.start(OneRoomFocus())


async def test_nobody_there_is_said_plainly() -> None:
    door = XmppBridge(component=ROOMS, secret="x", port=free_ports(2)[0])
    with pytest.raises(TrestleError, match="cannot reach the XMPP server"):
        await door.start(OneRoomFocus())


async def test_a_taken_port_is_named_with_its_key(tmp_path: Path, server: Server) -> None:
    other = EmbeddedProsody(
        state_dir=tmp_path / "other",
        domain=DOMAIN,
        component=ROOMS,
        listen="127.0.0.1",
        c2s_port=server.ports[0],
        component_port=free_ports(2)[0],
        http_port=free_ports(2)[0],
    )
    with pytest.raises(TrestleError, match=rf"xmpp\.c2s_port.*{server.ports[0]}"):
        await other.start()


async def test_prosody_has_no_rights_and_its_secrets_are_its_own(server: Server) -> None:
    uid = next(line for line in server.proc("status").splitlines() if line.startswith("Uid:"))
    assert uid.split()[1] != "0"
    assert server.prosody.secret not in server.proc("cmdline")


ORPHANING = """
import asyncio, sys
from pathlib import Path
from xmppbridge.prosody import EmbeddedProsody

async def main():
    c2s, component, http = map(int, sys.argv[2:])
    await EmbeddedProsody(
        state_dir=Path(sys.argv[1]), domain="localhost", component="rooms.localhost",
        listen="127.0.0.1", c2s_port=c2s, component_port=component, http_port=http,
    ).start()
    print("started", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_prosody_ends_when_the_gateway_is_killed(tmp_path: Path) -> None:
    ports = free_ports(3)
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ORPHANING, str(tmp_path / "prosody"), *map(str, ports)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert gateway.stdout is not None
    async with asyncio.timeout(20):
        assert await gateway.stdout.readline() == b"started\n"
        gateway.kill()
        await gateway.wait()
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", ports[0])
            # Refused, or reset: Prosody closed before it had accepted.
            except ConnectionError:
                break
            writer.close()
            await asyncio.sleep(0.05)
