"""A real phone understands the keys that we press at its end, with each clock it may have."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.media.plane import InlinePlane
from gateway.media.settings import Settings
from gateway.ports import Answer, Leg, Offer, ParticipantId, RoomName
from sipbridge.bridge import SipBridge
from support.baresip import Phone
from support.sip_focus import PlainFocus


@dataclass
class PlaneFocus(PlainFocus):
    """Its media is the real one."""

    plane: InlinePlane | None = None

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        assert self.plane is not None
        self.opening[leg.id] = leg
        return await self.plane.answer(room, leg.id, offer)

    def confirm(self, leg: ParticipantId) -> None:
        assert self.plane is not None
        super().confirm(leg)
        self.plane.confirm(leg)


@pytest.fixture
async def plane() -> AsyncIterator[InlinePlane]:
    plane = InlinePlane(Settings(range(35_400, 35_500), "127.0.0.1", capacity=16))
    await plane.start(print)
    yield plane
    await plane.stop()


@pytest.mark.parametrize(("codec", "name"), [("pcmu", "PCMU"), ("opus/48000/2", "opus")])
async def test_a_phone_hears_the_keys(
    tmp_path: Path, plane: InlinePlane, codec: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    focus, bridge = PlaneFocus(plane=plane), SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    try:
        async with Phone(tmp_path / "phone", 440, codec=codec) as phone:
            await phone.dial(f"sip:demo@127.0.0.1:{bridge.port}")
            (leg,) = focus.legs
            assert name in caplog.text
            await plane.send_digits(leg, "7*D")
            for digit in "7*D":
                event = await phone.event("CALL_DTMF_START")
                assert event["param"] == digit
                await phone.event("CALL_DTMF_END")
    finally:
        await bridge.stop()
