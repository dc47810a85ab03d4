"""The secure transports on real sockets, with an echo in place of a mixer."""

import asyncio
import datetime
import secrets
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from gateway.media import demultiplex
from gateway.media.demultiplex import kinds_of
from gateway.media.dtls import DtlsIdentity
from gateway.media.dtls_leg import DtlsLeg
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.ice import Credentials, host_candidates
from gateway.media.negotiation import Transport, choose
from gateway.media.rtp_negotiation import Local, Remote, read_remote
from gateway.media.rtp_negotiation import describe_answer as describe_rtp_answer
from gateway.media.rtp_ports import address_towards
from gateway.media.sdes import answer_to, key_and_salt_length, secure_leg
from gateway.media.srtp import PacketRows
from gateway.media.transport import (
    AddressChanged,
    AddressKey,
    Connected,
    Failed,
    LocalTransport,
    RemoteTransport,
    SecureLeg,
    address_of,
    key_of,
)
from gateway.media.webrtc_negotiation import describe_answer, read_offer
from gateway.sdp import SessionDescription
from support.sockets import free_ports

WIDTH = 1500
TICK = 0.02


class Port(asyncio.DatagramProtocol):
    """One UDP port with one leg on it: what is heard there goes back to where it came from."""

    def __init__(self) -> None:
        self.secure: SecureLeg | None = None
        self.target: AddressKey | None = None
        self.machine: IceLiteEndpoint | DtlsLeg | None = None
        self.connected = asyncio.Event()
        self.echoing = asyncio.Event()
        """Half a second has gone back."""
        self.failed = asyncio.Event()
        self.failure = ""
        self.packets = self.reports = 0
        self._rows = np.zeros((1, WIDTH), np.uint8)
        self._lengths = np.zeros(1, np.int32)
        self.batch = PacketRows(self._rows, self._lengths)
        self._clock: asyncio.Task[None] | None = None

    async def open(self, host: str, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, number)
        )
        self._clock = asyncio.create_task(self._run())

    def close(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        if isinstance(self.machine, IceLiteEndpoint):
            self.machine.remove_leg(0)
        elif self.machine is not None:
            self.machine.close()
        if self.machine is not None:
            self._drain(self.machine)
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._rows[0, : len(data)] = np.frombuffer(data, np.uint8)
        self._lengths[0] = len(data)
        source = key_of(addr[0], addr[1])
        match int(kinds_of(self._rows, self._lengths)[0]):
            case demultiplex.RTP | demultiplex.RTCP as kind:
                self._receive_media(kind, source)
            case _ if self.machine is not None:
                self.machine.receive(data, source, asyncio.get_running_loop().time())
                self._drain(self.machine)

    def _receive_media(self, kind: int, source: AddressKey) -> None:
        if self.secure is None or self.secure.rx is None or self.secure.tx is None:
            return
        if kind == demultiplex.RTCP:
            if self.batch.unprotect_rtcp([0], [self.secure.rx]).all():
                self.reports += 1
                self._tell_of_life()
        elif self.batch.unprotect([0], [self.secure.rx]).all():
            self.packets += 1
            if self.packets == 25:
                self.echoing.set()
            self._tell_of_life()
            if self.batch.protect([0], [self.secure.tx]).all():
                length = int(self._lengths[0])
                target = self.target or source
                self._transport.sendto(self._rows[0, :length].tobytes(), address_of(target))

    def _tell_of_life(self) -> None:
        if isinstance(self.machine, IceLiteEndpoint):
            self.machine.heard([0], asyncio.get_running_loop().time())

    def _drain(self, machine: IceLiteEndpoint | DtlsLeg) -> None:
        for data, to in machine.datagrams_to_send():
            self._transport.sendto(data, address_of(to))
        for event in machine.events():
            match event:
                case Connected():
                    self.secure, self.target = event.secure, event.address
                    self.connected.set()
                case AddressChanged():
                    self.target = event.address
                case Failed():
                    self.failure = event.text
                    self.failed.set()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self.machine is not None:
                self.machine.handle_timeout(asyncio.get_running_loop().time())
                self._drain(self.machine)


class EchoGateway:
    """One call at a time."""

    def __init__(self) -> None:
        self.host = address_towards(None)
        self.identity = DtlsIdentity(datetime.datetime.now(datetime.UTC))
        self.ports: list[Port] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for port in self.ports:
            port.close()

    async def connected(self, within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            for port in self.ports:
                await port.connected.wait()

    async def answer(self, sdp: str) -> str:
        offer = SessionDescription.parse(sdp)
        choice = choose(offer)
        if choice.transport is Transport.WEBRTC:
            return await self._answer_webrtc(offer)
        remote = read_remote(choice.section, offer)
        local = await self._local(remote)
        return str(describe_rtp_answer(offer, choice.index, remote, local))

    async def _answer_webrtc(self, offer: SessionDescription) -> str:
        taken = read_offer(offer)
        port, number = await self._open()
        local = self._add_ice(port, taken.remote, number)
        # The echo comes with the peer's own SSRC.
        ssrcs = {audio.index: next(iter(audio.ssrcs), 1) for audio in taken.sections}
        return str(describe_answer(offer, taken, local, ssrcs, 1, 1))

    async def _local(self, remote: Remote) -> Local:
        """What is ours, with ports open for it."""
        port, number = await self._open()
        if remote.crypto is not None:
            key = secrets.token_bytes(key_and_salt_length(remote.crypto.profile))
            ours = answer_to(remote.crypto, key)
            port.secure = secure_leg(ours, remote.crypto)
            port.connected.set()
            return Local(self.host, number, 1, 1, crypto=ours)
        assert remote.dtls is not None
        if not remote.dtls.ufrag:
            self._add_dtls(port, remote.dtls, remote.rtp)
            if not remote.dtls.rtcp_mux:
                rtcp, _ = await self._open(number + 1)
                self._add_dtls(rtcp, remote.dtls, remote.rtcp)
            bare = LocalTransport("", "", self.identity.fingerprint, ())
            return Local(self.host, number, 1, 1, dtls=bare)
        first = self._add_ice(port, remote.dtls, number)
        rtcp, _ = await self._open(number + 1)
        credentials = Credentials(first.ufrag, first.password)
        second = self._add_ice(rtcp, remote.dtls, number + 1, credentials, component=2)
        both = replace(first, candidates=first.candidates + second.candidates)
        return Local(self.host, number, 1, 1, dtls=both)

    async def _open(self, number: int = 0) -> tuple[Port, int]:
        """On the next even port, whose neighbour is free too, or on the given one."""
        number = number or free_ports(2).start
        port = Port()
        await port.open(self.host, number)
        self.ports.append(port)
        return port, number

    def _add_dtls(self, port: Port, remote: RemoteTransport, where: tuple[str, int]) -> None:
        now = asyncio.get_running_loop().time()
        port.machine = DtlsLeg(0, self.identity, remote, key_of(*where), now)

    def _add_ice(
        self,
        port: Port,
        remote: RemoteTransport,
        number: int,
        credentials: Credentials | None = None,
        component: int = 1,
    ) -> LocalTransport:
        now = asyncio.get_running_loop().time()
        candidates = host_candidates([(self.host, number)], component)
        machine = IceLiteEndpoint(self.identity, candidates, 1, secrets.token_bytes, now)
        port.machine = machine
        return machine.add_leg(0, remote, now, credentials, component)
