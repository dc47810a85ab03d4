"""A phone's audio: its descriptions, and what follows from them for its ports and its stream."""

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from gateway.errors import Reason, Refused
from gateway.media.dtls import DtlsIdentity
from gateway.media.dtls_leg import DtlsLeg
from gateway.media.dtls_negotiation import check_unchanged
from gateway.media.endpoint import IceLiteEndpoint
from gateway.media.engine import Engine
from gateway.media.formats import Format, format_of
from gateway.media.ice import Credentials, host_candidates
from gateway.media.latch import Endpoint, Latch
from gateway.media.negotiation import Choice
from gateway.media.phone_ports import Phone, PhonePorts
from gateway.media.place import NOWHERE
from gateway.media.reports import Reporter
from gateway.media.rtp_negotiation import (
    Local,
    Remote,
    describe_answer,
    describe_offer,
    read_answer,
    read_remote,
)
from gateway.media.rtp_ports import RtpPorts
from gateway.media.sdes import Crypto, answer_to, key_and_salt_length, secure_leg
from gateway.media.streams import Receiving, Sending
from gateway.media.transport import (
    AddressKey,
    LocalTransport,
    RemoteTransport,
    key_of,
)
from gateway.ports import ParticipantId
from gateway.sdp import SessionDescription

log = logging.getLogger("trestle.media")


