"""A small server of docs/protocol.md whose forest the test decides.

The real gateway plans trees for load; to prove what a page does with a given tree, a test has to
choose it. By default every tree is a chain in order of joining, so that everybody relays.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
from aiohttp import WSMsgType, web
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

WEBCLIENT = Path(__file__).parents[2] / "webclient"
CSP = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "media-src 'self' blob: mediastream:; style-src 'self'; script-src 'self'"
)
PHONE = {
    "id": "sip-phone",
    "kind": "sip",
    "name": "+4930123456",
    "publishes": ["audio"],
    "muted": {"audio": False, "video": False},
    "may": ["audio"],
    "moderator": False,
    "hand": 0,
}
NEWCOMER = {
    "kind": "web",
    "muted": {"audio": False, "video": False},
    "may": ["audio", "screen", "video"],
    "moderator": False,
    "hand": 0,
}

PHONE_HZ = 1217

Edge = tuple[str, str, str, str]
"""source, kind, parent, child"""


class Hum(AudioStreamTrack):
    """A phone's sound."""

    async def recv(self) -> AudioFrame:
        silence = cast("AudioFrame", await super().recv())
        at = np.arange(silence.samples) + (silence.pts or 0)
        wave = 0.1 * np.sin(2 * np.pi * PHONE_HZ / silence.sample_rate * at)
        samples = (wave * 32767).astype(np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, layout="mono")
        frame.pts, frame.sample_rate = silence.pts, silence.sample_rate
        frame.time_base = silence.time_base
        return frame


@dataclass
class Member:
    """A page that has joined."""

    socket: web.WebSocketResponse
    entry: dict[str, Any]
    received: list[dict[str, Any]] = field(default_factory=list)
    """All but its reports, which come by the clock."""
    reports: list[dict[str, Any]] = field(default_factory=list)


