"""Pairs of callers in rooms of two: one says something now and then, the other notes when it comes.

All send 50 packets a second on G.711, each pair at its own point of the 20 ms. It runs in one
thread and does nothing else, so that what it notes is the plane's doing.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.media import g711
from gateway.media.datagrams import Inbox, Outbox, address_row, prepare
from gateway.media.transport import key_of
from load.generator import HOST

PAIRS = 8
"""2.5 ms apart."""

_TICK = 0.020
_HEADER = 12
_TONE_TICKS = 6
_APART = (35, 55)
"""Ticks from one onset to the next."""

_LOUD = 10 ** (-30 / 10)
"""Mean square of a packet with the sound in it: -30 dBov."""

_LONGEST = 0.6
"""Seconds after which a sound counts as lost."""

_FALLEN_BEHIND = 0.1


@dataclass
class Heard:
    """Seconds, all of them."""

    delays: list[float] = field(default_factory=list)
    """From an onset's packet going out to the first packet with it coming back."""
    lost: int = 0
    lateness: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """Of received packets by their RTP timestamps, against each stream's earliest one."""
    sender_lateness: list[float] = field(default_factory=list)
    """Of our own: what a machine without time for us does to a steady sender."""


class Probe:
    """Caller 2n speaks, caller 2n + 1 listens. `ports` are the callers' own."""

    def __init__(self, seed: int = 5) -> None:
        self._random = np.random.default_rng(seed)
        self._sockets = [_socket() for _ in range(2 * PAIRS)]
        self.ports = [sock.getsockname()[1] for sock in self._sockets]
        self._outbox = Outbox(2 * PAIRS, 256)
        self._inbox = Inbox(64)
        rows = self._outbox.rows
        rows[:, 0] = 0x80
        rows.view(">u4")[:, 2] = 0x20_0000 + np.arange(len(rows))
        self._outbox.lengths[:] = _HEADER + 160
        time_ = np.arange(160) / 8000
        noise = np.random.default_rng(1).normal(0, 5, 160)
        self._quiet = g711.PCMU.compress(noise.astype(np.int16))
        self._tone = g711.PCMU.compress((9000 * np.sin(2800 * time_)).astype(np.int16))

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()

    def run(self, targets: Sequence[int], warm_up: float, seconds: float) -> Heard:
        """`targets`: each caller's port on the plane."""
        for row, port in enumerate(targets):
            self._outbox.addresses[row] = address_row(key_of(HOST, port))
        heard = Heard()
        onsets = [float("nan")] * PAIRS
        first_onset = int(warm_up / _TICK)
        next_onset = [first_onset + int(self._random.integers(*_APART)) for _ in range(PAIRS)]
        stamps: list[list[tuple[float, int]]] = [[] for _ in range(PAIRS)]
        start, step = time.monotonic(), 0
        end = int((warm_up + seconds) / _TICK) * PAIRS
        while step < end:
            due = start + step * _TICK / PAIRS
            now = time.monotonic()
            if now < due:
                ready, _, _ = select.select(self._sockets[1::2], (), (), due - now)
                for sock in ready:
                    self._take(sock, onsets, stamps, heard)
                continue
            tick, pair = divmod(step, PAIRS)
            step += 1
            if tick >= first_onset:
                heard.sender_lateness.append(now - due)
            if now - due > _FALLEN_BEHIND:
                continue
            says = 0 <= tick - next_onset[pair] < _TONE_TICKS
            if tick == next_onset[pair]:
                heard.lost += not np.isnan(onsets[pair])
                onsets[pair] = time.monotonic()
            if tick == next_onset[pair] + _TONE_TICKS:
                next_onset[pair] = tick + int(self._random.integers(*_APART))
            self._send(2 * pair, tick, says=says)
            self._send(2 * pair + 1, tick, says=False)
        heard.lateness = _lateness(stamps, start + warm_up)
        return heard

    def _send(self, row: int, tick: int, *, says: bool) -> None:
        rows = self._outbox.rows
        rows.view(">u2")[row, 1] = tick & 0xFFFF
        rows.view(">u4")[row, 1] = tick * 160
        rows[row, _HEADER : _HEADER + 160] = self._tone if says else self._quiet
        self._outbox.send(self._sockets[row], row, row + 1)

    def _take(
        self,
        sock: socket.socket,
        onsets: list[float],
        stamps: list[list[tuple[float, int]]],
        heard: Heard,
    ) -> None:
        pair = self._sockets.index(sock) // 2
        box = self._inbox
        box.clear()
        box.receive(sock)
        for row in range(box.count):
            if box.lengths[row] != _HEADER + 160 or box.rows[row, 1] & 0x7F:
                continue
            arrival = float(box.arrivals[row])
            stamps[pair].append((arrival, int(box.rows[row].view(">u4")[1])))
            power = g711.PCMU.power(box.rows[row : row + 1, _HEADER : _HEADER + 160])[0]
            waited = arrival - onsets[pair]
            if power > _LOUD and not np.isnan(waited):
                if waited < _LONGEST:
                    heard.delays.append(waited)
                else:
                    heard.lost += 1
                onsets[pair] = float("nan")


def _lateness(stamps: list[list[tuple[float, int]]], since: float) -> NDArray[np.float64]:
    every = []
    for stream in stamps:
        if not stream:
            continue
        arrivals, ticks = np.array(stream).T
        ages = arrivals - np.unwrap(ticks, period=2**32) / 8000
        ages = ages[arrivals > since]
        if len(ages):
            every.append(ages - ages.min())
    return np.concatenate(every) if every else np.zeros(0)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    return prepare(sock)
