"""What comes in wrong gets its protocol's answer and one line in the log, and hurts nobody.

A phone and a browser talk to each other all the time; after each case both still hear the other,
without a gap, and the roster has not changed.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from support.baresip import Phone
from support.browser import Browser
from support.conference import Person, until_all_hear
from support.gateway import Gateway
from support.sip import SipSocket, sdp
from support.stanza import XmppClient
from support.tones import TONES

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

ROOM = "demo"
LONGEST_GAP = 0.4
"""Seconds: more than a hiccup of a busy machine is a conference that was touched."""


class Scene(NamedTuple):
    gateway: Gateway
    browser: Browser
    person: Person
    phone: Phone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("phone") / "phone"
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Gateway())
        await gateway.add_account("mallory@localhost", "secret")
        browser = await stack.enter_async_context(Browser())
        person = await Person.join(browser, gateway.site.page_url(ROOM), "Ana", TONES[0])
        phone = await stack.enter_async_context(Phone(folder, TONES[1]))
        await phone.dial(gateway.site.sip_uri(ROOM))
        await until_all_hear([person, phone])
        yield Scene(gateway, browser, person, phone)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def an_untouched_conference(scene: Scene) -> AsyncIterator[None]:
    """Around each case: the same people, the same sound, nothing left open."""
    entries = await scene.person.roster()
    inventory = await scene.gateway.inventory()
    start = scene.phone.recorded()
    yield
    await scene.gateway.settles(inventory)
    await until_all_hear([scene.person, scene.phone], within=3)
    assert scene.phone.longest_gap(scene.person.hz, since=start) < LONGEST_GAP
    assert await scene.person.roster() == entries


class Log:
    """What the gateway logs from here on, without DEBUG."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._start = len(gateway.log)

    async def one_line(self, text: str) -> None:
        """Exactly one line says it, and nothing went wrong on our side."""
        told = rf" (INFO|WARNING|ERROR) .*{re.escape(text)}"
        await self._gateway.process.line(told, within=5, since=self._start)
        lines = self._gateway.log[self._start :]
        assert len([line for line in lines if re.search(told, line)]) == 1, lines
        assert not [line for line in lines if " ERROR " in line or "Traceback" in line], lines


@pytest_asyncio.fixture(loop_scope="module")
async def log(scene: Scene) -> Log:
    return Log(scene.gateway)


class TestSip:
    @pytest_asyncio.fixture(loop_scope="module")
    async def sip(self, scene: Scene) -> AsyncIterator[SipSocket]:
        async with SipSocket(scene.gateway.site.ports["sip.port"]) as sip:
            yield sip

    async def test_random_bytes_are_dropped(self, scene: Scene, sip: SipSocket, log: Log) -> None:
        sip.send(secrets.token_bytes(700))
        await log.one_line(f"127.0.0.1:{sip.port}")

    async def test_an_invite_without_sdp_gets_an_offer_and_a_bye_without_an_answer(
        self, scene: Scene, sip: SipSocket, log: Log
    ) -> None:
        uri = scene.gateway.site.sip_uri(ROOM)
        sip.request("INVITE", uri)
        offered = await sip.response()
        assert offered.status == 200
        assert "m=audio" in offered.body
        sip.request("ACK", uri, to=offered.header("To"))
        bye = await sip.request_received("BYE")
        sip.respond(bye, "200 OK")
        await log.one_line("gave up before joining: media")

    async def test_no_codec_in_common_is_488(self, scene: Scene, sip: SipSocket, log: Log) -> None:
        uri = scene.gateway.site.sip_uri(ROOM)
        sip.request("INVITE", uri, body=sdp(port=40_000, formats="4 18"))
        refused = await sip.response()
        assert refused.status == 488
        assert refused.header("Warning").startswith("3")
        sip.acknowledge(uri, refused)
        await log.one_line("no codec in common")

    async def test_an_unknown_room_is_404(self, scene: Scene, sip: SipSocket, log: Log) -> None:
        uri = scene.gateway.site.sip_uri("nowhere")
        sip.request("INVITE", uri, body=sdp(port=40_000, formats="0"))
        refused = await sip.response()
        assert refused.status == 404
        sip.acknowledge(uri, refused)
        await log.one_line("there is no conference 'nowhere'")


class TestJingle:
    async def test_an_offer_without_fingerprint_is_a_security_error(
        self, scene: Scene, log: Log
    ) -> None:
        client = await XmppClient.open(scene.browser, TONES[2])
        own = await client.login(
            "mallory@localhost", "secret", scene.gateway.site.xmpp_websocket_url
        )
        terminated = await client.exchange(
            offer_without_fingerprint(own, scene.gateway.site.room_jid(ROOM)), "session-terminate"
        )
        await client.page.close()
        assert "security-error" in terminated
        await log.one_line("fingerprint")


def offer_without_fingerprint(sender: str, receiver: str) -> str:
    return f"""<iq xmlns="jabber:client" type="set" id="bad1" to="{receiver}">
<jingle xmlns="urn:xmpp:jingle:1" action="session-initiate" sid="s1" initiator="{sender}">
<content creator="initiator" name="0" senders="both">
<description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio">
<payload-type id="111" name="opus" clockrate="48000" channels="2"/><rtcp-mux/></description>
<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="abcd" pwd="{"p" * 24}"/>
</content></jingle></iq>"""


class TestWebSocket:
    @pytest_asyncio.fixture(loop_scope="module")
    async def socket(self, scene: Scene) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(scene.gateway.site.signalling_url, timeout=_CLOSING) as socket,
        ):
            yield socket

    async def test_malformed_json_is_an_error(
        self, socket: aiohttp.ClientWebSocketResponse, log: Log
    ) -> None:
        await socket.send_str('{"type": "join", ')
        error = json.loads(await socket.receive_str(timeout=5))
        assert (error["type"], error["code"]) == ("error", "bad-json")
        await log.one_line("bad-json")

    async def test_an_oversized_message_closes_with_1009(
        self, socket: aiohttp.ClientWebSocketResponse, log: Log
    ) -> None:
        await socket.send_str(json.dumps({"type": "ping", "padding": "x" * 270_000}))
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1009
        await log.one_line("broke the web socket protocol")


_CLOSING = aiohttp.ClientWSTimeout(ws_close=2)
