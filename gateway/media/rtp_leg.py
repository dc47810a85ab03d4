"""A phone's audio: plain RTP over a pair of UDP sockets of its own."""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Reason
from gateway.media.codecs import Encoder, encoder
from gateway.media.inlet import Inlet
from gateway.media.latch import Endpoint, Latch
from gateway.media.mixer import FRAME, RATE, Frame
from gateway.media.negotiation import Choice
from gateway.media.rtcp import INTERVAL, Reports
from gateway.media.rtp import RtpPacket
from gateway.media.rtp_negotiation import (
    Local,
    Remote,
    describe_answer,
    describe_offer,
    read_answer,
    read_remote,
)
from gateway.media.telephone_event import TelephoneEvents
from gateway.ports import DigitPressed, LegFailed, MediaEvent, ParticipantId
from gateway.sdp import Codec, SessionDescription

log = logging.getLogger("trestle.media")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Endpoint], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data, (addr[0], addr[1]))


@dataclass(frozen=True, slots=True)
class _Sockets:
    """The local end: two asyncio transports."""

    rtp: asyncio.DatagramTransport
    rtcp: asyncio.DatagramTransport
    port: int

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class RtpLeg:
    """Answers and makes offers, sends the mix, hears the phone and its keypad."""

    def __init__(
        self,
        leg: ParticipantId,
        address: str,
        rtp_timeout: float,
        emit: Callable[[MediaEvent], None],
    ) -> None:
        """`address` stands in our descriptions."""
        self.id = leg
        self._address = address
        self._rtp_timeout = rtp_timeout
        self._emit = emit
        self._sockets: _Sockets | None = None
        self._remote: Remote | None = None
        self._has_talked = False
        """Whether the call was ever two-way: only then is one-way media a hold."""
        self._failed = self._closed = False

        self._latch = Latch(("", 0))
        self._inlet: Inlet | None = None
        self._encoder: Encoder | None = None
        self._events = TelephoneEvents()

        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(15)
        self._epoch = secrets.randbits(32)
        self._reports = Reports(self._ssrc, "trestle")
        self._next_report = 0.0
        self._last_heard = 0.0

        self._session_id = secrets.randbits(62)
        self._version = 0
        self._last_description = ""

    async def open(self, pair: tuple[socket.socket, socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        port: int = pair[0].getsockname()[1]
        try:
            rtp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._receive_rtp), sock=pair[0]
            )
            rtcp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._receive_rtcp), sock=pair[1]
            )
        except BaseException:
            for half in pair:
                half.close()
            raise
        self._sockets = _Sockets(rtp, rtcp, port)
        self._last_heard = loop.time()
        if self._closed:
            self._sockets.close()

    def answer(self, offer: SessionDescription, choice: Choice) -> SessionDescription:
        """Raises `Refused`, and then the leg goes on as it was."""
        remote = read_remote(choice.section, offer)
        self._set_remote(remote)
        return self._describe(lambda local: describe_answer(offer, choice.index, remote, local))

    def offer(self) -> SessionDescription:
        return self._describe(describe_offer)

    def accept(self, answer: SessionDescription) -> None:
        """Raises `Refused`."""
        self._set_remote(read_answer(answer))

    def pull(self) -> Frame | None:
        frame = self._inlet.pull() if self._inlet else None
        return None if self._is_held else frame

    async def send(self, frame: Frame, tick: int) -> None:
        target = self._latch.target
        if (
            self._sockets is None
            or self._remote is None
            or self._encoder is None
            or target is None
            or not self._remote.receives
        ):
            return
        codec = self._remote.codec
        self._sequence = (self._sequence + 1) & 0xFFFF
        timestamp = (self._epoch + tick * (FRAME * codec.clock_rate // RATE)) & 0xFFFF_FFFF
        packet = RtpPacket(
            codec.payload_type,
            self._sequence,
            timestamp,
            self._ssrc,
            self._encoder.encode(frame),
        )
        self._reports.sent(packet)
        self._sockets.rtp.sendto(packet.serialize(), target)

    async def handle_timeout(self, now: float) -> None:
        for digit in self._events.handle_timeout(now):
            self._press(digit)
        if now >= self._next_report:
            self._next_report = now + INTERVAL
            self._send_report()
        self._check_silence(now)

    def close(self) -> None:
        """Also while `open` is under way."""
        self._closed = True
        if self._sockets is not None:
            self._sockets.close()

    @property
    def _is_held(self) -> bool:
        """The phone put the call aside. What it sends then is music, and nobody wants that."""
        return self._has_talked and self._remote is not None and self._remote.on_hold

    def _set_remote(self, remote: Remote) -> None:
        before, self._remote = self._remote, remote
        self._has_talked = self._has_talked or not remote.on_hold
        if before is None:
            self._latch = Latch(remote.rtp)
        elif remote.rtp[0] not in ("0.0.0.0", "::"):
            # The old way of holding names no place; the phone stays where it is.
            self._latch.signal(remote.rtp)
        if before is None or before.codec != remote.codec:
            self._inlet = Inlet(remote.codec)
            self._encoder = encoder(remote.codec.name)
        self._last_heard = asyncio.get_running_loop().time()
        log.info(
            "%s plain RTP with %s:%d, %s, %s",
            self.id,
            *remote.rtp,
            remote.codec.name,
            remote.direction,
        )

    def _describe(self, make: Callable[[Local], SessionDescription]) -> SessionDescription:
        """The version rises exactly when the description changes; RFC 3264, section 8."""
        assert self._sockets is not None
        local = Local(self._address, self._sockets.port, self._session_id, self._version)
        description = make(local)
        if str(description) != self._last_description and self._last_description:
            self._version += 1
            local = Local(self._address, self._sockets.port, self._session_id, self._version)
            description = make(local)
        self._last_description = str(description)
        return description

    def _receive_rtp(self, data: bytes, source: Endpoint) -> None:
        now = asyncio.get_running_loop().time()
        try:
            packet = RtpPacket.parse(data)
        except ValueError as error:
            log.debug("%s < RTP from %s dropped: %s", self.id, source, error)
            return
        codec = self._codec_of(packet.payload_type)
        if codec is None or self._remote is None or self._inlet is None:
            return
        if not self._latch.accept(source, now):
            log.debug("%s < RTP from %s dropped: not this call's address", self.id, source)
            return
        self._last_heard = now
        if codec is self._remote.events:
            for digit in self._events.receive(packet.payload, packet.timestamp, now):
                self._press(digit)
        elif self._remote.sends:
            self._reports.received(packet)
            self._inlet.receive(packet)

    def _receive_rtcp(self, data: bytes, source: Endpoint) -> None:
        """Reports are not read, but a phone that sends nothing else is still there."""
        target = self._latch.target
        if target is not None and source[0] == target[0]:
            self._last_heard = asyncio.get_running_loop().time()

    def _codec_of(self, payload_type: int) -> Codec | None:
        if self._remote is None:
            return None
        for codec in (self._remote.codec, self._remote.events):
            if codec is not None and codec.payload_type == payload_type:
                return codec
        return None

    def _press(self, digit: str) -> None:
        log.debug("%s < digit %s", self.id, digit)
        self._emit(DigitPressed(self.id, digit))

    def _send_report(self) -> None:
        target = self._latch.target
        if self._sockets is None or self._remote is None or target is None:
            return
        signalled = target == self._remote.rtp
        where = self._remote.rtcp if signalled else (target[0], min(target[1] + 1, 65_535))
        self._sockets.rtcp.sendto(self._reports.report(time.time()), where)

    def _check_silence(self, now: float) -> None:
        if self._failed or self._remote is None or self._is_held or not self._remote.sends:
            return
        if now - self._last_heard > self._rtp_timeout:
            self._failed = True
            text = f"no RTP came for {self._rtp_timeout:.0f} s"
            self._emit(LegFailed(self.id, Reason.CONNECTIVITY, text))
