"""A WebRTC client in small: ICE, DTLS and SRTP of the gateway's own parts, on one real socket.

Unlike aiortc it works on loopback addresses of both families, and can misbehave.
"""

import asyncio
import re
from typing import Self

import numpy as np

from gateway.media.dtls import DtlsState
from gateway.media.g711 import PCMU
from gateway.media.srtp import PacketRows
from gateway.media.transport import LocalTransport
from support.ice_client import CONTROLLING, NOMINATION, IceClient, priority
from support.media_peers import Listener

_HEADER = 12
_WIDTH = 512


class SecureClient(Listener, asyncio.DatagramProtocol):
    """Hums a tone in PCMU. `fingerprint` is what it announces: its own, unless it lies.

    Without ICE it is a phone with DTLS-SRTP on one port (RFC 5763).
    """

    def __init__(
        self, hz: int, host: str = "127.0.0.1", fingerprint: str = "", *, has_ice: bool = True
    ) -> None:
        super().__init__(8000)
        self._has_ice = has_ice
        self.hz, self.host = hz, host
        self.ice = IceClient()
        self.fingerprint = fingerprint or self.ice.identity.fingerprint
        self.target: tuple[str, int] = ("", 0)
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        """By the gateway's close_notify."""
        self.sources: set[tuple[str, int]] = set()
        """Where packets came from."""
        self.sent: list[bytes] = []
        """SRTP packets."""
        self._sequence = 0
        self._rows = np.zeros((1, _WIDTH), np.uint8)
        self._lengths = np.zeros(1, np.int32)
        self._packets = PacketRows(self._rows, self._lengths)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.host, 0)
        )
        self._life: asyncio.Task[None] | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait((self._life,))
        self._transport.close()

    def offer(self, setup: str = "active") -> str:
        port = self._transport.get_extra_info("sockname")[1]
        version = 6 if ":" in self.host else 4
        credentials = self.ice.credentials
        lines = (
            *("v=0", f"o=- 1 1 IN IP{version} {self.host}", "s=-", "t=0 0"),
            *(f"m=audio {port} UDP/TLS/RTP/SAVPF 0", f"c=IN IP{version} {self.host}", "a=mid:0"),
            *("a=rtpmap:0 PCMU/8000", "a=sendrecv", "a=rtcp-mux", f"a=setup:{setup}"),
            f"a=fingerprint:sha-256 {self.fingerprint}",
        )
        if self._has_ice:
            lines += (f"a=ice-ufrag:{credentials.ufrag}", f"a=ice-pwd:{credentials.password}")
        return "".join(f"{line}\r\n" for line in lines)

    def take(self, sdp: str, host: str = "") -> None:
        """The gateway's answer: talk to its candidate at `host`, or at our own address."""
        fingerprint = _find(r"a=fingerprint:sha-256 (\S+)", sdp)
        ufrag, password, port = "", "", _find(r"m=audio (\d+)", sdp)
        host = host or self.host
        if self._has_ice:
            ufrag, password = (_find(rf"a=ice-{name}:(\S+)", sdp) for name in ("ufrag", "pwd"))
            port = _find(rf"a=candidate:\S+ 1 udp \d+ {re.escape(host)} (\d+)", sdp)
        self.ice.take(LocalTransport(ufrag, password, fingerprint, ()))
        self.target = (host, int(port))
        self._life = asyncio.create_task(self._run())

    def send(self, data: bytes) -> None:
        self._transport.sendto(data, self.target)

    def check(self, password: str | None = None) -> bytes:
        return self.ice.check(CONTROLLING, NOMINATION, priority(1), password=password)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sources.add(addr[:2])
        dtls = self.ice.dtls
        assert dtls is not None
        if data[0] < 4:
            self.ice.received.append(data)
            dtls.connect()
        elif data[0] < 64:
            dtls.receive(data)
            if dtls.state is DtlsState.CLOSED:
                self.closed.set()
        elif dtls.secure is not None and not 192 <= data[1] < 224:
            self._hear(data)
        self._pump()

    def _hear(self, data: bytes) -> None:
        assert self.ice.dtls is not None
        assert self.ice.dtls.secure is not None
        session = self.ice.dtls.secure.rx
        assert session is not None
        self._put(data)
        assert self._packets.unprotect([0], [session]).all()
        self.ear.add(PCMU.decode(self._rows[0, _HEADER : self._lengths[0]].tobytes()))

    def _pump(self) -> None:
        assert self.ice.dtls is not None
        for data in self.ice.dtls.datagrams_to_send():
            self.send(data)
        if self.ice.dtls.state is DtlsState.CONNECTED:
            self.connected.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(1_000_000):
            await asyncio.sleep(max(0.0, start + 0.02 * number - loop.time()))
            assert self.ice.dtls is not None
            if self._has_ice and number % 50 == 0:
                self.send(self.check())
            elif number == 0:
                self.ice.dtls.connect()
            self.ice.dtls.handle_timeout()
            self._pump()
            if self.connected.is_set() and not self.closed.is_set():
                self._speak(number)

    def _speak(self, number: int) -> None:
        assert self.ice.dtls is not None
        assert self.ice.dtls.secure is not None
        session = self.ice.dtls.secure.tx
        assert session is not None
        time = (np.arange(160) + 160 * number) / 8000
        tone = (4000 * np.sin(2 * np.pi * self.hz * time)).astype(np.int16)
        self._sequence += 1
        head = bytes((0x80, 0)) + self._sequence.to_bytes(2, "big")
        self._put(
            head + (160 * number).to_bytes(4, "big") + bytes((0, 0, 0, 7)) + PCMU.encode(tone)
        )
        assert self._packets.protect([0], [session]).all()
        data = self._rows[0, : self._lengths[0]].tobytes()
        self.sent.append(data)
        self.send(data)

    def _put(self, data: bytes) -> None:
        self._rows[0, : len(data)] = np.frombuffer(data, np.uint8)
        self._lengths[0] = len(data)


def _find(pattern: str, sdp: str) -> str:
    found = re.search(pattern, sdp)
    assert found is not None, (pattern, sdp)
    return found[1]
