"""An engine whose packets are carried by hand: loopback sockets and an invented clock."""

import random
import socket

import numpy as np
from numpy.typing import NDArray

from gateway.media.engine import Engine
from gateway.media.formats import Format
from gateway.media.g711 import PCMA, PCMU
from gateway.media.rtp_rows import RtpRows
from gateway.media.streams import Receiving, Sending
from gateway.media.transport import key_of

START = 1000.0
TICK = 0.02
EVENTS = 101
LEVEL = 1

_LAWS = {Format.PCMU: PCMU, Format.PCMA: PCMA}


class Sounds:
    """An endless sound: another random frame for each tick, loud enough to be speech."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def frame(self) -> NDArray[np.int16]:
        return self._random.integers(-3000, 3000, 160, dtype=np.int16)


class Leg:
    """A stream with the socket that its packets arrive at."""

    def __init__(self, table: "Table", room: int, format_: Format, *, is_leg: bool = True) -> None:
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.bind(("127.0.0.1", 0))
        self.ear.settimeout(1.0)
        self.format = format_
        self.row = table.engine.open_stream(room, format_, is_leg=is_leg)
        self.ssrc = 1000 + self.row
        table.engine.receive_on(self.row, Receiving(96, EVENTS, LEVEL))
        address = key_of(*self.ear.getsockname())
        table.engine.send_on(self.row, Sending(96, self.ssrc, table.sock, address))
        table.engine.set_source(self.row, True)

    def hear(self) -> bytes:
        """The next packet."""
        return self.ear.recv(2048)

    def hears_nothing(self) -> bool:
        self.ear.settimeout(0.0)
        try:
            self.ear.recv(2048)
        except BlockingIOError:
            return True
        finally:
            self.ear.settimeout(1.0)
        return False

    def samples(self) -> NDArray[np.int16]:
        return _LAWS[self.format].decode(self.hear()[12:])


class Table:
    """An engine, whose packets are carried by hand."""

    def __init__(self, speakers: int = 4) -> None:
        self.engine = Engine(64, random.Random(1).getrandbits, speakers=speakers)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.legs: list[Leg] = []
        self.tick = 0

    def leg(self, room: int, format_: Format, *, is_leg: bool = True) -> Leg:
        leg = Leg(self, room, format_, is_leg=is_leg)
        self.legs.append(leg)
        return leg

    def say(self, leg: Leg, payload: bytes, payload_type: int = 96, level: int = -1) -> None:
        unit = 960 if leg.format is Format.OPUS else 160
        head = bytes((0x90 if level >= 0 else 0x80, payload_type))
        head += (self.tick & 0xFFFF).to_bytes(2, "big") + (self.tick * unit).to_bytes(4, "big")
        head += (leg.row + 1).to_bytes(4, "big")
        if level >= 0:
            head += bytes((0xBE, 0xDE, 0, 1, LEVEL << 4, level, 0, 0))
        buffer = np.zeros((1, 2048), np.uint8)
        buffer[0, : len(head) + len(payload)] = np.frombuffer(head + payload, np.uint8)
        packets = RtpRows.parse(buffer, np.array([len(head) + len(payload)], np.int32))
        arrival = np.array([START + self.tick * TICK])
        one = np.array([0])
        self.engine.receive(buffer, one, packets, np.array([leg.row]), arrival)

    def mix(self) -> None:
        """One tick of all rooms, in the middle between two arrivals."""
        for phase in range(4):
            self.engine.tick(phase, START + self.tick * TICK + 0.011)
        self.tick += 1

    def close(self) -> None:
        for leg in self.legs:
            leg.ear.close()
        self.sock.close()
