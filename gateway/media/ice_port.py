"""The one UDP port that all ICE legs share: its sockets, its endpoint and the way to the engine."""

import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import Inbox, Outbox, address_keys, address_row
from gateway.media.demultiplex import DTLS, JUNK, RTCP, RTP, STUN, kinds_of
from gateway.media.dtls import DtlsIdentity
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.engine import Engine
from gateway.media.ice import host_candidates
from gateway.media.ice_sockets import ice_sockets
from gateway.media.kernel_filter import drops
from gateway.media.rtp import RtpPacket
from gateway.media.rtp_rows import RtpRows
from gateway.media.runs import where
from gateway.media.srtp import PacketRows, SrtpSession
from gateway.media.transport import (
    AddressChanged,
    AddressKey,
    Connected,
    Failed,
    LocalTransport,
    RemoteTransport,
    SecureLeg,
)

Rows = NDArray[np.intp]

_BATCH = 512
_MOST_BATCHES = 8
"""In one drain: whoever floods the port is cut off here, not the mixer."""

_MOST_SSRCS = 256
"""Of one connection; RFC 9143 tells streams apart by MID all the same."""


@dataclass(slots=True)
class Carried:
    """One connection on the port: which of its streams is which row of the engine."""

    on_connected: Callable[[], None]
    """Keys are there, or the address has changed: `secure`, `sock` and `address` are new."""
    on_failed: Callable[[str], None]
    on_rtcp: Callable[[bytes], None]
    """An opened RTCP packet."""
    secure: SecureLeg | None = None
    sock: socket.socket | None = None
    address: AddressKey = 0
    row_of_ssrc: dict[int, int] = field(default_factory=dict)
    row_of_mid: dict[str, int] = field(default_factory=dict)
    mid_number: int = 0
    only_row: int = -1
    """Where a single section of it sends, all is from that."""

    def route(self, packet: bytes, ssrc: int) -> int:
        """The row of a valid packet; RFC 9143, section 9.2: by SSRC, by MID, or there is only one.

        A stream keeps its section for as long as that lasts, so the MID is read once.
        """
        row = self.row_of_ssrc.get(ssrc, -1)
        if row >= 0:
            return row
        mid = RtpPacket.parse(packet, self.mid_number).mid if self.mid_number else ""
        row = self.row_of_mid.get(mid, -1)
        if row >= 0 and len(self.row_of_ssrc) < _MOST_SSRCS:
            self.row_of_ssrc[ssrc] = row
        return row if row >= 0 else self.only_row