class PhoneLeg:
    """One leg on a pair of ports of its own, from its first description to `close`."""

    def __init__(
        self,
        leg: ParticipantId,
        address: str,
        room: int,
        engine: Engine,
        ports: PhonePorts,
        free: RtpPorts,
        reporter: Reporter,
        on_failed: Callable[[str], None],
    ) -> None:
        """`address` stands in our descriptions. Raises `Refused` (unavailable)."""
        self.id = leg
        self._address = address
        self._engine = engine
        self._ports = ports
        self._free = free
        self._reporter = reporter
        self._remote: Remote | None = None
        self._has_talked = False
        """Whether the call was ever two-way: only then is one-way media a hold."""
        self.is_admitted = False
        """It hears the room, and the room hears it, from then on."""
        self._ssrc = secrets.randbits(32)
        self._crypto: tuple[Crypto, Crypto] | None = None
        self._dtls: tuple[RemoteTransport, LocalTransport] | None = None
        self._session_id = secrets.randbits(62)
        self._version = 0
        self._last_description = ""
        sockets = free.bind(address)
        self._port: int = sockets[0].getsockname()[1]
        try:
            self.row = engine.open_stream(room, Format.PCMA, is_leg=True)
        except IndexError:
            free.give_back(sockets)
            raise Refused(Reason.OVERLOADED, "no more streams: the media plane is full") from None
        self.phone = Phone(self.row, sockets, self._moved, on_failed, self._take_rtcp)
        ports.add(self.phone)

    def answer(
        self, offer: SessionDescription, choice: Choice, identity: DtlsIdentity, now: float
    ) -> SessionDescription:
        """Raises `Refused`, and then the leg goes on as it was."""
        remote = read_remote(choice.section, offer, self._address)
        if self._remote is not None and _kind(remote) != _kind(self._remote):
            raise Refused(Reason.MEDIA, "a call cannot change over to another transport")
        if self._dtls is not None and remote.dtls is not None:
            check_unchanged(self._dtls[0], remote.dtls)
            # The association stands, and with it who began it; RFC 8842, section 5.5.
            remote = replace(remote, dtls=self._dtls[0])
        self._secure(remote, identity, now)
        self._take(remote, now)
        return self._describe(lambda local: describe_answer(offer, choice.index, remote, local))

    def offer(self) -> SessionDescription:
        return self._describe(describe_offer)

    def accept(self, answer: SessionDescription, now: float) -> None:
        """Raises `Refused`."""
        self._take(read_answer(answer, self._address), now)

    def admit(self) -> None:
        """The leg hears its room and is a source from now on."""
        if not self.is_admitted:
            self.is_admitted = True
            self._log()
        self._engine.set_source(self.row, not self._is_held)
        self._moved()

    def close(self) -> None:
        self._reporter.forget(self.row)
        self._ports.remove(self.row)
        self._free.give_back(self.phone.sockets)
        self._engine.close_stream(self.row)

    def silence(self, now: float) -> float:
        """Seconds since it was heard of, as far as it ought to send at all."""
        if self._remote is None or self._is_held or not self._remote.sends:
            return 0.0
        heard = float(self._engine.streams.last_heard[self.row])
        return now - max(heard, self.phone.rtcp_heard)

    def report(self, wall_clock: float) -> None:
        """Sends an RTCP report."""
        if self._remote is not None and self.is_admitted:
            packet = self._reporter.report(self.row, self._ssrc, wall_clock)
            self._ports.send_rtcp(self.phone, packet, self._remote.rtcp)

    def _take_rtcp(self, packet: bytes) -> None:
        self._reporter.receive({self._ssrc: self.row}, packet, time.time())

    @property
    def _is_held(self) -> bool:
        """The phone put the call aside. What it sends then is music, and nobody wants that."""
        return self._has_talked and self._remote is not None and self._remote.on_hold

    def _take(self, remote: Remote, now: float) -> None:
        before, self._remote = self._remote, remote
        self._has_talked = self._has_talked or not remote.on_hold
        if before is None:
            self.phone.latch = Latch(remote.rtp)
        elif remote.rtp[0] not in NOWHERE and remote.rtp != before.rtp:
            # The old way of holding names no place; the phone stays where it is.
            self.phone.latch.signal(remote.rtp)
            self._ports.unlatch(self.phone)
        if before is None or before.codec != remote.codec:
            self._engine.set_format(self.row, format_of(remote.codec))
        events = remote.events.payload_type if remote.events is not None else -1
        noise = remote.noise.payload_type if remote.noise is not None else -1
        receiving = Receiving(remote.codec.payload_type, events, noise_type=noise)
        self._engine.receive_on(self.row, receiving)
        self._engine.streams.last_heard[self.row] = now
        if self.is_admitted:
            self.admit()
            self._log()

    def _log(self) -> None:
        """Not before the call stands: strangers who only ring shall not fill the log."""
        remote = self._remote
        if remote is not None:
            told = "%s RTP with %s:%d, %s, %s, %s"
            codec, kind = remote.codec.name, _kind(remote)
            log.info(told, self.id, *remote.rtp, codec, remote.direction, kind)

    def _secure(self, remote: Remote, identity: DtlsIdentity, now: float) -> None:
        """Keys, as the description says; the same again changes nothing."""
        if remote.crypto is not None:
            self._take_crypto(remote.crypto)
        elif remote.dtls is not None and self._dtls is None:
            self._begin_dtls(remote, remote.dtls, identity, now)

    def _take_crypto(self, offered: Crypto) -> None:
        if self._crypto is not None and self._crypto[0] == offered:
            return
        length = key_and_salt_length(offered.profile)
        ours = answer_to(offered, secrets.token_bytes(length))
        self._crypto = (offered, ours)
        self._ports.secure(self.phone, secure_leg(ours, offered))

    def _begin_dtls(
        self, remote: Remote, dtls: RemoteTransport, identity: DtlsIdentity, now: float
    ) -> None:
        phone = self.phone
        self._ports.secure(phone, None)
        components = (1,) if dtls.rtcp_mux else (1, 2)
        if dtls.ufrag:
            phone.uses_ice = True
            local = self._begin_ice(dtls, components, identity, now)
        else:
            places = (remote.rtp, remote.rtcp)
            phone.associations = [
                DtlsLeg(self.row, identity, dtls, _key(places[number - 1]), now)
                for number in components
            ]
            local = LocalTransport("", "", identity.fingerprint, ())
        self._dtls = (dtls, local)
        self._ports.flush(phone)

    def _begin_ice(
        self,
        dtls: RemoteTransport,
        components: tuple[int, ...],
        identity: DtlsIdentity,
        now: float,
    ) -> LocalTransport:
        """An endpoint for each of the leg's ports; both have the same credentials."""
        candidates = [
            line
            for number in components
            for line in host_candidates([(self._address, self._port + number - 1)], number)
        ]
        endpoints = [
            IceLiteEndpoint(identity, candidates, 1, secrets.token_bytes, now) for _ in components
        ]
        local = endpoints[0].add_leg(0, dtls, now)
        credentials = Credentials(local.ufrag, local.password)
        for number, endpoint in zip(components[1:], endpoints[1:], strict=True):
            endpoint.add_leg(0, dtls, now, credentials, number)
        self.phone.associations = endpoints
        return local

    def _moved(self) -> None:
        """Where its packets go, or with which keys, is another thing now."""
        target, remote, secure = self.phone.target, self._remote, self.phone.secure
        hears = self.is_admitted and remote is not None and remote.receives
        if not hears or remote is None or target is None or secure is None:
            self._engine.send_on(self.row, None)
            return
        events = remote.events
        sending = Sending(
            remote.codec.payload_type,
            self._ssrc,
            self.phone.sockets[0],
            target,
            secure.tx,
            events_type=events.payload_type if events is not None else -1,
            events_rate=events.clock_rate if events is not None else 8000,
        )
        self._engine.send_on(self.row, sending)

    def _describe(self, make: Callable[[Local], SessionDescription]) -> SessionDescription:
        """The version rises exactly when the description changes; RFC 3264, section 8."""
        local = Local(
            self._address,
            self._port,
            self._session_id,
            self._version,
            self._crypto[1] if self._crypto else None,
            self._dtls[1] if self._dtls else None,
        )
        description = make(local)
        if str(description) != self._last_description and self._last_description:
            self._version += 1
            description = make(replace(local, version=self._version))
        self._last_description = str(description)
        return description


def _kind(remote: Remote) -> str:
    if remote.dtls is not None:
        return "DTLS-SRTP and ICE" if remote.dtls.ufrag else "DTLS-SRTP"
    return "SRTP" if remote.crypto is not None else "not encrypted"


def _key(endpoint: Endpoint) -> AddressKey | None:
    target = Latch(endpoint).target
    return None if target is None else key_of(*target)
