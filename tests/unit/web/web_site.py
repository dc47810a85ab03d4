"""A web server on loopback with real rooms behind it, and browsers that are only sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType

from gateway.conference.permissions import Rules
from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.dialplan.load import load_plan
from gateway.errors import Reason, Refused
from gateway.ports import Answer, Candidate, Edge, MediaEvent, Offer, ParticipantId, RoomName, Track
from gateway.trees.policies.breadth_first import BreadthFirst
from gateway.web.ice_servers import IceServers
from gateway.web.limits import Limits
from gateway.web.metrics import exposition
from gateway.web.proxies import Network
from gateway.web.server import WebServer

PATIENCE = 5.0

MONITOR_TOKEN = "a-token-for-the-monitor"


class SilentPlane:
    """A media plane without media. The seat answers an offer once `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.offers: list[str] = []

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None: ...

    async def stop(self) -> None: ...

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        return Answer("an answer")

    async def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        return Offer("an offer")

    async def accept(self, leg: ParticipantId, answer: Answer) -> None: ...

    def confirm(self, leg: ParticipantId) -> None: ...

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None: ...

    def mute(self, leg: ParticipantId, muted: bool) -> None: ...

    def close(self, leg: ParticipantId) -> None: ...

    async def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        self.offers.append(offer.sdp)
        await self.go_on.wait()
        if offer.sdp == "impossible":
            raise Refused(Reason.MEDIA, "no codec in common")
        if offer.sdp == "our bug":
            raise ZeroDivisionError
        return Answer(f"answer to {offer.sdp}")

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None: ...

    def seat_candidate(
        self, room: RoomName, peer: ParticipantId, connection: str, candidate: Candidate
    ) -> None: ...

    def attach(self, room: RoomName, edge: Edge) -> None: ...

    def detach(self, room: RoomName, edge: Edge) -> None: ...

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None: ...

    def play(self, room: RoomName, leg: ParticipantId | None, prompts: tuple[str, ...]) -> None: ...

    def stop_playing(self, room: RoomName, leg: ParticipantId | None) -> None: ...

    def record(self, room: RoomName) -> None: ...

    def stop_recording(self, room: RoomName) -> None: ...

    def inventory(self) -> Mapping[str, int]:
        return {}


class Browser:
    """One signalling socket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.id = ""
        self.token = ""

    async def send(self, **message: object) -> None:
        await self.socket.send_str(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE)
        return message

    async def expect(self, kind: str) -> dict[str, Any]:
        """The next message, which must be of this type."""
        message = await self.receive()
        assert message["type"] == kind, message
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of this type; others are read over."""
        while (message := await self.receive())["type"] != kind:
            pass
        return message

    async def roster_of(self, *names: str) -> None:
        """Waits until the roster has these names."""
        while [p["name"] for p in (await self.until("roster"))["participants"]] != list(names):
            pass

    async def closed(self) -> int:
        """The close code; what is still said before is read over."""
        async with asyncio.timeout(PATIENCE):
            while (await self.socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                pass
        assert self.socket.close_code is not None
        return self.socket.close_code

    async def join(self, name: str = "Ana", room: str = "demo", **more: object) -> None:
        publishes = more.pop("publishes", ["audio"])
        await self.send(type="join", room=room, name=name, publishes=publishes, **more)
        welcome = await self.expect("welcome")
        self.id, self.token = welcome["you"], welcome["token"]


class Site:
    """The server, what is behind it, and a way in."""

    def __init__(self, server: WebServer, rooms: Rooms, plane: SilentPlane, http: ClientSession):
        self.server = server
        self.rooms = rooms
        self.plane = plane
        self.http = http
        self._sockets: list[ClientWebSocketResponse] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def browser(self, **headers: str) -> Browser:
        patience = ClientWSTimeout(ws_close=1.0)
        socket = await self.http.ws_connect(f"{self.url}/ws", headers=headers, timeout=patience)
        self._sockets.append(socket)
        return Browser(socket)

    async def close(self) -> None:
        """No test leaves a socket to the garbage collector, which would tell another test."""
        for socket in self._sockets:
            await socket.close()

    async def joined(self, name: str, room: str = "demo") -> Browser:
        browser = await self.browser()
        await browser.join(name, room)
        return browser

    async def empty(self) -> None:
        """Waits until no socket is left, and asserts that no participant is."""
        async with asyncio.timeout(PATIENCE):
            while self.server.inventory()["web_sockets"]:  # noqa: ASYNC110 - nothing tells us
                await asyncio.sleep(0)
        assert self.rooms.inventory() == {"rooms": 0, "participants": 0, "legs_opening": 0}


@asynccontextmanager
async def running_site(
    state_dir: Path,
    *,
    limits: Limits | None = None,
    max_participants: int = 10,
    recording: bool = False,
    rules: Rules | None = None,
    sounds: Mapping[str, Path] | None = None,
    ice_servers: IceServers | None = None,
    plan: Path | None = None,
    proxies: Sequence[Network] = (),
) -> AsyncIterator[Site]:
    loop = asyncio.get_running_loop()
    plane = SilentPlane()
    rooms = Rooms(
        load_plan(plan),
        plane,
        BreadthFirst(2),
        Surroundings(loop.time, loop.call_at),
        max_participants,
        recording=recording,
        rules=lambda _: rules or Rules(),
    )
    server = WebServer(
        listen="127.0.0.1",
        port=0,
        tls_port=None,
        state_dir=state_dir,
        ice_servers=ice_servers,
        proxies=proxies,
        status=lambda: {"open": server.inventory()},
        monitor_token=MONITOR_TOKEN,
        metrics=lambda: exposition(server.inventory(), {}, rooms.tree_figures()),
        sounds=sounds,
        limits=limits,
    )
    await server.start(rooms)
    try:
        async with ClientSession() as http:
            site = Site(server, rooms, plane, http)
            try:
                yield site
            finally:
                await site.close()
    finally:
        await server.stop()
    assert server.inventory() == {"web_sockets": 0, "monitor_feeds": 0}