class IcePort:
    """Feeds the engine; `drain` often, and `handle_timeout` too."""

    def __init__(
        self, engine: Engine, identity: DtlsIdentity, hosts: Sequence[str], port: int, now: float
    ) -> None:
        """Binds `port` (0: any) on each of `hosts`. Raises `OSError`."""
        self._engine = engine
        self._sockets = ice_sockets(hosts, port)
        self._via: dict[AddressKey, socket.socket] = {}
        """By which of them a peer's address was heard last."""
        self.port: int = self._sockets[0].getsockname()[1]
        capacity = engine.streams.capacity
        candidates = host_candidates([(host, self.port) for host in hosts])
        self._endpoint = IceLiteEndpoint(identity, candidates, capacity, secrets.token_bytes, now)
        self._carried: dict[int, Carried] = {}
        self._free = list(range(capacity - 1, -1, -1))
        self._inbound: list[SrtpSession | None] = [None] * capacity
        """The keys that open a connection's packets, once there are some."""
        self._direct = np.full(capacity, -1, np.int64)
        """The row of connections with one stream; -1 where it has to be looked for."""
        self._inbox = Inbox(_BATCH)
        self._packets = PacketRows(self._inbox.rows, self._inbox.lengths)
        self._outbox = Outbox(1, 2048)
        self.junk = 0
        """Datagrams that are none of the four, or media before there are keys for it."""
        self.strangers = 0
        """Media packets from addresses that belong to no leg."""

    def __len__(self) -> int:
        return len(self._carried)

    def close(self) -> None:
        for number in tuple(self._carried):
            self.remove(number)
        for sock in self._sockets:
            sock.close()

    @property
    def kernel_drops(self) -> int:
        """Datagrams that never came to us: junk, and what found no room in the buffer."""
        return sum(drops(sock) for sock in self._sockets)

    def refused(self) -> Mapping[str, int]:
        """How many packets were dropped, by reason."""
        return {
            "kernel": self.kernel_drops,
            "junk": self.junk,
            "stranger": self.strangers,
            "forged": self._packets.forged,
            "replayed": self._packets.replayed,
            **{name.replace("_", "-"): n for name, n in asdict(self._endpoint.counters).items()},
        }

    def add(
        self, carried: Carried, remote: RemoteTransport, now: float
    ) -> tuple[int, LocalTransport]:
        """Raises `IndexError` when all numbers are taken."""
        number = self._free.pop()
        self._carried[number] = carried
        local = self._endpoint.add_leg(number, remote, now)
        self._flush()
        return number, local

    def remove(self, number: int) -> None:
        if self._carried.pop(number, None) is not None:
            self._endpoint.remove_leg(number)
            self._direct[number] = -1
            self._inbound[number] = None
            self._free.append(number)
            self._flush()
            known = self._endpoint.leg_of
            if len(self._via) > 2 * len(known) + 64:
                self._via = {key: sock for key, sock in self._via.items() if key in known}

    def set_direct(self, number: int, row: int) -> None:
        self._direct[number] = row

    def drain(self, now: float) -> None:
        for sock in self._sockets:
            for _ in range(_MOST_BATCHES):
                self._inbox.clear()
                is_all = self._inbox.receive(sock)
                if self._inbox.count:
                    self._sort(sock, now)
                if is_all:
                    break
        self._flush()

    def handle_timeout(self, now: float) -> None:
        due = self._endpoint.next_timeout()
        if due is not None and due <= now:
            self._endpoint.handle_timeout(now)
            self._flush()

    def send_rtcp(self, number: int, packet: bytes) -> None:
        carried = self._carried.get(number)
        if carried is not None and carried.secure is not None and carried.sock is not None:
            session = carried.secure.tx
            data = packet if session is None else session.protect_rtcp(packet)
            self._send(carried.sock, data, carried.address)

    def _sort(self, sock: socket.socket, now: float) -> None:
        box = self._inbox
        rows, lengths = box.rows[: box.count], box.lengths[: box.count]
        kinds = kinds_of(rows, lengths)
        keys = address_keys(box.addresses[: box.count])
        count_of = np.bincount(kinds, minlength=RTCP + 1).tolist()
        for index in where(kinds == STUN).tolist():
            self._endpoint.receive(rows[index, : lengths[index]].tobytes(), keys[index], now)
            if keys[index] in self._endpoint.leg_of:
                self._via[keys[index]] = sock
        # The answer to a check leaves from the address that was asked; RFC 8445, section 7.3.
        self._flush(sock)
        # All that is left comes from who has proved itself, or is dropped here and costs little.
        legs = np.array([self._endpoint.leg_of.get(key, -1) for key in keys], np.intp)
        known = legs >= 0
        dtls: Rows = where((kinds == DTLS) & known)
        self._endpoint.counters.unknown_source += count_of[DTLS] - len(dtls)
        for index in dtls.tolist():
            self._endpoint.receive(rows[index, : lengths[index]].tobytes(), keys[index], now)
        self._tell()
        rtp: Rows = where((kinds == RTP) & known)
        rtcp: Rows = where((kinds == RTCP) & known)
        self._open(rtp, legs, now, self._take_rtp)
        self._open(rtcp, legs, now, self._take_rtcp)
        self.junk += count_of[JUNK]
        self.strangers += count_of[RTP] + count_of[RTCP] - len(rtp) - len(rtcp)

    def _open(
        self,
        which: Rows,
        legs: Rows,
        now: float,
        take: Callable[[Rows, Rows, list[SrtpSession]], Rows],
    ) -> None:
        """Finds the connections of media packets and lets `take` decrypt and use them."""
        if not len(which):
            return
        inbound, numbers = self._inbound, legs[which].tolist()
        sessions = [session for number in numbers if (session := inbound[number]) is not None]
        if len(sessions) < len(numbers):
            self.junk += len(numbers) - len(sessions)
            which = which[[inbound[number] is not None for number in numbers]]
        if sessions:
            self._endpoint.heard(take(which, legs[which], sessions), now)

    def _take_rtp(self, which: Rows, legs: Rows, sessions: list[SrtpSession]) -> Rows:
        box = self._inbox
        opened = self._packets.unprotect(which.tolist(), sessions)
        if not opened.all():
            self._engine.streams.refuse(self._direct[legs[~opened]])
            which, legs = which[opened], legs[opened]
        packets = RtpRows.parse(box.rows, box.lengths, which)
        rows = self._direct[legs]
        for index in where((rows < 0) & packets.valid).tolist():
            place = which[index]
            data = box.rows[place, : box.lengths[place]].tobytes()
            rows[index] = self._carried[int(legs[index])].route(data, int(packets.ssrc[index]))
        self._engine.receive(box.rows, which, packets, rows, box.arrivals[which])
        return legs

    def _take_rtcp(self, which: Rows, legs: Rows, sessions: list[SrtpSession]) -> Rows:
        box = self._inbox
        opened = self._packets.unprotect_rtcp(which.tolist(), sessions)
        which, legs = which[opened], legs[opened]
        for place, number in zip(which.tolist(), legs.tolist(), strict=True):
            carried = self._carried.get(number)
            if carried is not None:
                carried.on_rtcp(box.rows[place, : box.lengths[place]].tobytes())
        return legs

    def _flush(self, via: socket.socket | None = None) -> None:
        self._tell()
        for data, address in self._endpoint.datagrams_to_send():
            sock = via or self._way_to(address)
            if sock is not None:
                self._send(sock, data, address)

    def _way_to(self, address: AddressKey) -> socket.socket | None:
        sock = self._via.get(address)
        if sock is None:
            family = socket.AddressFamily(address & 0xFFFF)
            sock = next((one for one in self._sockets if one.family == family), None)
        return sock

    def _tell(self) -> None:
        for event in self._endpoint.events():
            carried = self._carried.get(event.leg)
            if carried is None:
                continue
            match event:
                case Connected():
                    carried.secure = event.secure
                    self._inbound[event.leg] = event.secure.rx
                    self._set_address(carried, event.address)
                case AddressChanged():
                    self._set_address(carried, event.address)
                case Failed():
                    carried.on_failed(event.text)

    def _set_address(self, carried: Carried, address: AddressKey) -> None:
        carried.address = address
        carried.sock = self._way_to(address)
        carried.on_connected()

    def _send(self, sock: socket.socket, data: bytes, address: AddressKey) -> None:
        self._outbox.rows[0, : len(data)] = np.frombuffer(data, np.uint8)
        self._outbox.lengths[0] = len(data)
        self._outbox.addresses[0] = address_row(address)
        self._outbox.send(sock, 0, 1)
