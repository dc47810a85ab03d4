"""A stock aiortc client against the ICE-lite endpoint."""

import asyncio
import re

from support.echo_gateway import EchoGateway
from support.media_peers import XmppClient


async def test_an_aiortc_client_hears_its_own_tone() -> None:
    async with EchoGateway() as gateway, XmppClient(593) as client:
        await client.take(await gateway.answer(await client.offer()))
        await gateway.connected()
        await client.hears(593)
        assert (gateway.ports[0].batch.forged, gateway.ports[0].batch.replayed) == (0, 0)
        await client.close()
        async with asyncio.timeout(5):
            await gateway.ports[0].failed.wait()
        assert gateway.ports[0].failure == "the peer closed the connection"


async def test_a_client_with_another_certificate_than_announced_is_refused() -> None:
    async with EchoGateway() as gateway, XmppClient(593) as client:
        offer = re.sub(r"(a=fingerprint:[^ ]+ )", r"\1AB:", await client.offer())
        await client.take(await gateway.answer(offer))
        (port,) = gateway.ports
        async with asyncio.timeout(5):
            await port.failed.wait()
        assert "fingerprint" in port.failure
        assert (port.secure, port.packets) == (None, 0)
