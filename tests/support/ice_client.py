"""A full-ICE DTLS-SRTP peer for tests, without I/O."""

import datetime

from gateway.media import stun
from gateway.media.dtls import DtlsAssociation, DtlsIdentity, DtlsState
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.ice import Credentials
from gateway.media.stun import Attribute
from gateway.media.transport import (
    AddressKey,
    Connected,
    LocalTransport,
    RemoteTransport,
    TransportEvent,
    key_of,
)

IDENTITY = DtlsIdentity(datetime.datetime(2026, 1, 1))
"""The gateway's; one for all tests, for a key costs time."""

PEER_IDENTITY = DtlsIdentity(datetime.datetime(2026, 1, 1))

CONTROLLING = (Attribute.ICE_CONTROLLING, bytes(8))
CONTROLLED = (Attribute.ICE_CONTROLLED, bytes(8))
NOMINATION = (Attribute.USE_CANDIDATE, b"")


def priority(value: int) -> tuple[int, bytes]:
    return Attribute.PRIORITY, value.to_bytes(4, "big")


class Randomness:
    """Bytes that differ and repeat from run to run."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, count: int) -> bytes:
        self._next += 1
        return self._next.to_bytes(4, "big") + bytes(count - 4)


def endpoint(now: float = 0.0, capacity: int = 16) -> IceLiteEndpoint:
    candidates = ("1 1 udp 2130706431 192.0.2.1 4000 typ host",)
    return IceLiteEndpoint(IDENTITY, candidates, capacity, Randomness(), now)


class IceClient:
    """Its packets are carried by hand: `exchange` does it for one endpoint."""

    def __init__(self, port: int = 5000, *, setup: str = "passive", is_lite: bool = False) -> None:
        """`setup` is the gateway's role."""
        self.key: AddressKey = key_of("198.51.100.7", port)
        self.credentials = Credentials("peer", "p" * 24)
        self.identity = PEER_IDENTITY
        self.remote = RemoteTransport(
            self.credentials.ufrag,
            self.credentials.password,
            is_lite,
            (("sha-256", self.identity.fingerprint),),
            setup,
            (f"1 1 udp 1 198.51.100.7 {port} typ host",) if is_lite else (),
        )
        self.local: LocalTransport | None = None
        self.dtls: DtlsAssociation | None = None
        self.received: list[bytes] = []
        """STUN packets that came."""
        self._transaction = 0

    def take(self, local: LocalTransport) -> None:
        """The gateway's answer."""
        self.local = local
        self.dtls = self.association(local.fingerprint)

    def association(self, fingerprint: str) -> DtlsAssociation:
        """Our end of the handshake, with a gateway that has this certificate."""
        is_client = self.remote.setup == "passive"
        fingerprints = (("sha-256", fingerprint),)
        return DtlsAssociation(self.identity, is_client=is_client, fingerprints=fingerprints)

    def check(
        self,
        *attributes: tuple[int, bytes],
        username: str | None = None,
        password: str | None = None,
    ) -> bytes:
        """A binding request to the gateway."""
        assert self.local is not None
        self._transaction += 1
        name = username or f"{self.local.ufrag}:{self.credentials.ufrag}"
        return stun.serialize(
            stun.BINDING,
            self._transaction.to_bytes(12, "big"),
            [(Attribute.USERNAME, name.encode()), *attributes],
            (self.local.password if password is None else password).encode(),
        )

    def exchange(self, gateway: IceLiteEndpoint, now: float) -> list[TransportEvent]:
        """Carries packets both ways until nobody has anything to say; returns the events."""
        assert self.dtls is not None
        events: list[TransportEvent] = []
        while True:
            mine = list(self.dtls.datagrams_to_send())
            for data in mine:
                gateway.receive(data, self.key, now)
            theirs = [data for data, to in gateway.datagrams_to_send() if to == self.key]
            for data in theirs:
                if data[0] < 4:
                    self.received.append(data)
                else:
                    self.dtls.receive(data)
            events += gateway.events()
            if not mine and not theirs:
                return events

    def connect(self, gateway: IceLiteEndpoint, leg: int, now: float = 0.0) -> Connected:
        """From the offer to the keys."""
        self.take(gateway.add_leg(leg, self.remote, now))
        gateway.receive(self.check(CONTROLLING, NOMINATION, priority(1)), self.key, now)
        assert self.dtls is not None
        self.dtls.connect()
        (event,) = self.exchange(gateway, now)
        assert isinstance(event, Connected), event
        assert self.dtls.state is DtlsState.CONNECTED
        return event
