"""A participant of the churn experiment on real sockets: a web socket, and UDP for all the rest."""

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

import aiohttp

from load.churn_peer import KINDS, Peer, packet
from load.own_time import OwnTime
from load.stalls import Hearing

_BATCH = 64
_BUFFER = 1 << 20
_SOUND = 0
_FRAME_EVERY = 2
"""Sound packets to a frame of the picture: 25 a second."""

SOUND_SIZE = 90
"""Octets in a packet of sound: Opus at about 32 kbit/s."""

PICTURE_SIZE = 1120


class Client:
    """From `join` to `close`, or to `fail`."""

    def __init__(self, connecting: float, time: OwnTime) -> None:
        self._time = time
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.peer = Peer(str(self._socket.getsockname()[1]), connecting)
        self.hearing = Hearing()
        self.packets = 0
        self.began = asyncio.Event()
        """Set by the first packet of sound."""
        self._numbers = [0 for _ in KINDS]
        self._at: dict[str, tuple[str, int]] = {}
        self._who: dict[tuple[str, int], str] = {}
        self._says: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._tcp: list[socket.socket] = []
        self._http: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def id(self) -> str:
        return self.peer.id

    async def join(self, url: str, room: str, publishes: list[str]) -> None:
        """Returns when the server has said welcome."""
        connector = aiohttp.TCPConnector(socket_factory=self._tcp_socket)
        self._http = aiohttp.ClientSession(connector=connector)
        self._web = await self._http.ws_connect(url, max_msg_size=0)
        join = {"type": "join", "room": room, "name": "receiver", "publishes": publishes}
        await self._web.send_str(json.dumps(join))
        welcome = await self._web.receive_json()
        assert welcome["type"] == "welcome", welcome
        self._message(welcome)
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._write())]

    def fail(self, *, silently: bool) -> None:
        """It is not there any more, and says nothing to anybody.

        Its operating system closes its sockets; `silently` is a machine without power.
        """
        self._stop()
        if not silently:
            for one in self._tcp:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Frees what is left, whatever has happened before."""
        self._stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def tick(self, now: float) -> None:
        self.peer.tick(now)
        self._flush()

    def speak(self, number: int, picture_packets: int) -> None:
        """The source's packets for 20 ms, the `number`th."""
        self._publish(_SOUND, SOUND_SIZE)
        if number % _FRAME_EVERY == 0:
            for _ in range(picture_packets):
                self._publish(1, PICTURE_SIZE)

    def _publish(self, kind: int, size: int) -> None:
        self._numbers[kind] += 1
        data = packet(kind, self._numbers[kind], size)
        for child in self.peer.passes_on(kind, self._time.now()):
            self._send(child, data)

    # --- UDP --------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(_BATCH):
            try:
                data, address = self._socket.recvfrom(2048)
            except BlockingIOError:
                break
            sender = self._who.get(address)
            if sender is not None:
                self._take(sender, data, self._time.now())
        self._flush()

    def _take(self, sender: str, data: bytes, now: float) -> None:
        if data[0] >= len(KINDS):
            self.peer.control(sender, data, now)
            return
        before = self.peer.newest(data[0])
        for child in self.peer.media(sender, data, now):
            self._send(child, data)
        if data[0] == _SOUND and self.peer.newest(_SOUND) > before:
            self.packets += 1
            self.hearing.packet(now)
            self.began.set()

    def _send(self, to: str, data: bytes) -> None:
        address = self._at.get(to)
        if address is not None:
            # A full buffer is a lost packet, and so is one to somebody who has just failed.
            with suppress(BlockingIOError, ConnectionError):
                self._socket.sendto(data, address)

    # --- the web socket ---------------------------------------------------------------------

    def _tcp_socket(self, info: Any) -> socket.socket:
        family, kind, protocol, *_ = info
        self._tcp.append(socket.socket(family, kind, protocol))
        return self._tcp[-1]

    async def _listen(self) -> None:
        async for frame in self._web:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._message(json.loads(frame.data))

    def _message(self, message: dict[str, Any]) -> None:
        self.peer.message(message, self._time.now())
        if message["type"] == "signal":
            who = message["from"]
            self._at[who] = address = ("127.0.0.1", int(self.peer.address_of[who]))
            self._who[address] = who
        self._flush()

    async def _write(self) -> None:
        while True:
            await self._web.send_str(json.dumps(await self._says.get()))

    def _flush(self) -> None:
        sends, self.peer.sends = self.peer.sends, []
        for to, data in sends:
            self._send(to, data)
        says, self.peer.says = self.peer.says, []
        for message in says:
            self._says.put_nowait(message)

    def _stop(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        for task in self._tasks:
            task.cancel()
