"""The ports of phones: a pair for each leg, RTP and RTCP; plain, SRTP, or with DTLS on them.

Which packets belong to a call is decided by `latch`; only a packet that is RTP with the agreed
payload type, and that its keys open where there are any, can move it.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import (
    Inbox,
    Outbox,
    Sockets,
    address_keys,
    address_row,
    prepare,
)
from gateway.media.demultiplex import DTLS, RTCP, RTP, STUN, kinds_of
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.engine import PHASES, Engine
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

_EACH = 6
"""Packets of a leg in 20 ms; more wait for the next time."""

_CAPACITY = 1020
_STILL_THERE = 5.0
"""Seconds; a phone whose media came within them consents to ours."""

_TURNS = 5
"""Of RTCP, where nobody waits for a handshake."""


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


class _Batch:
    """As many phones as one round of receiving takes."""

    def __init__(self, phones: Sequence[Phone], which: int) -> None:
        """`which` of their sockets: 0 is RTP, 1 RTCP."""
        self.phones = phones
        self.rows: Rows = np.array([phone.row for phone in phones], np.intp)
        self.sockets = Sockets([phone.sockets[which] for phone in phones])

    @property
    def has_associations(self) -> bool:
        return any(phone.associations for phone in self.phones)


def _batches(phones: Sequence[Phone], which: int) -> list[_Batch]:
    size = _CAPACITY // _EACH
    return [_Batch(phones[start : start + size], which) for start in range(0, len(phones), size)]


class PhonePorts:
    """All of them; `drain` each phase of the tick, `handle_timeout` a few times in a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._phones: dict[int, Phone] = {}
        self._phases: list[list[_Batch] | None] = [None] * PHASES
        self._batches: list[_Batch] | None = None
        self._turn = 0
        self._inbox = Inbox(_CAPACITY)
        self._packets = PacketRows(self._inbox.rows, self._inbox.lengths)
        self._outbox = Outbox(1, 2048)
        # What a row was latched to, as an address row: compared for all packets at once.
        self._latched = np.zeros((engine.streams.capacity, 32), np.uint8)
        self.strangers = 0
        """Packets that did not come from where their call is."""

    def __len__(self) -> int:
        return len(self._phones)

    def add(self, phone: Phone) -> None:
        for sock in phone.sockets:
            prepare(sock)
        self._phones[phone.row] = phone
        self._latched[phone.row] = 0
        self._change()

    def remove(self, row: int) -> None:
        """Says goodbye. The sockets are the caller's to close."""
        phone = self._phones.pop(row, None)
        if phone is not None:
            for association in phone.associations:
                association.close()
            self.flush(phone)
            self._change()

    def unlatch(self, phone: Phone) -> None:
        """Its signalled address has changed."""
        self._latched[phone.row] = 0

    def drain(self, phase: int, now: float) -> None:
        batches = self._phases[phase]
        if batches is None:
            phase_of, room_of = self._engine.phase_of, self._engine.streams.room
            phones = [p for p in self._phones.values() if phase_of(int(room_of[p.row])) == phase]
            batches = self._phases[phase] = _batches(phones, 0)
        for batch in batches:
            self._drain(batch, now)

    def handle_timeout(self, now: float) -> None:
        """RTCP and what is due; each phone's every few times."""
        batches = self._batches
        if batches is None:
            batches = self._batches = _batches(list(self._phones.values()), 1)
        self._turn += 1
        for number, batch in enumerate(batches):
            if number % _TURNS == self._turn % _TURNS or batch.has_associations:
                self._drain_rtcp(batch, now)
            if batch.has_associations:
                self._age(batch.phones, now)

    def _age(self, phones: Sequence[Phone], now: float) -> None:
        for phone in phones:
            # baresip makes no checks once it is connected: what it sends says that it is there.
            heard = max(float(self._engine.streams.last_heard[phone.row]), phone.rtcp_heard)
            for association in phone.associations:
                if isinstance(association, IceLiteEndpoint) and now - heard < _STILL_THERE:
                    association.heard([0], now)
                association.handle_timeout(now)
            if phone.associations:
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

    def _change(self) -> None:
        self._phases = [None] * PHASES
        self._batches = None

    def _drain(self, batch: "_Batch", now: float) -> None:
        box, phones = self._inbox, batch.phones
        box.clear()
        owners = box.receive_each(batch.sockets, _EACH)
        if not box.count:
            return
        rows, lengths = box.rows[: box.count], box.lengths[: box.count]
        kinds = kinds_of(rows, lengths)
        for index in where(kinds != RTP).tolist():
            self._take_other(phones[owners[index]], int(kinds[index]), index, now)
        which: Rows = where(kinds == RTP)
        which = which[self._open(phones, owners, which)]
        packets = RtpRows.parse(rows, lengths).take(which)
        streams = batch.rows[owners[which]]
        mine = self._latch(phones, owners[which], which, packets, streams, now)
        if not mine.all():
            self.strangers += int((~mine).sum())
            kept = where(mine)
            which, packets, streams = which[kept], packets.take(kept), streams[kept]
        self._engine.receive(box.rows, which, packets, streams, box.arrivals[which])

    def _open(self, phones: Sequence[Phone], owners: Rows, which: Rows) -> NDArray[np.bool_]:
        """Decrypts what has keys; True for what can be read."""
        good = np.ones(len(which), np.bool_)
        secured: list[int] = []
        sessions: list[SrtpSession] = []
        for index, owner in enumerate(owners[which].tolist()):
            secure = phones[owner].secure
            if secure is None:
                good[index] = False
            elif secure.rx is not None:
                secured.append(index)
                sessions.append(secure.rx)
        if secured:
            good[secured] = self._packets.unprotect(which[secured].tolist(), sessions)
        return good

    def _latch(
        self,
        phones: Sequence[Phone],
        owners: Rows,
        which: Rows,
        packets: RtpRows,
        rows: Rows,
        now: float,
    ) -> NDArray[np.bool_]:
        streams = self._engine.streams
        sources = self._inbox.addresses[which]
        latched = self._latched[rows].view(np.uint64)
        mine: NDArray[np.bool_] = (sources.view(np.uint64) == latched).all(axis=1)
        agreed = packets.valid & (
            (packets.payload_type == streams.receive_type[rows])
            | (packets.payload_type == streams.events_type[rows])
            | (packets.payload_type == streams.noise_type[rows])
        )
        for index in where(~mine & agreed).tolist():
            phone, key = phones[owners[index]], address_keys(sources[index : index + 1])[0]
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

    def _take_other(self, phone: Phone, kind: int, index: int, now: float) -> None:
        box = self._inbox
        key = address_keys(box.addresses[index : index + 1])[0]
        if kind == RTCP:
            self._heard_rtcp(phone, index, key, now)
        elif kind in (STUN, DTLS) and phone.associations:
            self._receive(phone, 0, index, key, now)

    def _drain_rtcp(self, batch: "_Batch", now: float) -> None:
        box, phones = self._inbox, batch.phones
        box.clear()
        owners = box.receive_each(batch.sockets, _EACH)
        if not box.count:
            return
        kinds = kinds_of(box.rows[: box.count], box.lengths[: box.count])
        keys = address_keys(box.addresses[: box.count])
        for index, kind in enumerate(kinds.tolist()):
            phone = phones[owners[index]]
            if kind == RTCP:
                self._heard_rtcp(phone, index, keys[index], now)
            elif kind in (STUN, DTLS) and len(phone.associations) == 2:
                self._receive(phone, 1, index, keys[index], now)

    def _heard_rtcp(self, phone: Phone, index: int, source: AddressKey, now: float) -> None:
        """A phone that sends nothing else is still there."""
        target, secure = phone.target, phone.secure_rtcp
        if target is None or secure is None or address_of(source)[0] != address_of(target)[0]:
            self.strangers += 1
            return
        data: bytes | None = self._inbox.rows[index, : self._inbox.lengths[index]].tobytes()
        if secure.rx is not None and data is not None:
            data = secure.rx.unprotect_rtcp(data)
        if data is not None:
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
