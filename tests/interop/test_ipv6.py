"""A phone and a WebRTC client that have IPv6 and nothing else meet in a room."""

from pathlib import Path

import pytest

from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from support.baresip import Phone
from support.small_gateway import SmallGateway, WebRtcLeg
from support.sockets import free_ports


@pytest.mark.timeout(60)
@pytest.mark.parametrize("security", ["", "mediaenc=dtls_srtp"])
async def test_a_phone_and_a_client_hear_each_other_over_ipv6(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    # aioice leaves loopback addresses out.
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda *_, **__: ["::1"])
    plane = InlinePlane(Settings(free_ports(40), ice_addresses=("::1",), capacity=64))
    async with (
        SmallGateway(plane, "::1") as gateway,
        Phone(tmp_path / "phone", 593, host="::1", security=security) as phone,
        WebRtcLeg(1, 839) as client,
    ):
        await client.join(gateway, "demo")
        await phone.dial(gateway.uri("demo"))
        await client.client.hears(593)
        for _ in range(10):
            if (await phone.hears(0.5))[839] > -30:
                break
        else:
            raise AssertionError("the phone does not hear the client")
        await phone.hang_up()
