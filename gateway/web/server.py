"""The browsers' door: the page, the signalling socket, and how the gateway does."""

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from gateway.conference.rooms import Rooms
from gateway.errors import Reason
from gateway.ports import ParticipantId
from gateway.web.badhttp import server_log
from gateway.web.ice_servers import IceServers
from gateway.web.joins import Joins
from gateway.web.limits import Limits
from gateway.web.listener import listening_socket
from gateway.web.metrics import CONTENT_TYPE
from gateway.web.monitor import MonitorPages
from gateway.web.monitor_token import own_token
from gateway.web.pages import Pages, add_headers
from gateway.web.proxies import Network, client_address
from gateway.web.session import Session
from gateway.web.signalling_socket import SignallingSocket
from gateway.web.tls import own_certificate, server_context
from gateway.web.tokens import Tokens

_log = logging.getLogger("trestle.web")

MAX_SOCKETS = 2000
"""Signalling sockets at once, in rooms or not."""

MAX_MESSAGE_BYTES = 262_144
"""An offer to the seat has about 1 kB for each phone in the room."""

HEARTBEAT = 20.0
"""Seconds between WebSocket pings; aiohttp waits half as long for the pong: 30 s of silence end
a connection."""

KEEPALIVE_TIMEOUT = 20.0
"""Seconds that an HTTP connection may stand idle, or take to tell its request."""

CLOSE_REPLY_TIMEOUT = 2.0
"""Seconds that a browser has to confirm our closing frame."""

STOP_TIMEOUT = 4.0
"""Seconds for all goodbyes when the server stops."""


