"""PURE: DTLS-SRTP without ICE on one port of a phone's leg; RFC 5763.

A phone that wants RTCP on a port of its own (baresip and others without rtcp-mux) gets two of
these, for it makes a handshake on each port. Which source is the phone is decided by the leg's
latch (RFC 4961), so `receive` is only called for packets that it let through.
"""

from typing import Final

from gateway.media.dtls import DtlsAssociation, DtlsIdentity, DtlsState
from gateway.media.rate import Bucket
from gateway.media.transport import (
    AddressChanged,
    AddressKey,
    Connected,
    Failed,
    RemoteTransport,
    TransportEvent,
)

CONNECT_TIMEOUT: Final = 30.0
"""Seconds; longer than with ICE: the phone begins when its call is answered, and may be busy."""

_PACKETS = (100.0, 300.0)


class DtlsLeg:
    """Driven as `transport` tells; `leg` stands in its events.

    `address` is the signalled one, or None where that is unknown: as a client we need it.
    """

    def __init__(
        self,
        leg: int,
        identity: DtlsIdentity,
        remote: RemoteTransport,
        address: AddressKey | None,
        now: float,
    ) -> None:
        self._leg = leg
        self._dtls = DtlsAssociation(
            identity,
            is_client=remote.setup == "active",
            fingerprints=remote.fingerprints,
        )
        self._address = address
        self._bucket = Bucket(*_PACKETS, now)
        self._give_up_at = now + CONNECT_TIMEOUT
        self._told_address: AddressKey | None = None
        self._has_failed = False
        self._to_send: list[tuple[bytes, AddressKey]] = []
        self._events: list[TransportEvent] = []
        if address is not None:
            self._dtls.connect()
        self._drain()

    def receive(self, data: bytes, source: AddressKey, now: float) -> None:
        """A DTLS packet from the phone. What is too much is dropped."""
        if self._has_failed or not self._bucket.take(now):
            return
        self._address = source
        self._dtls.receive(data)
        self._drain()

    def handle_timeout(self, now: float) -> None:
        if self._dtls.state is DtlsState.CONNECTING and now >= self._give_up_at:
            self._fail(f"no DTLS handshake within {CONNECT_TIMEOUT:.0f} s")
            return
        self._dtls.handle_timeout()
        self._drain()

    def next_timeout(self, now: float) -> float | None:
        """None once connected: whether the phone still lives is seen by its RTP."""
        if self._has_failed or self._dtls.state is not DtlsState.CONNECTING:
            return None
        retransmission = self._dtls.next_timeout(now)
        return self._give_up_at if retransmission is None else min(retransmission, self._give_up_at)

    def datagrams_to_send(self) -> list[tuple[bytes, AddressKey]]:
        drained, self._to_send = self._to_send, []
        return drained

    def events(self) -> list[TransportEvent]:
        drained, self._events = self._events, []
        return drained

    def close(self) -> None:
        """Says goodbye; `datagrams_to_send` has it."""
        self._dtls.close()
        self._collect()

    def _drain(self) -> None:
        self._collect()
        match self._dtls.state:
            case DtlsState.FAILED:
                self._fail(self._dtls.error)
            case DtlsState.CLOSED:
                self._fail("the phone closed the connection")
            case DtlsState.CONNECTED | DtlsState.CONNECTING:
                self._tell_address()

    def _collect(self) -> None:
        address = self._address
        if address is not None:
            self._to_send += ((data, address) for data in self._dtls.datagrams_to_send())

    def _tell_address(self) -> None:
        address, secure = self._address, self._dtls.secure
        if secure is None or address is None or address == self._told_address:
            return
        if self._told_address is None:
            self._events.append(Connected(self._leg, secure, address))
        else:
            self._events.append(AddressChanged(self._leg, address))
        self._told_address = address

    def _fail(self, text: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._events.append(Failed(self._leg, text))
