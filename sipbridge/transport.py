"""Sockets: one UDP and one TCP listener on the same port; RFC 3261, section 18.

Gives whole messages with the flow they came by, and sends whole messages back along a flow. It
opens no connections: a message for one that is gone is dropped, and its sender told.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import socket
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Protocol, cast

from gateway.errors import BY_STRANGERS, TrestleError
from sipbridge.flow import Flow, Packet
from sipbridge.framing import Framed, Ping, StreamFramer, Unframeable

_log = logging.getLogger("trestle.sip")

MAX_CONNECTIONS = 2000
MAX_CONNECTIONS_PER_HOST = 200
MAX_WRITE_BUFFER = 262_144
MESSAGE_LIMIT_S = 30.0
"""A message that has begun must be whole by then."""
IDLE_LIMIT_S = 180.0
"""A connection that no call uses is closed after this silence."""

_PORT_TRIES = 20


class Receiver(Protocol):
    """Who gets what the sockets bring."""

    def receive_message(self, data: bytes, flow: Flow) -> None: ...
    def receive_unframeable(self, unframeable: Unframeable, flow: Flow) -> None: ...
    def connection_lost(self, flow: Flow) -> None: ...
    def uses(self, flow: Flow) -> bool:
        """Whether a call depends on the connection."""
        ...


class Transport:
    """The listeners and the connections they took."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._udp: asyncio.DatagramTransport | None = None
        self._udp_family = socket.AF_INET
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _Connection] = {}
        self._per_host: Counter[str] = Counter()
        self._numbers = count(1)
        self._none_left = asyncio.Event()
        self.port = 0

    async def start(self, listen: str, port: int, *, udp: bool, tcp: bool) -> None:
        """Port 0 is any port that is free for both. Raises TrestleError."""
        sockets = _bind(listen, port, udp=udp, tcp=tcp)
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self.port = sock.getsockname()[1]
            if sock.type == socket.SOCK_DGRAM:
                self._udp_family = sock.family
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._receiver), sock=sock
                )
            else:
                self._server = await loop.create_server(self._new_connection, sock=sock)

    async def stop(self) -> None:
        """Closes listeners and connections, after what is written has gone out, for 1 s at most."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.close()
        try:
            async with asyncio.timeout(1):
                while self._connections:
                    self._none_left.clear()
                    await self._none_left.wait()
        except TimeoutError:
            for connection in list(self._connections.values()):
                connection.abort()
        if self._server is not None:
            await self._server.wait_closed()
        if self._udp is not None:
            self._udp.close()
            # The loop closes the socket itself in its next round.
            await asyncio.sleep(0)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def send(self, packet: Packet) -> None:
        flow = packet.flow
        if flow.protocol == "UDP":
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(packet.data, _socket_address(flow, self._udp_family))
        elif connection := self._connections.get(flow.connection):
            connection.send(packet.data)
        else:
            # Told again: who sends there must not wait for an answer.
            self._receiver.connection_lost(flow)

    def local_host(self, flow: Flow) -> str:
        """Our own IP address as the peer of the flow sees it, NAT aside."""
        if connection := self._connections.get(flow.connection):
            return _unmapped(connection.local_host)
        # Asks the routing table; connecting a datagram socket sends nothing.
        family = socket.AF_INET6 if ":" in flow.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((flow.host, flow.port or 9))
            except OSError:
                # No route back: nothing that we say with this address will arrive either.
                return "::1" if family == socket.AF_INET6 else "127.0.0.1"
            return str(sock.getsockname()[0])

    def _new_connection(self) -> "_Connection":
        return _Connection(next(self._numbers), self._receiver, self._opened, self._closed)

    def _opened(self, connection: "_Connection") -> bool:
        """False when it is one too many."""
        host = connection.flow.host
        if len(self._connections) >= MAX_CONNECTIONS:
            return False
        if self._per_host[host] >= MAX_CONNECTIONS_PER_HOST:
            return False
        self._per_host[host] += 1
        self._connections[connection.flow.connection] = connection
        return True

    def _closed(self, connection: "_Connection") -> None:
        flow = connection.flow
        if self._connections.pop(flow.connection, None) is None:
            return
        self._per_host[flow.host] -= 1
        if not self._per_host[flow.host]:
            del self._per_host[flow.host]
        if not self._connections:
            self._none_left.set()
        self._receiver.connection_lost(flow)


class _Datagrams(asyncio.DatagramProtocol):
    """One message per datagram, section 18."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        # Empty lines and single zero bytes are keepalive of NAT bindings.
        if data.strip(b"\r\n\0 "):
            self._receiver.receive_message(data, Flow("UDP", _peer_host(addr), addr[1]))

    def error_received(self, exc: Exception) -> None:
        _log.debug("a datagram could not be delivered: %s", exc)