class ScriptedServer:
    """Serves the page and one room."""

    def __init__(self, listen: str = "127.0.0.1") -> None:
        self._listen = listen
        self.members: dict[str, Member] = {}
        self.append_to: dict[str, str] = {}
        """More text for some of the page's scripts, for pages that load them from now on."""
        self.legacy: list[dict[str, Any]] = []
        self.kinds = ("audio", "high")
        """The streams that every source with a camera has."""
        self.edges: set[Edge] = set()
        self.ready: set[Edge] = set()
        """Those of `edges` whose stream has arrived."""
        self.standbys: set[Edge] = set()
        self.joins: list[dict[str, Any]] = []
        self.refuse: dict[str, str] | None = None
        self.ice_servers: list[dict[str, Any]] = []
        """For those who join from now on."""
        self.seat_errors: list[str] = []
        """Codes that the next offers to the seat are answered with."""
        self.seat_connections: dict[tuple[str, str], RTCPeerConnection] = {}
        self._version = 0
        self._joined = 0
        self._heard = asyncio.Event()
        self.chained = True

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/assets/{name}.js", self._script)
        app.router.add_static("/assets", WEBCLIENT)
        app.router.add_get("/{room:[^/]*}", self._page)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._listen, 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        for connection in self.seat_connections.values():
            await connection.close()
        for member in list(self.members.values()):
            await member.socket.close(code=1000)
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        host = "localhost" if self._listen == "127.0.0.1" else self._listen
        return f"http://{host}:{self.port}"

    async def _page(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}
        return web.FileResponse(WEBCLIENT / "index.html", headers=headers)

    async def _script(self, request: web.Request) -> web.StreamResponse:
        name = f"{request.match_info['name']}.js"
        text = (WEBCLIENT / name).read_text() + self.append_to.get(name, "")
        headers = {"Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/javascript", headers=headers)

    # --- the protocol -----------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        me = ""
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            message = json.loads(frame.data)
            if message["type"] == "join":
                if self.refuse is not None:
                    await socket.send_json({"type": "error", **self.refuse})
                    await socket.close(code=1008)
                    return socket
                me = await self._join(socket, message)
            elif message["type"] == "leave":
                await socket.close(code=1000)
            else:
                if message["type"] == "report":
                    self.members[me].reports.append(message)
                    continue
                self.members[me].received.append(message)
                await getattr(self, f"_on_{message['type']}")(me, message)
            self._heard.set()
        if me in self.members:
            await self._remove(me)
        self._heard.set()
        return socket

    async def _join(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> str:
        self.joins.append(message)
        if message.get("token", "").removeprefix("token-") in self.members:
            await self._remove(message["token"].removeprefix("token-"))
        self._joined += 1
        me = f"web-{self._joined}"
        entry = {"id": me} | NEWCOMER
        self.members[me] = Member(
            socket, entry | {"name": message["name"], "publishes": message["publishes"]}
        )
        welcome: dict[str, Any] = {"you": me, "token": f"token-{me}", "room": message["room"]}
        welcome |= {"ice_servers": self.ice_servers, "seat": "seat"}
        await self.tell(me, {"type": "welcome", **welcome})
        await self.changed()
        return me

    async def _remove(self, me: str) -> None:
        del self.members[me]
        self.ready = {edge for edge in self.ready if me not in edge}
        self.standbys = {edge for edge in self.standbys if me not in edge}
        self.edges = {edge for edge in self.edges if me not in edge}
        await self.changed()

    async def _on_ping(self, me: str, _message: dict[str, Any]) -> None:
        await self.tell(me, {"type": "pong"})

    async def _on_publish(self, me: str, message: dict[str, Any]) -> None:
        self.members[me].entry["publishes"] = message["publishes"]
        await self.changed()

    async def _on_hand(self, me: str, message: dict[str, Any]) -> None:
        self.members[message.get("participant", me)].entry["hand"] = int(message["raised"])
        await self.changed()

    async def _on_grant(self, me: str, message: dict[str, Any]) -> None:
        self.members[message["participant"]].entry["may"] = message["kinds"]
        await self.changed()

    async def _on_block(self, me: str, message: dict[str, Any]) -> None:
        """The test looks at what was said; the forest stays as it is."""

    async def _on_mute(self, me: str, message: dict[str, Any]) -> None:
        self.members[me].entry["muted"] = {kind: message[kind] for kind in ("audio", "video")}
        await self.changed()

    async def _on_unreachable(self, me: str, message: dict[str, Any]) -> None:
        """The test decides the trees."""

    async def _on_view(self, me: str, message: dict[str, Any]) -> None:
        """Which tree carries what is for the test to say."""

    async def _on_ready(self, me: str, message: dict[str, Any]) -> None:
        edge = (message["source"], message["kind"], message["parent"], me)
        if edge in self.standbys:
            await self._promote(edge)
        self.ready.add(edge)
        await self.plan()

    async def _promote(self, edge: Edge) -> None:
        """What the child made of its standby edge holds (docs/protocol.md, "Repair")."""
        source, kind, _parent, child = edge
        self.standbys.discard(edge)
        self.edges.add(edge)
        for old in sorted(self.edges - {edge}):
            if (old[0], old[1], old[3]) == (source, kind, child):
                await self.detach(old)

    async def _on_signal(self, me: str, message: dict[str, Any]) -> None:
        to = message["to"]
        body = {key: value for key, value in message.items() if key not in ("type", "to")}
        if to == "seat":
            await self._seat(me, body)
        else:
            await self.tell(to, {"type": "signal", "from": me, **body})

    async def _seat(self, me: str, body: dict[str, Any]) -> None:
        """The gateway's seat, with one phone behind it that hums."""
        if "description" not in body:
            return
        if self.seat_errors:
            error = {"type": "error", "code": self.seat_errors.pop(0), "text": "Not this one."}
            await self.tell(me, error)
            return
        name = (me, str(body["connection"]))
        connection = self.seat_connections.setdefault(name, RTCPeerConnection())
        await connection.setRemoteDescription(RTCSessionDescription(**body["description"]))
        for transceiver in connection.getTransceivers():
            track = body["tracks"].get(transceiver.mid)
            if track and track["source"] == PHONE["id"] and transceiver.sender.track is None:
                transceiver.sender.replaceTrack(Hum())
                transceiver.direction = "sendonly"
        await connection.setLocalDescription(await connection.createAnswer())
        answer = connection.localDescription
        await self.tell(
            me,
            {
                "type": "signal",
                "from": "seat",
                "connection": body["connection"],
                "description": {"type": answer.type, "sdp": answer.sdp},
            },
        )

    # --- the forest -------------------------------------------------------------------------

    async def changed(self) -> None:
        """Tells everyone the roster, then lays the chains anew."""
        self._version += 1
        roster = [*self.legacy, *(member.entry for member in self.members.values())]
        for me in list(self.members):
            await self.tell(
                me, {"type": "roster", "version": self._version, "participants": roster}
            )
        await self.plan()

    async def plan(self) -> None:
        if not self.chained:
            return
        wanted = {edge for source in self.members for edge in self._chain(source)}
        for edge in self.edges - wanted:
            await self.detach(edge)
        for edge in sorted(wanted - self.edges):
            source, kind, parent, _child = edge
            if parent in (source, "seat") or self.has(parent, source, kind):
                await self.attach(edge)

    def has(self, who: str, source: str, kind: str = "audio") -> bool:
        """Whether a page has somebody's stream, from whichever parent."""
        return any(edge[:2] == (source, kind) and edge[3] == who for edge in self.ready)

    @property
    def settled(self) -> bool:
        """Whether all streams have arrived at all pages, as planned."""
        due = {edge for edge in self.edges if edge[3] != "seat"}
        wanted = {edge for source in self.members for edge in self._chain(source)}
        return due <= self.ready and (not self.chained or wanted == self.edges)

    def _chain(self, source: str) -> list[Edge]:
        """The source, then all others in order of joining, each the child of the one before."""
        chain = [source, *(one for one in self.members if one != source)]
        edges = [edge for a, b in pairwise(chain) for edge in self.streams(source, a, b)]
        if self.legacy:
            phone = str(self.legacy[0]["id"])
            edges.append((source, "audio", source, "seat"))
            edges.append((phone, "audio", "seat", source))
        return edges

    def streams(self, source: str, parent: str, child: str) -> list[Edge]:
        """An edge for each stream that a source has now."""
        publishes = self.members[source].entry["publishes"]
        has = {"audio": "audio", "low": "video", "high": "video", "screen": "screen"}
        return [(source, kind, parent, child) for kind in self.kinds if has[kind] in publishes]

    async def link(self, source: str, parent: str, child: str) -> list[Edge]:
        """Attaches all streams of a source."""
        edges = self.streams(source, parent, child)
        for edge in edges:
            await self.attach(edge)
        return edges

    async def unlink(self, source: str, parent: str, child: str) -> None:
        """Detaches all streams of a source."""
        for edge in sorted(self.edges):
            if (edge[0], *edge[2:]) == (source, parent, child):
                await self.detach(edge)

    async def attach(self, edge: Edge) -> None:
        self.edges.add(edge)
        await self._tell_edge("attach", edge)

    async def detach(self, edge: Edge) -> None:
        self.edges.discard(edge)
        self.ready.discard(edge)
        await self._tell_edge("detach", edge)

    async def standby(self, edge: Edge, on: bool = True) -> None:
        if on:
            self.standbys.add(edge)
        else:
            self.standbys.discard(edge)
        await self._tell_edge("standby", edge, on=on)

    async def _tell_edge(self, what: str, edge: Edge, **more: bool) -> None:
        message = dict(
            zip(("type", "source", "kind", "parent", "child"), (what, *edge), strict=True), **more
        )
        for end in edge[2:]:
            await self.tell(end, message)

    async def tell(self, to: str, message: dict[str, Any]) -> None:
        if to in self.members and not self.members[to].socket.closed:
            await self.members[to].socket.send_json(message)

    async def until(self, true: Callable[[], bool], seconds: float = 8) -> None:
        """Waits for a condition on what the pages said."""
        async with asyncio.timeout(seconds):
            while not true():
                self._heard.clear()
                await self._heard.wait()
