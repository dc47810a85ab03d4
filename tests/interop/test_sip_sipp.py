"""Fifty calls of the real sipp over each transport: none fails, none leaves anything behind."""

from pathlib import Path

import pytest

from gateway.errors import Reason
from sipbridge.bridge import SipBridge
from support.processes import Process, find_program
from support.sip_focus import PlainFocus
from support.sockets import free_port

CALLS = 50


@pytest.mark.parametrize("transport", ["u1", "t1", "tn"])
async def test_fifty_calls_of_sipp_all_succeed(transport: str, tmp_path: Path) -> None:
    focus, bridge = PlainFocus(), SipBridge(listen="127.0.0.1", port=0)
    await bridge.start(focus)
    try:
        async with Process(
            *(find_program("sipp"), f"127.0.0.1:{bridge.port}", "-sn", "uac", "-s", "demo"),
            *("-t", transport, "-i", "127.0.0.1", "-p", str(free_port())),
            *("-r", "25", "-m", str(CALLS), "-d", "100", "-timeout", "20s", "-nostdin"),
            *("-max_socket", "200"),
            cwd=tmp_path,
        ) as sipp:
            assert await sipp.exit_code(within=25) == 0, sipp.text
        await focus.until(gone=CALLS, present=0)
        assert focus.joined == CALLS
        assert {reason for _, reason in focus.left} == {Reason.NORMAL}
        assert bridge.inventory()["sip_dialogs"] == 0
    finally:
        await bridge.stop()
    assert set(bridge.inventory().values()) == {0}
