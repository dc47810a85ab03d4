"""A real phone holds, resumes and hangs up; and is hung up on."""

from pathlib import Path

from gateway.errors import Reason
from sipbridge.bridge import SipBridge
from support.baresip import Phone
from support.sip_focus import PlainFocus


async def test_a_phone_dials_holds_resumes_and_hangs_up(tmp_path: Path) -> None:
    focus, bridge = PlainFocus(), SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    try:
        async with Phone(tmp_path / "phone", 440) as phone:
            await phone.dial(f"sip:demo@127.0.0.1:{bridge.port}")
            await phone.hold()
            await focus.until(directions=2)
            await phone.resume()
            await focus.until(directions=3)
            assert focus.directions == ["sendrecv", "sendonly", "sendrecv"]
            await phone.hang_up()
            await focus.until(gone=1, present=0)
            assert bridge.inventory()["sip_dialogs"] == 0
    finally:
        await bridge.stop()
    assert [reason for _, reason in focus.left] == [Reason.NORMAL]


async def test_the_conference_hangs_up_on_a_phone(tmp_path: Path) -> None:
    focus, bridge = PlainFocus(), SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    try:
        async with Phone(tmp_path / "phone", 440) as phone:
            await phone.dial(f"sip:demo@127.0.0.1:{bridge.port};transport=tcp")
            (leg,) = focus.legs
            focus.hang_up(leg)
            await phone.event("CALL_CLOSED")
    finally:
        await bridge.stop()
    assert focus.left == []


async def test_a_stopping_gateway_says_goodbye_to_a_phone(tmp_path: Path) -> None:
    focus, bridge = PlainFocus(), SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    async with Phone(tmp_path / "phone", 440) as phone:
        await phone.dial(f"sip:demo@127.0.0.1:{bridge.port}")
        await bridge.stop()
        await phone.event("CALL_CLOSED", within=2)
    assert [reason for _, reason in focus.left] == [Reason.SHUTDOWN]
