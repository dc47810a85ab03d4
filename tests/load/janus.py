"""Janus' AudioBridge with plain-RTP participants: the same callers, beside which we measure.

It has neither ICE nor DTLS nor SRTP to do here; its own WebRTC side would cost it more.
"""

import asyncio
import itertools
import json
import pathlib
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

from load.generator import HOST, Job
from load.plane import Generator

_CONFIGURATION = {
    "janus.jcfg": """
general: {{ debug_level = 2, interface = "127.0.0.1", protected_folders = [] }}
media: {{ rtp_port_range = "{ports}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
events: {{ broadcast = false }}
""",
    "janus.transport.websockets.jcfg": """
general: {{ ws = true, ws_port = {port}, ws_ip = "127.0.0.1" }}
""",
    "janus.plugin.audiobridge.jcfg": """
general: {{ local_ip = "127.0.0.1", rtp_port_range = "{ports}" }}
""",
}
_UNUSED_PLUGINS = (
    *("duktape", "echotest", "lua", "nosip", "recordplay", "sip", "streaming", "textroom"),
    *("videocall", "videoroom", "voicemail"),
)
_UNUSED_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")
_PORTS = "18000-19999"
_START_TIMEOUT = 10.0


class Janus:
    """One running Janus, spoken to by its WebSocket API."""

    def __init__(self, pid: int, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self.pid = pid
        self._socket = socket_
        self._numbers = itertools.count(1)
        self._session = 0

    async def open(self) -> Self:
        self._session = (await self._ask(janus="create"))["data"]["id"]
        return self

    async def join(self, source: Generator, job: Job, rooms: Sequence[int]) -> None:
        """All callers are in their rooms."""
        (port,) = (await source.ask(str(job)))["ports"]
        ports = await self.seat([port] * len(rooms), job.codec, rooms)
        await source.ask(json.dumps({"plain": ports}))

    async def seat(
        self, ports: Sequence[int], codec: str, rooms: Sequence[int], prebuffer: int | None = None
    ) -> list[int]:
        """Participants who receive on `ports`; gives where each of them has to send to.

        `prebuffer` in packets; None is Janus' default, 6.
        """
        rate = 16_000 if codec == "opus" else 8000
        buffering = {} if prebuffer is None else {"default_prebuffering": prebuffer}
        handle = await self._attach()
        for room in sorted(set(rooms)):
            made = await self._request(
                handle,
                {
                    **{"request": "create", "room": room + 1, "sampling_rate": rate},
                    **{"allow_rtp_participants": True, "audiolevel_event": False},
                    **buffering,
                },
            )
            assert made.get("audiobridge") == "created", made
        theirs = []
        for port, room in zip(ports, rooms, strict=True):
            rtp = {"ip": HOST, "port": port, "payload_type": 111 if codec == "opus" else 0}
            name = codec.lower()
            joined = await self._request(
                await self._attach(),
                {"request": "join", "room": room + 1, "codec": name, "rtp": rtp},
            )
            theirs.append(joined["rtp"]["port"])
        return theirs

    async def _attach(self) -> int:
        answer = await self._ask(
            janus="attach", session_id=self._session, plugin="janus.plugin.audiobridge"
        )
        handle: int = answer["data"]["id"]
        return handle

    async def _request(self, handle: int, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._ask(
            janus="message", session_id=self._session, handle_id=handle, body=body
        )
        data: dict[str, Any] = answer["plugindata"]["data"]
        return data

    async def _ask(self, **message: Any) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        await self._socket.send_json({**message, "transaction": transaction})
        while True:
            answer: dict[str, Any] = await self._socket.receive_json()
            if answer.get("transaction") == transaction and answer["janus"] != "ack":
                assert answer["janus"] != "error", answer
                return answer


@asynccontextmanager
async def janus() -> AsyncIterator[Janus]:
    """Raises `FileNotFoundError` where it is not installed."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        port = _free_port()
        values = {
            "port": port,
            "ports": _PORTS,
            "plugins": _libraries(_UNUSED_PLUGINS),
            "transports": _libraries(_UNUSED_TRANSPORTS),
        }
        for file, text in _CONFIGURATION.items():
            (folder / file).write_text(text.format(**values))
        process = await asyncio.create_subprocess_exec(
            *("janus", "-F", name, "-s", "0"), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            async with aiohttp.ClientSession() as client:
                url = f"http://{HOST}:{port}/"
                async with asyncio.timeout(_START_TIMEOUT):
                    while True:
                        try:
                            socket_ = await client.ws_connect(url, protocols=("janus-protocol",))
                            break
                        except aiohttp.ClientError:
                            await asyncio.sleep(0.1)
                async with socket_:
                    yield await Janus(process.pid, socket_).open()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _libraries(names: Sequence[str]) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port
