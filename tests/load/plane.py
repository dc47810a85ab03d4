"""Callers on the media plane: the generator on one side, `ports.MediaPlane` on the other."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from gateway.media.settings import Settings
from gateway.media.worker_plane import WorkerPlane
from gateway.ports import MediaEvent, Offer, ParticipantId, RoomName
from load.generator import HOST, LEVEL_NUMBER, PASSWORD, UFRAG, Job

SETTINGS = Settings(
    rtp_ports=range(12_000, 18_000), address=HOST, ice_addresses=(HOST,), capacity=4096
)
_AT_ONCE = 40
"""Calls that are answered together."""


def rooms_of(legs: int, size: int) -> list[int]:
    """Each leg's room, in no order: the members of a room send at different times."""
    rooms = max(1, round(legs / size))
    shuffled: list[int] = np.random.default_rng(3).permutation(np.arange(legs) % rooms).tolist()
    return shuffled


def talking_in(rooms: Sequence[int], most: int) -> list[bool]:
    """The first `most` of each room talk; 0: all do."""
    seen: dict[int, int] = {}
    talking = []
    for room in rooms:
        seen[room] = seen.get(room, 0) + 1
        talking.append(most == 0 or seen[room] <= most)
    return talking


class Generator:
    """The other process, spoken to line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def ask(self, line: str) -> dict[str, Any]:
        """Raises `EOFError` when it has died; why stands on standard error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise EOFError("the load generator has died")
        said: dict[str, Any] = json.loads(answer)
        return said


@asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "load.generator"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield Generator(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _failed(event: MediaEvent) -> None:
    sys.stderr.write(f"{event}\n")


@asynccontextmanager
async def worker_plane() -> AsyncIterator[WorkerPlane]:
    """One worker: what a core does is the question."""
    plane = WorkerPlane(SETTINGS, 1)
    await plane.start(_failed)
    try:
        yield plane
    finally:
        await plane.stop()


async def join(plane: WorkerPlane, source: Generator, job: Job, rooms: Sequence[int]) -> None:
    """All callers are in their rooms, and connected."""
    said = await source.ask(str(job))
    if not job.secure:
        ports = await seat(plane, said["ports"] * len(rooms), job.codec, rooms)
        await source.ask(json.dumps({"plain": ports}))
        return
    for start in range(0, len(rooms), _AT_ONCE):
        far = []
        for leg in range(start, min(start + _AT_ONCE, len(rooms))):
            offer = secure_offer(leg, said["fingerprint"])
            far.append(far_end(await _answer(plane, f"leg-{leg}", rooms[leg], offer)))
        await source.ask(json.dumps({"secure": far}))


async def seat(
    plane: WorkerPlane, ports: Sequence[int], codec: str, rooms: Sequence[int], first_room: int = 0
) -> list[int]:
    """Phones that receive on `ports`; gives where each of them has to send to."""
    callers = list(enumerate(zip(ports, rooms, strict=True)))
    theirs: list[int] = []
    for start in range(0, len(callers), _AT_ONCE):
        answers = (
            _answer(
                plane, f"phone-{first_room}-{number}", first_room + room, plain_offer(port, codec)
            )
            for number, (port, room) in callers[start : start + _AT_ONCE]
        )
        theirs += [port_in(answer) for answer in await asyncio.gather(*answers)]
    return theirs


async def _answer(plane: WorkerPlane, leg: str, room: int, offer: str) -> str:
    answer = await plane.answer(RoomName(f"room-{room}"), ParticipantId(leg), Offer(offer))
    plane.confirm(ParticipantId(leg))
    return answer.sdp


def plain_offer(port: int, codec: str) -> str:
    number, name = (111, "opus/48000/2") if codec == "opus" else (0, "PCMU/8000")
    return _lines(
        *("v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"),
        *(f"m=audio {port} RTP/AVP {number}", f"a=rtpmap:{number} {name}", "a=sendrecv"),
    )


def secure_offer(leg: int, fingerprint: str) -> str:
    """The generator takes the client's part in DTLS."""
    return _lines(
        *("v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", "t=0 0", "a=group:BUNDLE 0"),
        *("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv"),
        *("a=rtpmap:111 opus/48000/2", "a=rtcp-mux", "a=setup:active"),
        *(f"a=ice-ufrag:{UFRAG}", f"a=ice-pwd:{PASSWORD}", f"a=fingerprint:sha-256 {fingerprint}"),
        f"a=extmap:{LEVEL_NUMBER} urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        f"a=ssrc:{0x10_0000 + leg} cname:load",
    )


def _lines(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def port_in(sdp: str) -> int:
    return int(_find(r"m=audio (\d+)", sdp))


def far_end(sdp: str) -> tuple[int, str, str, str]:
    return (
        int(_find(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+)", sdp)),
        _find(r"a=ice-ufrag:(\S+)", sdp),
        _find(r"a=ice-pwd:(\S+)", sdp),
        _find(r"a=fingerprint:sha-256 (\S+)", sdp),
    )


def _find(pattern: str, sdp: str) -> str:
    found = re.search(pattern, sdp)
    assert found is not None, sdp
    return found[1]
