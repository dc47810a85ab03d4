"""ICE and DTLS-SRTP of one WebRTC connection: aiortc's transports, without its RTCPeerConnection.

What RTCPeerConnection adds is what we cannot use: it decodes every stream in a thread of its own,
buffers 80 ms at least, cannot refuse an m-section, and tells bundled streams of one codec apart by
SSRC lines alone. So SDP and RTP are ours, the ways of packets aiortc's and aioice's.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine

from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from gateway.errors import Reason, Refused
from gateway.media.dtls_negotiation import MAX_CANDIDATES
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.ports import ParticipantId

log = logging.getLogger("trestle.media")

CONNECT_TIMEOUT = 15.0
"""Seconds for ICE and DTLS together, trickled candidates included."""


class _IceTransport(RTCIceTransport):
    """Reads over empty datagrams, which would end the reader of aiortc's DTLS transport."""

    def __init__(self, gatherer: RTCIceGatherer) -> None:
        super().__init__(gatherer)
        self._recv = self._receive_something

    async def _receive_something(self) -> bytes:
        while True:
            data = await self._connection.recv()
            if data:
                return data


class _DtlsTransport(RTCDtlsTransport):
    """Gives away what it decrypts instead of routing it to aiortc's receivers."""

    def __init__(
        self,
        transport: RTCIceTransport,
        certificate: RTCCertificate,
        on_rtp: Callable[[bytes], None],
    ) -> None:
        super().__init__(transport, [certificate])
        self._on_rtp = on_rtp

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self._on_rtp(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        """Reports are for statistics that nobody reads yet."""


class WebRtcTransport:
    """The way to one peer. Ends once, by `close` or by `on_end`; then it never speaks again."""

    def __init__(
        self,
        owner: ParticipantId,
        on_rtp: Callable[[bytes], None],
        on_end: Callable[[str], None],
    ) -> None:
        """`on_end` hears why the connection is gone for good; not after `close`."""
        self._owner = owner
        self._on_end = on_end
        self._certificate = RTCCertificate.generateCertificate()
        # No STUN server: the gateway has an address that its peers reach, or is beside them.
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = _IceTransport(self._gatherer)
        self._dtls = _DtlsTransport(self._ice, self._certificate, on_rtp)
        self._tasks: set[asyncio.Task[None]] = set()
        self._candidates = 0
        self._gathering: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def gather(self) -> LocalTransport:
        """Raises `Refused` (cancelled) when it was closed meanwhile."""
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._gatherer.gather())
        # Shielded: `close` has to wait for sockets that are just being opened.
        await asyncio.shield(self._gathering)
        if self._closing is not None:
            raise Refused(Reason.CANCELLED, "the connection was closed")
        parameters = self._gatherer.getLocalParameters()
        digest = next(
            f.value for f in self._certificate.getFingerprints() if f.algorithm == "sha-256"
        )
        return LocalTransport(
            parameters.usernameFragment or "",
            parameters.password or "",
            digest,
            tuple(candidate_to_sdp(one) for one in self._gatherer.getLocalCandidates()),
        )

    def start(self, remote: RemoteTransport) -> None:
        """Begins to connect; candidates may still come."""
        for line in remote.candidates:
            self.add_candidate(line)
        self._start(self._run(remote))

    @property
    def is_connected(self) -> bool:
        return self._dtls.state == "connected"

    def add_candidate(self, line: str) -> None:
        """One that cannot be used is dropped.

        So is the end of candidates, an empty `line`: it would let aioice give up at once where no
        candidate could be used, and yet the peer's own checks may come through.
        """
        if self._closing is not None or not line:
            return
        self._candidates += 1
        if self._candidates > MAX_CANDIDATES:
            log.debug("%s candidate dropped, there are too many: %.100s", self._owner, line)
            return
        try:
            candidate = candidate_from_sdp(line)
        except (AssertionError, ValueError):
            log.debug("%s candidate dropped, it cannot be read: %.100s", self._owner, line)
            return
        # aioice sends over UDP only, and with rtcp-mux there is one component.
        if candidate.protocol.lower() == "udp" and candidate.component == 1:
            self._start(self._add(candidate))

    async def send(self, data: bytes) -> None:
        """Encrypts and sends RTP or RTCP; nothing happens while not connected."""
        if self.is_connected:
            # A connection that breaks is told by `on_end`, not by who happens to send.
            with contextlib.suppress(ConnectionError):
                await self._dtls._send_rtp(data)

    def close(self) -> asyncio.Task[None]:
        """Tells the peer and frees everything; the task ends when that is done."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        return self._closing

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self, candidate: RTCIceCandidate) -> None:
        try:
            # A name in .local is looked up by multicast, for a second at most.
            await self._ice.addRemoteCandidate(candidate)
        except ValueError as error:
            log.debug("%s candidate dropped: %s", self._owner, error)

    async def _run(self, remote: RemoteTransport) -> None:
        try:
            why = await self._connect_and_wait(remote)
        except Exception:
            log.exception("%s connection failed by a fault of ours", self._owner)
            why = "the connection failed by a fault of ours"
        if self._closing is None:
            self._on_end(why)

    async def _connect_and_wait(self, remote: RemoteTransport) -> str:
        """Why the connection is gone."""
        ended = asyncio.Event()
        self._dtls.on("statechange", lambda: ended.set() if not self._is_alive() else None)
        self._ice.on("statechange", lambda: ended.set() if not self._is_alive() else None)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                if not await self._connect(remote):
                    return self._failure()
        except TimeoutError:
            return f"no connection within {CONNECT_TIMEOUT:.0f} s: {self._failure()}"
        log.debug("%s connected", self._owner)
        if self._is_alive():
            await ended.wait()
        return "the peer's connection is gone"

    async def _connect(self, remote: RemoteTransport) -> bool:
        # An ICE-lite peer makes no checks of its own, so we have to lead (RFC 8445, s. 6.1.1).
        self._ice._connection.ice_controlling = remote.ice_lite
        await self._ice.start(RTCIceParameters(remote.ufrag, remote.password, remote.ice_lite))
        if self._ice.state != "completed":
            return False
        self._dtls._set_role("client" if remote.setup == "active" else "server")
        fingerprints = [RTCDtlsFingerprint(name, value) for name, value in remote.fingerprints]
        await self._dtls.start(RTCDtlsParameters(fingerprints))
        return self.is_connected

    def _failure(self) -> str:
        if self._ice.state != "completed":
            return "no way through by ICE"
        return "the DTLS handshake failed"

    def _is_alive(self) -> bool:
        return self._dtls.state not in ("closed", "failed") and self._ice.state not in (
            "closed",
            "failed",
        )

    async def _close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
        if self._gathering is not None:
            await asyncio.wait((self._gathering,))
        await self._dtls.stop()
        await self._ice.stop()