class WebServer:
    """HTTP and WebSocket listeners; a `ports.Bridge`, but that it needs the rooms themselves."""

    def __init__(
        self,
        *,
        listen: str = "0.0.0.0",
        port: int = 8080,
        tls_port: int | None = 8443,
        certificate: Path | None = None,
        key: Path | None = None,
        state_dir: Path,
        ice_servers: IceServers | None = None,
        proxies: Sequence[Network] = (),
        monitor_token: str | None = None,
        status: Callable[[], Mapping[str, object]],
        metrics: Callable[[], bytes],
        sounds: Mapping[str, Path] | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`port` and `tls_port` 0 mean any free port, and then tell which one it became; `sounds`
        are the prompts' files by name. Without a `monitor_token` there is one of our own."""
        self.port = port
        self.tls_port = tls_port
        self._listen = listen
        self._certificate = certificate
        self._key = key
        self._state_dir = state_dir
        self._ice_servers = ice_servers or IceServers()
        self._proxies = proxies
        self._monitor_token = monitor_token
        self._monitor: MonitorPages | None = None
        self._status = status
        self._metrics = metrics
        self._sounds = sounds or {}
        self._limits = limits or Limits()
        self._joins = Joins(self._limits.joins_per_second, self._limits.joins_burst)
        self._tokens: Tokens[Session] = Tokens()
        self._sessions: dict[ParticipantId, Session] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._rooms: Rooms | None = None
        self._open = AsyncExitStack()

    # --- ports.Bridge -----------------------------------------------------------------------

    async def start(self, rooms: Rooms) -> None:
        """Returns when browsers can come. Raises `TrestleError`: a port, the certificate."""
        self._rooms = rooms
        self._monitor = MonitorPages(self._monitor_token or self.own_monitor_token(), rooms)
        async with AsyncExitStack() as opened:
            runner = web.AppRunner(
                self._application(self._monitor),
                access_log=None,
                logger=server_log(),
                keepalive_timeout=KEEPALIVE_TIMEOUT,
                shutdown_timeout=1.0,
            )
            await runner.setup()
            opened.push_async_callback(runner.cleanup)
            self.port = await self._listen_on(runner, self.port, "web.port", tls=False)
            if self.tls_port is not None:
                self.tls_port = await self._listen_on(
                    runner, self.tls_port, "web.tls_port", tls=True
                )
            self._open = opened.pop_all()

    async def stop(self) -> None:
        """Says goodbye to everyone, waits a little, and leaves nothing open."""
        self._rooms = None
        if self._monitor is not None:
            self._monitor.stop()
        sessions = list(self._sessions.values())
        for session in sessions:
            session.end(Reason.SHUTDOWN, "the server is stopping")
        if self._running:
            await asyncio.wait(self._running, timeout=STOP_TIMEOUT)
        for session in sessions:
            session.cut()  # whose last bytes nobody has read yet
        await self._open.aclose()

    def inventory(self) -> Mapping[str, int]:
        feeds = {} if self._monitor is None else self._monitor.inventory()
        return {"web_sockets": len(self._sessions), **feeds}

    def own_monitor_token(self) -> str:
        """The one that serves where the admin gave none. Raises `TrestleError`."""
        return own_token(self._state_dir)

    # --- HTTP -------------------------------------------------------------------------------

    def _application(self, monitor: MonitorPages) -> web.Application:
        application = web.Application(client_max_size=1024)
        application.on_response_prepare.append(add_headers)
        application.add_routes(
            [
                web.get("/ws", self._socket),
                web.get("/health", self._health),
                web.get("/api/status", self._tell_status),
                web.get("/metrics", self._tell_metrics),
                *monitor.routes(),
                *Pages(self._sounds).routes(),
            ]
        )
        return application

    async def _listen_on(self, runner: web.AppRunner, port: int, key: str, *, tls: bool) -> int:
        context = None
        if tls:
            certificate = self._certificate or own_certificate(self._state_dir, datetime.now(UTC))
            context = server_context(certificate, self._key)
        listener = listening_socket(self._listen, port, ("web.listen", key))
        await web.SockSite(runner, listener, ssl_context=context).start()
        return int(listener.getsockname()[1])

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def _tell_status(self, request: web.Request) -> web.StreamResponse:
        if not _is_from_this_machine(request):
            raise web.HTTPForbidden(text="The status is only told on the machine itself.\n")
        return web.json_response(self._status())

    async def _tell_metrics(self, request: web.Request) -> web.StreamResponse:
        if not _is_from_this_machine(request):
            raise web.HTTPForbidden(text="The metrics are only told on the machine itself.\n")
        headers = {"Content-Type": CONTENT_TYPE}
        return web.Response(body=self._metrics(), headers=headers)

    # --- signalling -------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if not _is_same_origin(request):
            raise web.HTTPForbidden(text="This socket serves its own page only.\n")
        if self._rooms is None or len(self._sessions) >= MAX_SOCKETS:
            raise web.HTTPServiceUnavailable(
                text="The server takes no more participants now.\n", headers={"Retry-After": "10"}
            )
        socket = web.WebSocketResponse(
            timeout=CLOSE_REPLY_TIMEOUT,
            heartbeat=HEARTBEAT,
            max_msg_size=MAX_MESSAGE_BYTES + 1,  # aiohttp refuses what is as large as that
            compress=False,
        )
        participant = self._fresh_id()
        address = self._client_address(request)
        session = Session(
            participant,
            SignallingSocket(participant, socket, lambda: _abort(request), self._limits),
            address=address,
            host=_host(request),
            rooms=self._rooms,
            tokens=self._tokens,
            ice_servers=self._ice_servers,
            joins=self._joins,
            limits=self._limits,
        )
        self._sessions[participant] = session
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await socket.prepare(request)
            _log.debug("%s connected from %s", participant, address)
            await session.run()
        finally:
            self._running.discard(task)
            del self._sessions[participant]
        return socket

    def _client_address(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        client = client_address(request.remote or "", forwarded, self._proxies)
        return client or "an unknown address"

    def _fresh_id(self) -> ParticipantId:
        while True:
            participant = ParticipantId(f"web-{secrets.token_hex(3)}")
            if participant not in self._sessions:
                return participant


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _is_same_origin(request: web.Request) -> bool:
    """RFC 6455, section 10.2: other sites' pages can open sockets to us, but not without Origin.

    Programs that are no browser send none.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == request.host.lower() != ""
    except ValueError:
        return False


def _is_from_this_machine(request: web.Request) -> bool:
    """Neither through a proxy on this machine, nor by a foreign name that resolves to it."""
    if "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        return False
    host = _host(request)
    return _is_loopback(request.remote) and (host == "localhost" or _is_loopback(host))


def _host(request: web.Request) -> str:
    """The Host header without its port; empty for one that is no host at all."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(address: str | None) -> bool:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
