"""What somebody gets who has just installed Trestle and typed one command."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from slixmpp import JID, ClientXMPP

from support.gateway import Gateway
from support.processes import Process
from support.sip import Response, SipSocket
from support.site import COMPONENT, Site
from support.sockets import free_port

pytestmark = pytest.mark.timeout(60)

COMMAND = Path(sys.executable).with_name("trestle")

OPTIONS_OVER_TCP = """OPTIONS {uri} SIP/2.0
Via: SIP/2.0/TCP 127.0.0.1:5999;branch=z9hG4bKfirstminute
From: <sip:tester@127.0.0.1>;tag=1
To: <{uri}>
Call-ID: first-minute
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

"""


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


async def test_page_phone_line_and_xmpp_component_answer(gateway: Gateway) -> None:
    await the_page_loads(gateway)
    await options_is_answered_over_udp(gateway)
    await options_is_answered_over_tcp(gateway)
    await the_component_is_online(gateway)
    assert await gateway.process.end() == 0


async def the_page_loads(gateway: Gateway) -> None:
    for path, kind in (("/", "text/html"), ("/demo", "text/html"), ("/assets/main.js", "script")):
        async with aiohttp.ClientSession() as http, http.get(gateway.site.web_url + path) as page:
            assert (page.status, kind in page.content_type) == (200, True), (path, page.headers)
            assert await page.text()


async def options_is_answered_over_udp(gateway: Gateway) -> None:
    async with SipSocket(gateway.site.ports["sip.port"]) as sip:
        sip.request("OPTIONS", gateway.site.sip_uri("demo"))
        answer = await sip.response()
    assert answer.status == 200
    assert "INVITE" in answer.header("Allow")


async def options_is_answered_over_tcp(gateway: Gateway) -> None:
    request = OPTIONS_OVER_TCP.format(uri=gateway.site.sip_uri("demo")).replace("\n", "\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.site.ports["sip.port"])
    writer.write(request.encode())
    async with asyncio.timeout(5):
        answer = Response((await reader.readuntil(b"\r\n\r\n")).decode())
    writer.close()
    await writer.wait_closed()
    assert answer.status == 200


async def the_component_is_online(gateway: Gateway) -> None:
    await gateway.add_account("alice@localhost", "wonderland")
    client = ClientXMPP("alice@localhost/desk", "wonderland")
    client.register_plugin("xep_0030")
    client.enable_direct_tls = False
    client.ca_certs = gateway.site.folder / "state" / "prosody" / "certificate.pem"
    try:
        async with asyncio.timeout(10):
            client.connect("127.0.0.1", gateway.site.ports["xmpp.c2s_port"])
            await client.wait_until("session_start", 10)
            info = await client.plugin["xep_0030"].get_info(jid=JID(f"demo@{COMPONENT}"))
    finally:
        await client.disconnect()
    assert "urn:xmpp:jingle:1" in info["disco_info"]["features"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [("web.port", "tcp"), ("sip.port", "udp"), ("sip.port", "tcp"), ("xmpp.c2s_port", "tcp")],
)
async def test_a_taken_port_is_an_error_that_names_port_and_key(key: str, kind: str) -> None:
    taken = free_port()
    kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
    with socket.socket(socket.AF_INET, kinds[kind]) as squatter:
        squatter.bind(("127.0.0.1", taken))
        if kind == "tcp":
            squatter.listen()
        started = time.monotonic()
        with Site({key: taken}) as site:
            async with Process(str(COMMAND), "run", "--config", str(site.config)) as run:
                assert await run.exit_code() == 1
                last = run.output[-1]
    assert str(taken) in last, run.text
    assert key in last, run.text
    assert time.monotonic() - started < 8
    assert "Traceback" not in run.text


async def test_a_misspelt_key_is_an_error_with_its_place_and_a_suggestion(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text("web:\n  prot: 8080\n")
    async with Process(str(COMMAND), "run", "--config", str(config)) as run:
        assert await run.exit_code() == 1
    assert f"{config}:2:3" in run.text
    assert "web.prot" in run.text
    assert "'port'" in run.text
