"""Calls through a bad network: one engine between steady senders and listeners, in invented time.

What a listener hears is decoded from the packets that the engine sends to it.
"""

import random
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.media import g722, opus
from gateway.media.datagrams import Inbox, prepare
from gateway.media.engine import PHASES, Engine
from gateway.media.formats import CLOCK_RATE, Format
from gateway.media.g711 import PCMU
from gateway.media.rtp_rows import RtpRows
from gateway.media.streams import Receiving, Sending
from gateway.media.transport import key_of
from support.network import Network

Samples = NDArray[np.float64]
Whole = NDArray[np.intp]

TICK = 0.020
START = 1000.0
WARM_UP = 2.0
"""Seconds that are not judged."""

PAYLOAD_TYPE = 96
HEADER = 12

HZ = 440.0
AMPLITUDE = 10_000


@dataclass
class Call:
    """A room of two: one speaks through a network, one listens."""

    network: Network
    format: Format
    payloads: Sequence[bytes]
    """Of the frames that are spoken; they begin anew when they are used up."""
    offset: float = 0.007
    """When in the 20 ms the sender sends."""
    speaker: int = -1
    sent: int = 0
    lost: int = 0
    concealed: int = 0
    left_out: int = 0
    heard: list[bytes] = field(default_factory=list)
    """The payloads that came, one for each tick."""

    @property
    def rate(self) -> int:
        return 8000 if self.format is Format.PCMU else 16_000

    def sound(self) -> Samples:
        """What is heard after the warm-up, full scale is 1.0."""
        match self.format:
            case Format.PCMU:
                pcm = PCMU.decode(b"".join(self.heard))
            case Format.G722:
                pcm = _decoded(g722.Decoder(), self.heard)
            case _:
                pcm = _decoded(opus.Decoder(), self.heard)
        return pcm[int(WARM_UP * self.rate) :].astype(float) / 32_768

    def delays(self) -> Samples:
        """Seconds from each frame's being sent to its going out again, one for each tick; NaN
        where no frame went out that had been sent, but one that was made in its place."""
        number_of = {payload: number for number, payload in enumerate(self.payloads)}
        numbers = np.array([number_of.get(payload, -1) for payload in self.heard])
        ticks = np.arange(len(numbers))
        turns = np.rint((ticks - numbers) / len(self.payloads))
        of_sender = (numbers + turns * len(self.payloads)) * TICK
        sent = self.offset + of_sender * (1 - self.network.drift_ppm * 1e-6)
        return np.where(numbers >= 0, ticks * TICK - sent, np.nan)[round(WARM_UP / TICK) :]


def _decoded(decoder: g722.Decoder | opus.Decoder, payloads: Sequence[bytes]) -> NDArray[np.int16]:
    pcm = np.zeros((len(payloads), 320), np.int16)
    for payload, frame in zip(payloads, pcm, strict=True):
        decoder.decode(np.frombuffer(payload, np.uint8), frame)
    return pcm.ravel()


