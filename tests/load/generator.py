"""Many callers in a process of their own; it does what a line of JSON on its standard input says.

Each caller sends 50 packets a second, at its own point of the 20 ms, and takes what comes. The
lines, in order: the `Job`; then `{"plain": [port, ...]}` with the far end of every caller or
`{"secure": [[port, ufrag, password, fingerprint], ...]}` with that of some of them, until all are
known; then "send" and "count"; or, instead, many times "step", which is 5 ms of sending. To each
there is one line of answer. It ends with its standard input.
"""

import datetime
import itertools
import json
import select
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gateway.media import stun
from gateway.media.datagrams import Inbox, Outbox, Sockets, address_row, prepare
from gateway.media.dtls import DtlsAssociation, DtlsIdentity, DtlsState
from gateway.media.fan_in import FanIn, fan_in
from gateway.media.fan_out import RING_ENTRIES, FanOut
from gateway.media.srtp import PacketRows, SrtpSession
from gateway.media.stun import Attribute
from gateway.media.transport import key_of
from gateway.media.uring import Ring
from load.voices import FRAMES, voices

HOST = "127.0.0.1"
UFRAG, PASSWORD = "load", "generator-generator-24ch"
LEVEL_NUMBER = 1
"""Of the header extension with the audio level, in the offers; RFC 6464."""

_PHASES = 4
_STEP = 0.005
_SPEECH, _QUIET = 0x80 | 22, 75
"""RFC 6464, section 3: the voice bit and -dBov."""

_TAKEN_AT_ONCE = 2048
_CONNECT_TIMEOUT = 12.0
_REPEAT = 0.4


