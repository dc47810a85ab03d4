"""Three hundred callers that never acknowledge: the call that goes on hears nothing of them."""

import asyncio
import logging
import os
import socket
from functools import partial

import pytest
from load.generator import Job
from load.plane import generator, join

from gateway.cli.flood import BURST, FloodGate
from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from sipbridge import bridge
from sipbridge.transaction import Timers
from sipbridge.useragent import UserAgent
from support.held import descriptors, resident_mb, udp_sockets
from support.sip import sdp
from support.sip_lab import message
from support.small_gateway import Caller, SmallGateway
from support.sockets import free_ports

SOURCES, EACH = 3, 100
"""As many as one address may have open."""

STEPS = 4
"""In a tick."""


class Lines(logging.Handler):
    """What an admin would see at INFO."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.addFilter(FloodGate())
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


async def _flood(gateway: SmallGateway) -> None:
    """From loopback addresses of their own; what comes back is left lying."""
    sockets = []
    for number in range(SOURCES):
        host = f"127.0.0.{number + 2}"
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        sockets.append((sock, f"{host}:{sock.getsockname()[1]}"))
    for number in range(EACH):
        for sock, place in sockets:
            invite = message(
                uri=gateway.uri("demo"),
                via=place,
                branch=f"z9hG4bK{place}{number}",
                call_id=f"{place}-{number}",
                tag=f"t{number}",
                contact=f"<sip:x@{place}>",
                body=sdp(port=40_000, formats="8"),
            )
            sock.sendto(invite, ("127.0.0.1", gateway.sip.port))
        await asyncio.sleep(0.005)
    for sock, _ in sockets:
        sock.close()


@pytest.mark.timeout(90)
async def test_a_flood_of_invites_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    # A caller that does not acknowledge is given up after 64 times T1: here, two seconds.
    agent = partial(UserAgent, timers=Timers(t1=0.03))
    monkeypatch.setattr(bridge, "UserAgent", agent)
    lines = Lines()
    logging.getLogger("trestle").addHandler(lines)
    logging.getLogger("trestle").setLevel(logging.INFO)
    settings = Settings(free_ports(700), "127.0.0.1", capacity=512, report_interval=0.5)
    plane = WorkerPlane(settings, 1)
    try:
        async with (
            SmallGateway(plane) as gateway,
            Caller(gateway, 401) as ana,
            Caller(gateway, 593) as bob,
            generator() as others,
        ):
            # Two more talk in a process of their own, so that what they miss is the worker's doing.
            await join(plane, others, Job("PCMU", False, [True, True]), [1, 1])
            await others.ask("send")
            for caller in (ana, bob):
                assert (await caller.invite("demo")).status == 200
            await ana.media.hears(593)
            async with asyncio.timeout(10):
                while not plane.statistics():
                    await ana.media.ear.next(5)
            (worker,) = plane.pids
            held = [(descriptors(pid), udp_sockets(pid)) for pid in (worker, os.getpid())]
            memory = resident_mb(worker)
            lines.texts.clear()
            before, left_out = await others.ask("count"), plane.statistics()[0].steps_left_out

            flood = asyncio.create_task(_flood(gateway))
            most = 0
            while not flood.done():
                assert gateway.rooms.inventory()["participants"] == 2
                most = max(most, gateway.rooms.inventory()["legs_opening"])
                await ana.media.ear.next(1)
            await flood
            assert most > EACH
            async with asyncio.timeout(20):
                while gateway.rooms.inventory()["legs_opening"]:
                    await ana.media.ear.next(5)
                while plane.inventory()["rtp_legs"] > 4:
                    await ana.media.ear.next(5)
                # Nobody answers our BYEs either.
                while gateway.sip.inventory()["sip_dialogs"] > 2:
                    await ana.media.ear.next(5)
            assert [(descriptors(pid), udp_sockets(pid)) for pid in (worker, os.getpid())] == held
            assert resident_mb(worker) < memory + 40
            await ana.media.hears(593)
            after, ticks = await others.ask("count"), plane.statistics()[0].steps_left_out / STEPS
            ticks -= left_out / STEPS
            sent, received = (after[name] - before[name] for name in ("sent", "received"))
            # A machine without time for the worker leaves ticks out, flood or not.
            assert received + 2 * ticks > 0.9 * sent > 100
            assert gateway.rooms.inventory()["participants"] == 2
            # Each kind of line has its own allowance: calls, ends, refusals, and dropped ones.
            assert BURST < len(lines.texts) < 5 * BURST, lines.texts
            for caller in (ana, bob):
                await caller.hang_up()
    finally:
        logging.getLogger("trestle").removeHandler(lines)
        logging.getLogger("trestle").setLevel(logging.NOTSET)
