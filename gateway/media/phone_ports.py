"""The ports of phones: a pair for each leg, RTP and RTCP; plain, SRTP, or with DTLS on them.

Which packets belong to a call is decided by `latch`; only a packet that is RTP with the agreed
payload type, and that its keys open where there are any, can move it.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import Inbox, Outbox, address_keys, address_row, prepare
from gateway.media.demultiplex import DTLS, RTCP, RTP, STUN, kinds_of
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.engine import Engine
from gateway.media.fan_in import fan_in
from gateway.media.latch import Endpoint, Latch
from gateway.media.rtp_rows import RtpRows
from gateway.media.runs import where
from gateway.media.srtp import PacketRows, SrtpSession
from gateway.media.transport import (
    AddressChanged,
    AddressKey,
    Connected,
    Failed,
    SecureLeg,
    TransportEvent,
    address_of,
    key_of,
)

Rows = NDArray[np.intp]

_CAPACITY = 2048
_MOST_BATCHES = 8
"""In one drain: whoever floods a port is cut off here, not the mixer."""

_STILL_THERE = 5.0
"""Seconds; a phone whose media came within them consents to ours."""

_TURNS = 5
"""Calls of `handle_timeout` in which each phone has its turn once."""


class Association(Protocol):
    """What makes keys on one port: `DtlsLeg`, or `IceLiteEndpoint` for a leg of its own."""

    def receive(self, data: bytes, source: AddressKey, now: float) -> None: ...

    def handle_timeout(self, now: float) -> None: ...

    def datagrams_to_send(self) -> list[tuple[bytes, AddressKey]]: ...

    def events(self) -> list[TransportEvent]: ...

    def close(self) -> None: ...


PLAIN = SecureLeg(None, None)


@dataclass(slots=True)
class Phone:
    """One leg on ports of its own."""

    row: int
    sockets: tuple[socket.socket, socket.socket]
    """RTP and RTCP."""
    on_moved: Callable[[], None]
    """`target` or `secure` is another one."""
    on_failed: Callable[[str], None]
    on_rtcp: Callable[[bytes], None]
    """An opened RTCP packet."""
    latch: Latch = field(default_factory=lambda: Latch(("", 0)))
    secure: SecureLeg | None = PLAIN
    """None while its keys are being made."""
    secure_rtcp: SecureLeg | None = PLAIN
    associations: Sequence[Association] = ()
    """For RTP and, where that has its own, for RTCP."""
    uses_ice: bool = False
    ice_target: AddressKey | None = None
    """With ICE, its pair; the latch has nothing to say then."""
    ice_rtcp_target: AddressKey | None = None
    rtcp_heard: float = 0.0

    @property
    def target(self) -> AddressKey | None:
        """Where RTP goes."""
        if self.uses_ice:
            return self.ice_target
        endpoint = self.latch.target
        return None if endpoint is None else key_of(*endpoint)


class PhonePorts:
    """All of them; `drain` often, `handle_timeout` a few times in a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._phones: dict[int, Phone] = {}
        self._turn = 0
        self._inbox = Inbox(_CAPACITY)
        self._packets = PacketRows(self._inbox.rows, self._inbox.lengths)
        self._outbox = Outbox(1, 2048)
        capacity = engine.streams.capacity
        self._arriving = fan_in(2 * capacity, _CAPACITY)
        """A phone's RTP socket has the key 2 * row, its RTCP socket the next."""
        self._plain = np.zeros(capacity, np.bool_)
        """Rows whose packets can be read as they come."""
        # What a row was latched to, as an address row: compared for all packets at once.
        self._latched = np.zeros((capacity, 32), np.uint8)
        self.strangers = 0
        """Packets that did not come from where their call is."""
        self._own: set[AddressKey] = set()
        """Our sockets' addresses: what comes from there was meant for a phone that named one of
        them as its own, and would go round for ever."""

    def __len__(self) -> int:
        return len(self._phones)

    def refused(self) -> Mapping[str, int]:
        """How many packets were dropped, by reason."""
        return {
            "stranger": self.strangers,
            "forged": self._packets.forged,
            "replayed": self._packets.replayed,
        }

    def close(self) -> None:
        """All phones are removed."""
        self._arriving.close()

    def add(self, phone: Phone) -> None:
        self._phones[phone.row] = phone
        self._latched[phone.row] = 0
        self._plain[phone.row] = phone.secure is PLAIN
        for which, sock in enumerate(phone.sockets):
            self._own.add(key_of(*sock.getsockname()[:2]))
            self._arriving.add(prepare(sock), 2 * phone.row + which)

    def remove(self, row: int) -> None:
        """Says goodbye. The sockets are the caller's to close."""
        phone = self._phones.pop(row, None)
        if phone is not None:
            for association in phone.associations:
                association.close()
            self.flush(phone)
            for which, sock in enumerate(phone.sockets):
                self._own.discard(key_of(*sock.getsockname()[:2]))
                self._arriving.remove(sock, 2 * row + which)

    def secure(self, phone: Phone, keys: SecureLeg | None) -> None:
        """None while they are being made."""
        phone.secure = phone.secure_rtcp = keys
        self._plain[phone.row] = False

    def unlatch(self, phone: Phone) -> None:
        """Its signalled address has changed."""
        self._latched[phone.row] = 0

    def drain(self, now: float) -> None:
        """Takes what is there."""
        if not self._phones:
            return
        for _ in range(_MOST_BATCHES):
            self._inbox.clear()
            keys = self._arriving.receive(self._inbox)
            if not len(keys):
                return
            self._sort(keys, now)

    def handle_timeout(self, now: float) -> None:
        """What is due; each phone's every few times."""
        self._turn = (self._turn + 1) % _TURNS
        for phone in self._phones.values():
            if phone.associations and phone.row % _TURNS == self._turn:
                self._age(phone, now)

    def _age(self, phone: Phone, now: float) -> None:
        # baresip makes no checks once it is connected: what it sends says that it is there.
        heard = max(float(self._engine.streams.last_heard[phone.row]), phone.rtcp_heard)
        for association in phone.associations:
            if isinstance(association, IceLiteEndpoint) and now - heard < _STILL_THERE:
                association.heard([0], now)
            association.handle_timeout(now)
        self.flush(phone)

    def flush(self, phone: Phone) -> None:
        """What its associations have to say."""
        for number, association in enumerate(phone.associations):
            for data, address in association.datagrams_to_send():
                self._send(phone.sockets[number], data, address)
            for event in association.events():
                self._tell(phone, number, event)

    def send_rtcp(self, phone: Phone, packet: bytes, signalled: Endpoint) -> None:
        """`signalled`: where the phone said that it wants RTCP, unless its RTP was elsewhere."""
        target, secure = self._rtcp_target(phone, signalled), phone.secure_rtcp
        if target is None or secure is None:
            return
        data = packet if secure.tx is None else secure.tx.protect_rtcp(packet)
        muxed = len(phone.associations) == 1
        self._send(phone.sockets[0 if muxed else 1], data, target)

    def _rtcp_target(self, phone: Phone, signalled: Endpoint) -> AddressKey | None:
        if phone.uses_ice:
            return phone.ice_rtcp_target or phone.ice_target
        rtp = phone.latch.target
        if rtp is None or len(phone.associations) == 1:
            return phone.target
        is_elsewhere = rtp[0] != signalled[0]
        return key_of(*((rtp[0], min(rtp[1] + 1, 65_535)) if is_elsewhere else signalled))

    # --- RTP ---------------------------------------------------------------------------------

    def _sort(self, keys: Rows, now: float) -> None:
        box = self._inbox
        rows, lengths = box.rows[: box.count], box.lengths[: box.count]
        kinds = kinds_of(rows, lengths)
        is_rtp = (kinds == RTP) & (keys & 1 == 0)
        for index in where((kinds == RTCP) | (kinds == STUN) | (kinds == DTLS)).tolist():
            # A phone may have gone by what came before.
            phone = self._phones.get(int(keys[index]) >> 1)
            if phone is not None:
                self._take_other(phone, int(keys[index]) & 1, int(kinds[index]), index, now)
        which = where(is_rtp)
        opened = self._open(which, keys[which] >> 1)
        if not opened.all():
            self._engine.streams.refuse(keys[which[~opened]] >> 1)
            which = which[opened]
        packets = RtpRows.parse(rows, lengths).take(which)
        streams = keys[which] >> 1
        mine = self._latch(which, packets, streams, now)
        if not mine.all():
            self.strangers += int((~mine).sum())
            self._engine.streams.refuse(streams[~mine])
            kept = where(mine)
            which, packets, streams = which[kept], packets.take(kept), streams[kept]
        self._engine.receive(box.rows, which, packets, streams, box.arrivals[which])

    def _open(self, which: Rows, rows: Rows) -> NDArray[np.bool_]:
        """Decrypts what has keys; True for what can be read."""
        good: NDArray[np.bool_] = self._plain[rows]
        secured: list[int] = []
        sessions: list[SrtpSession] = []
        for index in where(~good).tolist():
            phone = self._phones.get(int(rows[index]))
            if phone is not None and phone.secure is not None and phone.secure.rx is not None:
                secured.append(index)
                sessions.append(phone.secure.rx)
        if secured:
            good[secured] = self._packets.unprotect(which[secured].tolist(), sessions)
        return good

    def _latch(self, which: Rows, packets: RtpRows, rows: Rows, now: float) -> NDArray[np.bool_]:
        streams = self._engine.streams
        sources = self._inbox.addresses[which]
        latched = self._latched[rows].view(np.uint64)
        mine: NDArray[np.bool_] = (sources.view(np.uint64) == latched).all(axis=1)
        if mine.all():
            return mine
        agreed = packets.valid & (
            (packets.payload_type == streams.receive_type[rows])
            | (packets.payload_type == streams.events_type[rows])
            | (packets.payload_type == streams.noise_type[rows])
        )
        for index in where(~mine & agreed).tolist():
            phone = self._phones.get(int(rows[index]))
            key = address_keys(sources[index : index + 1])[0]
            if phone is None or key in self._own:
                continue
            silence = now - float(streams.last_heard[phone.row])
            if phone.uses_ice:
                mine[index] = key == phone.ice_target
            elif phone.latch.accept(address_of(key), silence):
                mine[index] = True
                phone.on_moved()
            if mine[index]:
                self._latched[phone.row] = sources[index]
        return mine

    # --- the rest ----------------------------------------------------------------------------

    def _take_other(self, phone: Phone, port: int, kind: int, index: int, now: float) -> None:
        """What came to the phone's `port`, 0 for RTP and 1 for RTCP, and is no RTP."""
        box = self._inbox
        key = address_keys(box.addresses[index : index + 1])[0]
        if kind == RTCP:
            self._heard_rtcp(phone, index, key, now)
        elif kind in (STUN, DTLS) and port < len(phone.associations):
            self._receive(phone, port, index, key, now)

    def _heard_rtcp(self, phone: Phone, index: int, source: AddressKey, now: float) -> None:
        """A phone that sends nothing else is still there."""
        target, secure = phone.target, phone.secure_rtcp
        if target is None or secure is None or address_of(source)[0] != address_of(target)[0]:
            self.strangers += 1
            return
        data: bytes | None = self._inbox.rows[index, : self._inbox.lengths[index]].tobytes()
        if secure.rx is not None and data is not None:
            data = secure.rx.unprotect_rtcp(data)
        if data is None:
            return
        phone.rtcp_heard = now
        phone.on_rtcp(data)

    def _receive(self, phone: Phone, number: int, index: int, key: AddressKey, now: float) -> None:
        """STUN or DTLS. Without ICE only the phone itself may speak to its association."""
        if not phone.uses_ice:
            target, source = phone.latch.target, address_of(key)
            if target is not None and source[0] != target[0]:
                self.strangers += 1
                return
        data = self._inbox.rows[index, : self._inbox.lengths[index]].tobytes()
        phone.associations[number].receive(data, key, now)
        self.flush(phone)

    def _tell(self, phone: Phone, number: int, event: TransportEvent) -> None:
        match event:
            case Connected():
                if number == 0:
                    phone.secure = event.secure
                if number == len(phone.associations) - 1:
                    phone.secure_rtcp = event.secure
                self._set_ice_target(phone, number, event.address)
            case AddressChanged():
                self._set_ice_target(phone, number, event.address)
            case Failed():
                phone.on_failed(event.text)

    def _set_ice_target(self, phone: Phone, number: int, address: AddressKey) -> None:
        if phone.uses_ice and number == 0:
            phone.ice_target = address
        elif phone.uses_ice:
            phone.ice_rtcp_target = address
        phone.on_moved()

    def _send(self, sock: socket.socket, data: bytes, address: AddressKey) -> None:
        self._outbox.rows[0, : len(data)] = np.frombuffer(data, np.uint8)
        self._outbox.lengths[0] = len(data)
        self._outbox.addresses[0] = address_row(address)
        self._outbox.send(sock, 0, 1)