@dataclass(frozen=True)
class Job:
    codec: str
    """PCMU or opus."""
    secure: bool
    """ICE and DTLS-SRTP, with a socket for each caller; else plain RTP, all by one socket."""
    talking: list[bool]
    """By caller; the others send a quiet room."""

    @classmethod
    def parse(cls, line: str) -> Self:
        return cls(**json.loads(line))

    def __str__(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Counts:
    """Packets since the beginning."""

    sent: int = 0
    received: int = 0
    left_out: int = 0
    """Never sent: this process did not get the processor in time."""


class Callers:
    """Packets of all callers as rows: caller i is row i, and has the phase i * 4 // n."""

    def __init__(self, job: Job) -> None:
        self.counts = Counts()
        count = len(job.talking)
        talking = np.array(job.talking)
        self._bounds = [count * phase // _PHASES for phase in range(_PHASES + 1)]
        self._voices = voices(job.codec)
        self._voice_of = self._voices.of_legs(talking)
        self._start = np.random.default_rng(2).integers(0, FRAMES, count)
        self._payload_at = 20 if job.secure else 12
        self._ticks = 960 if job.codec == "opus" else 160
        self.outbox = Outbox(count, 256)
        self._write_headers(job, talking)
        self.sockets = Sockets([_socket() for _ in range(count if job.secure else 1)])
        self.ports = [sock.getsockname()[1] for sock in self.sockets.sockets]
        self._sessions: list[SrtpSession] = []
        self._packets = PacketRows(self.outbox.rows, self.outbox.lengths)
        self._inbox = Inbox(_TAKEN_AT_ONCE)
        self._ways: list[FanOut] = []
        """Of each phase, where callers have sockets of their own."""
        self._arriving: FanIn | None = None

    def _write_headers(self, job: Job, talking: NDArray[np.bool_]) -> None:
        rows = self.outbox.rows
        rows[:, 0] = 0x80
        rows[:, 1] = 111 if job.codec == "opus" else 0
        rows.view(">u4")[:, 2] = 0x10_0000 + np.arange(len(rows))
        if job.secure:
            rows[:, 0] |= 0x10
            rows[:, 12:16] = (0xBE, 0xDE, 0, 1)
            rows[:, 16] = LEVEL_NUMBER << 4
            rows[:, 17] = np.where(talking, _SPEECH, _QUIET)

    def aim(self, ports: Sequence[int]) -> None:
        for row, port in enumerate(ports):
            self.outbox.addresses[row] = address_row(key_of(HOST, port))

    def secure(self, sessions: Sequence[SrtpSession]) -> None:
        """They are connected, and their addresses known."""
        self._sessions = list(sessions)
        sockets, ring = self.sockets.sockets, Ring.open(RING_ENTRIES, RING_ENTRIES)
        self._ways = [
            FanOut(self.outbox, start, Sockets(sockets[start:stop]), ring)
            for start, stop in itertools.pairwise(self._bounds)
        ]
        self._arriving = fan_in(len(sockets), _TAKEN_AT_ONCE)
        for number, sock in enumerate(sockets):
            self._arriving.add(sock, number)

    def send(self, step: int) -> None:
        """The packets of the callers whose phase it is."""
        tick, phase = divmod(step, _PHASES)
        start, stop = self._bounds[phase : phase + 2]
        some = slice(start, stop)
        rows, voice = self.outbox.rows, self._voice_of[some]
        frame = (self._start[some] + tick) % FRAMES
        rows.view(">u2")[some, 1] = tick & 0xFFFF
        rows.view(">u4")[some, 1] = tick * self._ticks & 0xFFFF_FFFF
        payloads = self._voices.payloads[voice, frame]
        rows[some, self._payload_at : self._payload_at + payloads.shape[1]] = payloads
        self.outbox.lengths[some] = self._voices.lengths[voice, frame] + self._payload_at
        if self._sessions:
            self._packets.protect(range(start, stop), self._sessions[some])
            self._ways[phase].send()
            self.counts.sent += stop - start
        else:
            self.counts.sent += self.outbox.send(self.sockets.sockets[0], start, stop)

    def take(self) -> None:
        if self._arriving is None:
            while not self._inbox.receive(self.sockets.sockets[0]):
                self._count()
            self._count()
            return
        while len(self._arriving.receive(self._inbox)):
            self._count()

    def _count(self) -> None:
        self.counts.received += self._inbox.count
        self._inbox.clear()


class Client:
    """One caller's way through ICE and DTLS."""

    def __init__(
        self, sock: socket.socket, identity: DtlsIdentity, far: tuple[int, str, str, str]
    ) -> None:
        port, self._ufrag, self._password, fingerprint = far
        self.sock = sock
        self._address = (HOST, port)
        self._answered = False
        self._next_check = 0.0
        self.dtls = DtlsAssociation(
            identity, is_client=True, fingerprints=(("sha-256", fingerprint),)
        )

    def work(self, now: float) -> bool:
        """Takes and sends what there is; True when connected."""
        while self.dtls.secure is None:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                break
            if data[0] < 4 and not self._answered:
                self._answered = True
                self.dtls.connect()
            elif 20 <= data[0] < 64:
                self.dtls.receive(data)
        if not self._answered and now >= self._next_check:
            self._next_check = now + _REPEAT
            self.sock.sendto(self._check(), self._address)
        if self._answered and self.dtls.state is DtlsState.CONNECTING:
            self.dtls.handle_timeout()
        for data in self.dtls.datagrams_to_send():
            if data:
                self.sock.sendto(data, self._address)
        return self.dtls.secure is not None

    def _check(self) -> bytes:
        attributes: list[tuple[int, bytes]] = [
            (Attribute.USERNAME, f"{self._ufrag}:{UFRAG}".encode()),
            (Attribute.ICE_CONTROLLING, bytes(8)),
            (Attribute.USE_CANDIDATE, b""),
            (Attribute.PRIORITY, (1).to_bytes(4, "big")),
        ]
        transaction = self.sock.getsockname()[1].to_bytes(12, "big")
        return stun.serialize(stun.BINDING, transaction, attributes, self._password.encode())


def connect(clients: Sequence[Client]) -> list[SrtpSession]:
    """The outbound sessions. Raises `TimeoutError`."""
    deadline = time.monotonic() + _CONNECT_TIMEOUT
    waiting = list(clients)
    while waiting:
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"{len(waiting)} of {len(clients)} callers are not connected")
        waiting = [client for client in waiting if not client.work(now)]
        if waiting:
            select.select([client.sock for client in waiting[:100]], (), (), 0.01)
    sessions = []
    for client in clients:
        assert client.dtls.secure is not None
        assert client.dtls.secure.tx is not None
        sessions.append(client.dtls.secure.tx)
    return sessions


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    return prepare(sock)


def _say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _run(callers: Callers) -> None:
    start = time.monotonic()
    step = 0
    while True:
        due = start + step * _STEP
        readable, _, _ = select.select((sys.stdin,), (), (), max(0.0, due - time.monotonic()))
        if readable:
            if not sys.stdin.readline():
                return
            _say(**asdict(callers.counts))
            continue
        late = time.monotonic() - due
        if late > 0.1:
            # As with a stalled machine: what is too late is not sent at all.
            missed = int(late / _STEP) // _PHASES * _PHASES
            step += missed
            callers.counts.left_out += missed * len(callers.outbox.rows) // _PHASES
        callers.send(step)
        callers.take()
        step += 1


def _run_stepped(callers: Callers) -> None:
    """The first "step" has been read."""
    for step in itertools.count():
        callers.send(step)
        callers.take()
        _say(**asdict(callers.counts))
        if not sys.stdin.readline():
            return


def main() -> None:
    job = Job.parse(sys.stdin.readline())
    identity = DtlsIdentity(datetime.datetime.now(datetime.UTC))
    callers = Callers(job)
    _say(ports=callers.ports, fingerprint=identity.fingerprint)
    sessions: list[SrtpSession] = []
    ports: list[int] = []
    while len(ports) < len(job.talking):
        far = json.loads(sys.stdin.readline())
        if "plain" in far:
            ports = far["plain"]
        else:
            sockets = callers.sockets.sockets[len(ports) : len(ports) + len(far["secure"])]
            pairs = zip(sockets, far["secure"], strict=True)
            sessions += connect([Client(sock, identity, one) for sock, one in pairs])
            ports += [one[0] for one in far["secure"]]
        _say(known=len(ports))
    callers.aim(ports)
    if sessions:
        callers.secure(sessions)
    if sys.stdin.readline().strip() == "send":
        _say(sending=True)
        _run(callers)
    else:
        _run_stepped(callers)


if __name__ == "__main__":
    main()
