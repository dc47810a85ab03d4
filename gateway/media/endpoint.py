"""PURE: ICE-lite and DTLS for all the legs of one UDP port, without I/O.

`transport` tells how it is driven. The rules for strangers:
- Who has not proved by a check that it knows a leg's password is answered at most `STRANGERS`
  times a second, all of them together, and can make us keep nothing.
- DTLS is read only from addresses that have proved themselves, `PEER` packets a second of a leg.
- An address that a living leg uses cannot be taken over by another leg.
- RTP is none of our business, but only what comes from `leg_of` reaches a leg.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media import stun
from gateway.media.dtls import DtlsAssociation, DtlsIdentity, DtlsState
from gateway.media.ice import (
    STALE,
    Credentials,
    IceLite,
    Refusal,
    candidate_addresses,
    is_check,
    username_of,
)
from gateway.media.rate import Bucket
from gateway.media.transport import (
    AddressChanged,
    AddressKey,
    Connected,
    Failed,
    LocalTransport,
    RemoteTransport,
    TransportEvent,
    address_of,
)

CONNECT_TIMEOUT: Final = 15.0
"""Seconds for ICE and DTLS together."""

CONSENT_TIMEOUT: Final = 30.0
"""RFC 7675, section 5.1."""

STRANGERS: Final = (1000.0, 1000.0)
"""Checks a second and at once from addresses that belong to no leg: about 2 % of a core."""

PEER: Final = (100.0, 300.0)
"""STUN packets a second and at once of one leg, and as many of DTLS. Browsers begin with a check
each 50 ms and pair; a handshake has a dozen datagrams."""

_SHORTEST_WAIT = 0.01


@dataclass(slots=True)
class Counters:
    """What was dropped, since the start."""

    malformed: int = 0
    """No STUN message, or one with a wrong FINGERPRINT."""
    unexpected: int = 0
    """STUN that is no check, other protocols."""
    unauthenticated: int = 0
    """Checks of nobody's or with a wrong MESSAGE-INTEGRITY."""
    limited: int = 0
    """More than the limits let through."""
    unknown_source: int = 0
    """DTLS from addresses that have not proved themselves."""
    stolen: int = 0
    """Checks from an address that another leg uses."""


@dataclass(slots=True)
class _Leg:
    """One transport of one leg, from `add_leg` to `remove_leg`."""

    index: int
    ice: IceLite
    dtls: DtlsAssociation
    checks: Bucket
    records: Bucket
    """DTLS has its own: a flood of it, from a forged source, must not cost the peer its consent."""
    give_up_at: float
    """When it has to be connected; afterwards consent counts."""
    wake_at: float = float("inf")
    """Its one entry among the deadlines that counts: the earliest."""
    has_begun: bool = False
    """As a DTLS client: whether the first flight is out."""
    told_address: AddressKey | None = None
    """What the last event said."""
    ended: bool = False