class _Connection(asyncio.Protocol):
    """One TCP connection: frames, answers keepalive, watches its limits."""

    def __init__(
        self,
        number: int,
        receiver: Receiver,
        on_open: "Callable[[_Connection], bool]",
        on_close: "Callable[[_Connection], None]",
    ) -> None:
        self._number = number
        self._receiver = receiver
        self._on_open = on_open
        self._on_close = on_close
        self._framer = StreamFramer()
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        self._last_heard = self._begun = self._loop.time()
        self._was_incomplete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        # None when the peer has gone already.
        host, port = (_peer_host(peer), peer[1]) if peer else ("", 0)
        self.flow = Flow("TCP", host, port, self._number)
        if not peer or not self._on_open(self):
            _log.info("%s: connection refused, there are too many", self.flow, extra=BY_STRANGERS)
            self._transport.abort()
            return
        self._watch_again()

    def data_received(self, data: bytes) -> None:
        self._last_heard = self._loop.time()
        self._framer.receive_data(data)
        for event in self._framer.events():
            match event:
                case Framed(message):
                    self._receiver.receive_message(message, self.flow)
                case Ping():
                    self.send(b"\r\n")
                case Unframeable():
                    self._receiver.receive_unframeable(event, self.flow)
                    self._transport.close()
        if self._framer.incomplete and not self._was_incomplete:
            self._begun = self._last_heard
        self._was_incomplete = self._framer.incomplete

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._on_close(self)

    @property
    def local_host(self) -> str:
        return str(self._transport.get_extra_info("sockname")[0])

    def send(self, data: bytes) -> None:
        if self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER:
            _log.info("%s: closed, the peer does not read", self.flow, extra=BY_STRANGERS)
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _watch_again(self) -> None:
        self._watch = self._loop.call_later(MESSAGE_LIMIT_S, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if self._was_incomplete and now - self._begun >= MESSAGE_LIMIT_S:
            text = "%s: closed, a message was begun and not ended"
            _log.info(text, self.flow, extra=BY_STRANGERS)
            self._transport.abort()
        elif now - self._last_heard >= IDLE_LIMIT_S and not self._receiver.uses(self.flow):
            _log.debug("%s: closed, idle", self.flow)
            self._transport.close()
        else:
            self._watch_again()


def _bind(listen: str, port: int, *, udp: bool, tcp: bool) -> list[socket.socket]:
    """One socket per protocol on the same port; for port 0 tries until both get the same."""
    kinds = [socket.SOCK_STREAM] * tcp + [socket.SOCK_DGRAM] * udp
    for attempt in range(_PORT_TRIES):
        sockets: list[socket.socket] = []
        try:
            for kind in kinds:
                wanted = port or (sockets[0].getsockname()[1] if sockets else 0)
                sockets.append(_bind_one(listen, wanted, kind))
        except TrestleError:
            for sock in sockets:
                sock.close()
            if port or attempt == _PORT_TRIES - 1:
                raise
        else:
            return sockets
    raise AssertionError("unreachable: the last attempt returns or raises")


def _bind_one(listen: str, port: int, kind: socket.SocketKind) -> socket.socket:
    protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            # Only past TIME_WAIT; for UDP the option would let two gateways share a port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" takes IPv4 callers too.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, listen != "::")
        sock.bind((listen, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            text = f"port {port}/{protocol} is taken (sip.port in the configuration)"
        else:
            why = os.strerror(error.errno) if error.errno else str(error)
            text = f"cannot listen on {listen} port {port}/{protocol} for SIP: {why}"
        raise TrestleError(text) from error
    return sock


def _peer_host(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """IPv4 callers of a socket for both families look like IPv4; link-local keep their zone."""
    host = _unmapped(address[0])
    if len(address) == 4 and address[3] and "%" not in host:
        return f"{host}%{address[3]}"
    return host


def _unmapped(host: str) -> str:
    return host.removeprefix("::ffff:") if host.startswith("::ffff:") and "." in host else host


def _socket_address(flow: Flow, family: int) -> tuple[str, int] | tuple[str, int, int, int]:
    if family == socket.AF_INET:
        return flow.host, flow.port
    host, _, zone = flow.host.partition("%")
    if isinstance(ipaddress.ip_address(host), ipaddress.IPv4Address):
        host = f"::ffff:{host}"
    return host, flow.port, 0, int(zone) if zone.isdigit() else 0