def tone(format_: Format, seconds: float, swing: float = 0.0) -> list[bytes]:
    """440 Hz, which a swing of 1.0 makes come and go four times a second, as syllables do."""
    rate = 8000 if format_ is Format.PCMU else 16_000
    time = np.arange(round(seconds * rate)) / rate
    loudness = 1 - swing / 2 + swing / 2 * np.sin(2 * np.pi * 4 * time)
    pcm = (AMPLITUDE * loudness * np.sin(2 * np.pi * HZ * time)).astype(np.int16)
    frames = pcm.reshape(-1, rate // 50)
    if format_ is Format.PCMU:
        return [PCMU.encode(frame) for frame in frames]
    encoder = g722.Encoder() if format_ is Format.G722 else opus.Encoder()
    out = np.zeros(opus.MAX_PAYLOAD, np.uint8)
    return [out[: encoder.encode(frame, out)].tobytes() for frame in frames]


def noise(seconds: float) -> list[bytes]:
    """No two frames are alike, so that what is heard tells when it was sent."""
    source = np.random.default_rng(4)
    size = source.integers(200, 6000, (round(seconds / TICK), 160))  # two codes mean zero
    pcm = np.where(source.random(size.shape) < 0.5, -size, size).astype(np.int16)
    return [PCMU.encode(frame) for frame in pcm]


class Lab:
    """An engine with calls, all at once; what it sends is caught by one socket."""

    def __init__(self, calls: Sequence[Call], ear: socket.socket, mouth: socket.socket) -> None:
        self._calls = calls
        self._ear = ear
        self._inbox = Inbox(2 * len(calls))
        self._engine = Engine(PHASES * len(calls), random.Random(1).getrandbits)
        rooms = [self._engine.open_room() for _ in range(PHASES * len(calls))]
        # All that are used are in one phase: one tick for all of them.
        used = [room for room in rooms if self._engine.phase_of(room) == 0]
        for number, (call, room) in enumerate(zip(calls, used, strict=True)):
            self._seat(number, call, room, mouth)

    def _seat(self, number: int, call: Call, room: int, mouth: socket.socket) -> None:
        engine = self._engine
        call.speaker = engine.open_stream(room, call.format, is_leg=True)
        engine.receive_on(call.speaker, Receiving(PAYLOAD_TYPE))
        engine.set_source(call.speaker, True)
        listener = engine.open_stream(room, call.format, is_leg=True)
        target = key_of(*self._ear.getsockname())
        engine.send_on(listener, Sending(PAYLOAD_TYPE, number, mouth, target))

    def run(self, seconds: float) -> None:
        ticks = round(seconds / TICK)
        calls, numbers, arrivals = self._carried(ticks)
        until = np.searchsorted(arrivals, START + np.arange(ticks) * TICK, side="right")
        start = 0
        for tick, stop in enumerate(until.tolist()):
            if stop > start:
                self._receive(calls[start:stop], numbers[start:stop], arrivals[start:stop])
            start = stop
            self._engine.tick(0, START + tick * TICK)
            self._hear()
        for call in self._calls:
            call.concealed = int(self._engine.jitter.concealed[call.speaker])
            call.left_out = int(self._engine.jitter.left_out[call.speaker])

    def _carried(self, ticks: int) -> tuple[Whole, Whole, Samples]:
        """Of all packets in order of arrival: call, number, when."""
        parts = []
        for place, call in enumerate(self._calls):
            call.sent = ticks + 50  # they go on after the last tick
            sent = START + call.offset + np.arange(call.sent) * TICK
            numbers, arrivals = call.network.carry(sent, seed=place)
            call.lost = call.sent - len(np.unique(numbers))
            parts.append((np.full(len(numbers), place), numbers, arrivals))
        calls, numbers, arrivals = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(arrivals, kind="stable")
        return calls[order], numbers[order], arrivals[order]

    def _receive(self, calls: Whole, numbers: Whole, arrivals: Samples) -> None:
        buffer = np.zeros((len(calls), HEADER + opus.MAX_PAYLOAD), np.uint8)
        lengths = np.zeros(len(calls), np.int32)
        for row, (place, number) in enumerate(zip(calls.tolist(), numbers.tolist(), strict=True)):
            call = self._calls[place]
            step = int(CLOCK_RATE[call.format]) // 50
            packet = bytes((0x80, PAYLOAD_TYPE)) + (number & 0xFFFF).to_bytes(2, "big")
            packet += (number * step & 0xFFFF_FFFF).to_bytes(4, "big") + place.to_bytes(4, "big")
            packet += call.payloads[number % len(call.payloads)]
            buffer[row, : len(packet)] = np.frombuffer(packet, np.uint8)
            lengths[row] = len(packet)
        rows = np.array([self._calls[place].speaker for place in calls.tolist()])
        packets = RtpRows.parse(buffer, lengths)
        self._engine.receive(buffer, np.arange(len(calls)), packets, rows, arrivals)

    def _hear(self) -> None:
        box = self._inbox
        box.clear()
        box.receive(self._ear)
        for row in range(box.count):
            packet = box.rows[row, : box.lengths[row]].tobytes()
            self._calls[int.from_bytes(packet[8:12], "big")].heard.append(packet[HEADER:])


@contextmanager
def laboratory(calls: Sequence[Call]) -> Iterator[Lab]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        for sock in (ear, mouth):
            sock.bind(("127.0.0.1", 0))
            prepare(sock)
        yield Lab(calls, ear, mouth)
