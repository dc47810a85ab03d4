"""Phones that secure their media in each of the ways that are in use: they hear their own tone."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.ports import Answer, Leg, Offer, RoomName
from sipbridge.bridge import SipBridge
from support.baresip import Phone
from support.echo_gateway import EchoGateway
from support.sip_focus import PlainFocus


@dataclass
class EchoFocus(PlainFocus):
    """Answers with an echo."""

    echo: EchoGateway = field(default_factory=EchoGateway)
    offers: list[str] = field(default_factory=list)

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        self.offers.append(offer.sdp)
        answer = await self.echo.answer(offer.sdp)
        self.opening[leg.id] = leg
        return Answer(answer)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("security", "rtcp_mux", "ports"),
    [
        ("mediaenc=srtp", False, 1),
        ("mediaenc=dtls_srtp", False, 2),
        ("mediaenc=dtls_srtp", True, 1),
        ("mediaenc=dtls_srtp;medianat=ice", False, 2),
        ("mediaenc=dtls_srtp;medianat=ice", True, 1),
    ],
)
async def test_a_phone_hears_its_own_tone(
    tmp_path: Path, security: str, rtcp_mux: bool, ports: int
) -> None:
    phone = Phone(tmp_path / "phone", 593, security=security, rtcp_mux=rtcp_mux)
    async with EchoGateway() as echo, phone:
        focus, bridge = EchoFocus(echo=echo), SipBridge(listen="127.0.0.1", port=0)
        await bridge.start(focus)
        try:
            await phone.dial(f"sip:demo@127.0.0.1:{bridge.port}")
            assert len(echo.ports) == ports, focus.offers
            await echo.connected()
            async with asyncio.timeout(10):
                await echo.ports[0].echoing.wait()
            assert (await phone.hears())[593] > -30
            assert [port.batch.forged for port in echo.ports] == [0] * ports
        finally:
            await bridge.stop()
