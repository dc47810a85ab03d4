"""The other ends of media tests: a phone with plain RTP and an XMPP client's WebRTC (aiortc)."""

import asyncio
import struct
import threading
from collections import deque
from fractions import Fraction
from typing import Self

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler
from numpy.typing import NDArray

from gateway.media.g711 import PCMA, PCMU
from gateway.sdp import SessionDescription
from support.tones import level

HEARD = -30.0
UNHEARD = -60.0
WINDOW = 0.3
"""Seconds that are looked at to find out what is heard now."""

EVENTS = 101

_LAWS = {"PCMA": (8, PCMA), "PCMU": (0, PCMU)}


class Ear:
    """Keeps the last third of a second that somebody heard."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._changed = asyncio.Event()
        self.heard = 0
        """Blocks so far."""

    def add(self, samples: NDArray[np.int16]) -> None:
        self.heard += 1
        self._blocks.append(samples)
        while sum(map(len, self._blocks)) - len(self._blocks[0]) >= WINDOW * self._rate:
            self._blocks.popleft()
        self._changed.set()

    def level(self, hz: int) -> float:
        sound = np.concatenate([np.zeros(1, np.int16), *self._blocks]) / 32_768
        if len(sound) < WINDOW * self._rate:
            return -120.0
        return level(sound, self._rate, hz)

    async def next(self, blocks: int) -> None:
        """Until that many more have come; what was heard before is forgotten."""
        self._blocks.clear()
        await self._more(blocks)

    async def wait(self, heard: tuple[int, ...], gone: tuple[int, ...]) -> None:
        """Until the one tones are heard and the others are not, both for a whole window."""
        try:
            async with asyncio.timeout(10):
                while not self._is_as_wanted(heard, gone):
                    await self._more(5)
        except TimeoutError:
            levels = {hz: round(self.level(hz)) for hz in (*heard, *gone)}
            raise AssertionError(f"wanted {heard} without {gone}, heard {levels} dB") from None

    async def _more(self, blocks: int) -> None:
        wanted = self.heard + blocks
        while self.heard < wanted:
            self._changed.clear()
            await self._changed.wait()

    def _is_as_wanted(self, heard: tuple[int, ...], gone: tuple[int, ...]) -> bool:
        return (
            sum(map(len, self._blocks)) >= WINDOW * self._rate
            and all(self.level(hz) > HEARD for hz in heard)
            and all(self.level(hz) < UNHEARD for hz in gone)
        )


class Listener:
    """Somebody with an ear."""

    def __init__(self, rate: int) -> None:
        self.ear = Ear(rate)

    async def hears(self, *tones: int, but_not: tuple[int, ...] = ()) -> None:
        await self.ear.wait(tones, but_not)

    async def hears_no_longer(self, *tones: int) -> None:
        await self.ear.wait((), tones)

    async def hears_nothing(self, while_hears: "Listener") -> None:
        """Nothing comes here while ten packets reach somebody else in the same room."""
        async with asyncio.timeout(10):
            heard_before = -1
            while self.ear.heard != heard_before:
                heard_before = self.ear.heard
                await while_hears.ear.next(10)


class Phone(Listener, asyncio.DatagramProtocol):
    """Hums a tone in G.711 from a loopback socket."""

    def __init__(self, hz: int, codec: str = "PCMA", *, speaks: bool = True) -> None:
        super().__init__(8000)
        self.payload_type, self._law = _LAWS[codec]
        self.codec = codec
        self.hz = hz
        self._speaks = speaks
        self._sequence, self._timestamp, self._ssrc = 65_530, 4_294_967_000, hz
        self._keys: deque[tuple[bytes, int]] = deque()
        self.target: tuple[str, int] | None = None
        self._former: set[tuple[str, int]] = set()
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        """Whole packets of telephone events that came."""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port: int = self._transport.get_extra_info("sockname")[1]
        self._humming = asyncio.create_task(self._hum())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._humming.cancel()
        await asyncio.wait((self._humming,))
        self._transport.close()

    def offer(self, direction: str = "sendrecv") -> str:
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/AVP {self.payload_type} {EVENTS}\r\n"
            f"a=rtpmap:{self.payload_type} {self.codec}/8000\r\n"
            f"a=rtpmap:{EVENTS} telephone-event/8000\r\na={direction}\r\n"
        )

    def take(self, sdp: str) -> None:
        """The gateway's description: talk to it there."""
        section = next(s for s in SessionDescription.parse(sdp).inherited() if s.port)
        self.target = (section.connection or "", section.port)
        self._former.discard(self.target)

    def hang_up(self) -> None:
        """Silence; what still comes of this call is not heard."""
        if self.target is not None:
            self._former.add(self.target)
        self.target = None

    def press(self, *digits: str) -> None:
        """RFC 4733: four packets of 20 ms and the end three times, each with its own timestamp."""
        for number, digit in enumerate(digits):
            event = "0123456789*#ABCD".index(digit)
            for duration in (160, 320, 480, 640, 800, 800, 800):
                end = 0x80 if duration == 800 else 0
                self._keys.append((struct.pack("!BBH", event, end | 10, duration), number * 800))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr in self._former:
            return
        assert addr == self.target
        if data[1] & 0x7F == EVENTS:
            self.events.put_nowait(data)
            return
        assert data[1] & 0x7F == self.payload_type
        self.ear.add(self._law.decode(data[12:]))

    async def _hum(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for number in range(1_000_000):
            await asyncio.sleep(max(0.0, start + 0.02 * number - loop.time()))
            if self.target is None or not self._speaks:
                continue
            time = (np.arange(160) + 160 * number) / 8000
            tone = (4000 * np.sin(2 * np.pi * self.hz * time)).astype(np.int16)
            self._send(self.payload_type, self._law.encode(tone), self._timestamp)
            self._timestamp = (self._timestamp + 160) & 0xFFFF_FFFF
            if self._keys:
                payload, timestamp = self._keys.popleft()
                self._send(EVENTS, payload, timestamp)

    def _send(self, payload_type: int, payload: bytes, timestamp: int) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = struct.pack("!BBHII", 0x80, payload_type, self._sequence, timestamp, self._ssrc)
        self._transport.sendto(header + payload, self.target)


class _ToneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hz: int) -> None:
        super().__init__()
        self._hz, self._time, self._start = hz, 0, 0.0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._start = self._start or loop.time()
        await asyncio.sleep(max(0.0, self._start + self._time / 48_000 - loop.time()))
        time = (np.arange(960) + self._time) / 48_000
        tone = (4000 * np.sin(2 * np.pi * self._hz * time)).astype(np.int16)
        frame = AudioFrame.from_ndarray(tone[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._time, Fraction(1, 48_000)
        self._time += 960
        return frame


class XmppClient(Listener):
    """A stock aiortc peer connection with one audio track."""

    def __init__(self, hz: int) -> None:
        super().__init__(48_000)
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.addTrack(_ToneTrack(hz))
        self._listening: asyncio.Task[None] | None = None
        self._pc.on("track", self._listen)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._pc.connectionState == "closed":
            return
        await self._pc.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
        # aiortc's decoder threads end by themselves; a test shall not outlive them.
        for thread in threading.enumerate():
            if thread.name.endswith("-decoder"):
                await asyncio.to_thread(thread.join, 2)

    async def offer(self) -> str:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return self._pc.localDescription.sdp

    async def offer_and_candidates(self) -> tuple[str, list[str]]:
        """The offer without candidates, and the candidates."""
        lines = (await self.offer()).splitlines()
        prefix = "a=candidate:"
        bare = [line for line in lines if "candidate" not in line]
        return "\r\n".join((*bare, "")), [
            line.removeprefix(prefix) for line in lines if line.startswith(prefix)
        ]

    async def take(self, sdp: str) -> None:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    def _listen(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=48_000)
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                for mono in resampler.resample(frame):
                    self.ear.add(mono.to_ndarray()[0].astype(np.int16))
        except MediaStreamError:
            return