class IceLiteEndpoint:
    """See `transport`. Leg numbers are the engine's: small, and free again after `remove_leg`."""

    def __init__(
        self,
        identity: DtlsIdentity,
        candidates: Sequence[str],
        capacity: int,
        random: Callable[[int], bytes],
        now: float,
    ) -> None:
        """`candidates` are those of the port (`ice.host_candidates`); legs are 0 to capacity-1.

        `random` gives that many bytes nobody can guess, such as `secrets.token_bytes`.
        """
        self.leg_of: dict[AddressKey, int] = {}
        """By source address; for the engine to read."""
        self.counters = Counters()
        self._identity = identity
        self._candidates = tuple(candidates)
        self._random = random
        self._legs: dict[int, _Leg] = {}
        self._by_ufrag: dict[str, _Leg] = {}
        self._heard: NDArray[np.float64] = np.zeros(capacity)
        self._strangers = Bucket(*STRANGERS, now)
        self._deadlines: list[tuple[float, int]] = []
        """(when, leg) as a heap; what is no leg's `wake_at` any more is read over."""
        self._to_send: list[tuple[bytes, AddressKey]] = []
        self._events: list[TransportEvent] = []

    def __len__(self) -> int:
        return len(self._legs)

    # --- legs --------------------------------------------------------------------------------

    def add_leg(
        self,
        leg: int,
        remote: RemoteTransport,
        now: float,
        credentials: Credentials | None = None,
        component: int = 1,
    ) -> LocalTransport:
        """Waits for the peer's checks from now on, until it is connected or `Failed`.

        `credentials` are given where a leg has an RTCP component on another port: both have the
        same, and `component` is 2 here. Raises `ValueError` for a leg that is known: our bug.
        """
        if leg in self._legs:
            raise ValueError(f"leg {leg} is there already")
        local = credentials or self._unused_credentials()
        added = _Leg(
            leg,
            IceLite(local, remote.ufrag),
            DtlsAssociation(
                self._identity,
                is_client=remote.setup == "active",
                fingerprints=remote.fingerprints,
            ),
            Bucket(*PEER, now),
            Bucket(*PEER, now),
            now + CONNECT_TIMEOUT,
        )
        self._legs[leg] = added
        self._by_ufrag[local.ufrag] = added
        self._heard[leg] = now
        if remote.ice_lite:
            self._trust(added, remote, component, now)
        self._drain(added, now)
        return LocalTransport(
            local.ufrag, local.password, self._identity.fingerprint, self._candidates
        )

    def remove_leg(self, leg: int) -> None:
        """Says goodbye and forgets it. Unknown legs are ignored."""
        known = self._legs.pop(leg, None)
        if known is None:
            return
        known.dtls.close()
        self._collect(known)
        del self._by_ufrag[known.ice.local.ufrag]
        for address in known.ice.addresses:
            self._free(address, known)

    def close(self) -> None:
        """Says goodbye to all."""
        for leg in tuple(self._legs):
            self.remove_leg(leg)

    def heard(self, legs: NDArray[np.intp] | Sequence[int], now: float) -> None:
        """SRTP or SRTCP of these legs has been opened: they are alive."""
        self._heard[legs] = now

    # --- packets -----------------------------------------------------------------------------

    def receive(self, data: bytes, source: AddressKey, now: float) -> None:
        """A STUN or DTLS packet; anything else is counted."""
        first = data[0] if data else 255
        if first < 4:
            self._receive_stun(data, source, now)
        elif 20 <= first < 64:
            self._receive_dtls(data, source, now)
        else:
            self.counters.unexpected += 1

    def handle_timeout(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            when, index = heapq.heappop(self._deadlines)
            leg = self._legs.get(index)
            if leg is None or leg.ended or when != leg.wake_at:
                continue
            leg.wake_at = float("inf")
            self._check_life(leg, now)
            if not leg.ended:
                leg.dtls.handle_timeout()
                self._drain(leg, now)

    def next_timeout(self) -> float | None:
        return self._deadlines[0][0] if self._deadlines else None

    def datagrams_to_send(self) -> list[tuple[bytes, AddressKey]]:
        """(packet, where to), and each only once."""
        drained, self._to_send = self._to_send, []
        return drained

    def events(self) -> list[TransportEvent]:
        """What has happened since the last time."""
        drained, self._events = self._events, []
        return drained

    # --- STUN --------------------------------------------------------------------------------

    def _receive_stun(self, data: bytes, source: AddressKey, now: float) -> None:
        if not self._may_pass(source, now):
            return
        try:
            request = stun.Message.parse(data)
        except ValueError:
            self.counters.malformed += 1
            return
        if not is_check(request):
            self.counters.unexpected += 1
            return
        leg = self._by_ufrag.get(username_of(request))
        if leg is None or leg.ended:
            self._refuse(request, Refusal(401, "Unauthenticated"), b"", source)
            return
        refusal = leg.ice.refusal(request)
        if refusal is not None:
            self._refuse(request, refusal, leg.ice.key, source)
            return
        self._receive_check(leg, request, source, now)

    def _receive_check(
        self, leg: _Leg, request: stun.Message, source: AddressKey, now: float
    ) -> None:
        """From someone who knows the leg's password."""
        owner = self.leg_of.get(source)
        if owner is not None and owner != leg.index:
            if not self._may_be_taken(owner, now):
                self.counters.stolen += 1
                return
            self._legs[owner].ice.forget(source)
        dropped = leg.ice.check(request, source, now)
        if dropped is not None:
            self._free(dropped, leg)
        self.leg_of[source] = leg.index
        self._heard[leg.index] = now
        self._to_send.append((stun.success(request, address_of(source), leg.ice.key), source))
        self._drain(leg, now)

    def _refuse(
        self, request: stun.Message, refusal: Refusal, key: bytes, source: AddressKey
    ) -> None:
        key = key if refusal.authenticated else b""
        answer = stun.error(request, refusal.code, refusal.reason, key)
        if not refusal.authenticated:
            self.counters.unauthenticated += 1
            if len(answer) > len(request.data):
                return  # the source may be forged: nobody is flooded with our help
        self._to_send.append((answer, source))

    def _may_pass(self, source: AddressKey, now: float) -> bool:
        leg = self.leg_of.get(source)
        bucket = self._strangers if leg is None else self._legs[leg].checks
        if bucket.take(now):
            return True
        self.counters.limited += 1
        return False

    def _may_be_taken(self, owner: int, now: float) -> bool:
        """Behind a NAT an address can come round to another peer, but not so soon."""
        return self._legs[owner].ended or now - float(self._heard[owner]) > STALE

    # --- DTLS --------------------------------------------------------------------------------

    def _receive_dtls(self, data: bytes, source: AddressKey, now: float) -> None:
        index = self.leg_of.get(source)
        if index is None:
            self.counters.unknown_source += 1
            return
        leg = self._legs[index]
        if not leg.records.take(now):
            self.counters.limited += 1
            return
        if not leg.ended:
            leg.dtls.receive(data)
            self._drain(leg, now)

    def _drain(self, leg: _Leg, now: float) -> None:
        """After anything that happened to a leg: packets, events, the next deadline."""
        if leg.ice.address is not None and not leg.has_begun:
            leg.has_begun = True
            leg.dtls.connect()
        self._collect(leg)
        match leg.dtls.state:
            case DtlsState.FAILED:
                self._fail(leg, leg.dtls.error)
            case DtlsState.CLOSED:
                self._fail(leg, "the peer closed the connection")
            case DtlsState.CONNECTED | DtlsState.CONNECTING:
                self._tell_address(leg)
                self._schedule(leg, now)

    def _collect(self, leg: _Leg) -> None:
        address = leg.ice.address
        if address is not None:
            self._to_send += ((data, address) for data in leg.dtls.datagrams_to_send())

    def _tell_address(self, leg: _Leg) -> None:
        address, secure = leg.ice.address, leg.dtls.secure
        if secure is None or address is None or address == leg.told_address:
            return
        if leg.told_address is None:
            self._events.append(Connected(leg.index, secure, address))
        else:
            self._events.append(AddressChanged(leg.index, address))
        leg.told_address = address

    # --- time --------------------------------------------------------------------------------

    def _check_life(self, leg: _Leg, now: float) -> None:
        if leg.dtls.state is DtlsState.CONNECTING:
            if now >= leg.give_up_at:
                why = "no check came through by ICE"
                if leg.ice.address is not None:
                    why = "the DTLS handshake did not end"
                self._fail(leg, f"no connection within {CONNECT_TIMEOUT:.0f} s: {why}")
        elif now >= float(self._heard[leg.index]) + CONSENT_TIMEOUT:
            self._fail(leg, f"nothing was heard of the peer for {CONSENT_TIMEOUT:.0f} s")

    def _schedule(self, leg: _Leg, now: float) -> None:
        if leg.dtls.state is DtlsState.CONNECTING:
            retransmission = leg.dtls.next_timeout(now)
            deadline = leg.give_up_at
            if retransmission is not None:
                # Not "at once": OpenSSL's clock may not agree that it is time.
                deadline = min(deadline, max(retransmission, now + _SHORTEST_WAIT))
        else:
            deadline = float(self._heard[leg.index]) + CONSENT_TIMEOUT
        # A later deadline waits for the earlier one to come round: no entry for each packet.
        if deadline < leg.wake_at:
            leg.wake_at = deadline
            heapq.heappush(self._deadlines, (deadline, leg.index))

    def _fail(self, leg: _Leg, text: str) -> None:
        if not leg.ended:
            leg.ended = True
            self._events.append(Failed(leg.index, text))

    # --- addresses ---------------------------------------------------------------------------

    def _unused_credentials(self) -> Credentials:
        while True:
            made = Credentials.of(self._random(20))
            if made.ufrag not in self._by_ufrag:
                return made

    def _trust(self, leg: _Leg, remote: RemoteTransport, component: int, now: float) -> None:
        for address in candidate_addresses(remote.candidates, component):
            if address not in self.leg_of:
                leg.ice.trust(address, now)
                self.leg_of[address] = leg.index
                return

    def _free(self, address: AddressKey, leg: _Leg) -> None:
        if self.leg_of.get(address) == leg.index:
            del self.leg_of[address]
