"""A phone's handshake on a port of its own, packets carried by hand."""

from dataclasses import replace

import pytest

from gateway.media.dtls import DtlsState
from gateway.media.dtls_leg import CONNECT_TIMEOUT, DtlsLeg
from gateway.media.transport import AddressChanged, Connected, Failed, TransportEvent, key_of
from support.ice_client import IDENTITY, IceClient

PHONE = key_of("192.0.2.9", 4000)
BEHIND_NAT = key_of("203.0.113.9", 61_234)


class DtlsPhone(IceClient):
    """One that makes no checks; its latch is the test."""

    def __init__(self, setup: str = "passive") -> None:
        super().__init__(setup=setup)
        self.remote = replace(self.remote, ufrag="", password="")
        self.where = PHONE

    def call(self, signalled: int | None = PHONE) -> DtlsLeg:
        leg = DtlsLeg(7, IDENTITY, self.remote, signalled, 0.0)
        self.dtls = self.association(IDENTITY.fingerprint)
        self.dtls.connect()
        return leg

    def talk(self, leg: DtlsLeg, now: float = 0.0) -> list[TransportEvent]:
        assert self.dtls is not None
        events: list[TransportEvent] = []
        while True:
            mine = list(self.dtls.datagrams_to_send())
            for data in mine:
                leg.receive(data, self.where, now)
            theirs = [data for data, to in leg.datagrams_to_send() if to == self.where]
            for data in theirs:
                self.dtls.receive(data)
            events += leg.events()
            if not mine and not theirs:
                return events


@pytest.mark.parametrize("setup", ["passive", "active"])
def test_a_handshake_makes_a_connection(setup: str) -> None:
    phone = DtlsPhone(setup)
    leg = phone.call()
    (connected,) = phone.talk(leg)
    assert isinstance(connected, Connected)
    assert (connected.leg, connected.address) == (7, PHONE)
    assert leg.next_timeout(0.0) is None


def test_a_phone_behind_a_nat_is_answered_where_it_is() -> None:
    phone = DtlsPhone()
    phone.where = BEHIND_NAT
    (connected,) = phone.talk(phone.call())
    assert isinstance(connected, Connected)
    assert connected.address == BEHIND_NAT


def test_we_begin_only_when_there_is_somewhere_to_send_to() -> None:
    phone = DtlsPhone("active")
    leg = phone.call(signalled=None)
    assert leg.datagrams_to_send() == []
    assert leg.next_timeout(0.0) == CONNECT_TIMEOUT
    leg.receive(b"\x16", BEHIND_NAT, 1.0)
    phone.where = BEHIND_NAT
    (connected,) = phone.talk(leg, 1.0)
    assert isinstance(connected, Connected)


def test_media_follows_a_phone_that_moves() -> None:
    phone = DtlsPhone()
    leg = phone.call()
    phone.talk(leg)
    leg.receive(b"\x17\xfe\xfd" + bytes(40), BEHIND_NAT, 1.0)
    assert leg.events() == [AddressChanged(7, BEHIND_NAT)]


def test_another_certificate_than_announced_ends_the_leg() -> None:
    phone = DtlsPhone()
    phone.remote = replace(phone.remote, fingerprints=(("sha-256", "AB:CD"),))
    leg = phone.call()
    (failed,) = phone.talk(leg)
    assert isinstance(failed, Failed)
    assert "fingerprint" in failed.text
    assert leg.next_timeout(0.0) is None


def test_a_phone_that_makes_no_handshake_has_failed() -> None:
    leg = DtlsPhone().call()
    leg.handle_timeout(CONNECT_TIMEOUT - 1)
    assert leg.events() == []
    leg.handle_timeout(CONNECT_TIMEOUT)
    leg.handle_timeout(CONNECT_TIMEOUT + 1)
    (failed,) = leg.events()
    assert isinstance(failed, Failed)


def test_both_sides_can_say_goodbye() -> None:
    phone = DtlsPhone()
    leg = phone.call()
    phone.talk(leg)
    leg.close()
    phone.talk(leg)
    assert phone.dtls is not None
    assert phone.dtls.state is DtlsState.CLOSED

    other = DtlsPhone()
    left = other.call()
    other.talk(left)
    assert other.dtls is not None
    other.dtls.close()
    assert other.talk(left) == [Failed(7, "the phone closed the connection")]


def test_more_than_a_handshake_needs_is_dropped() -> None:
    phone = DtlsPhone()
    leg = phone.call()
    for _ in range(1000):
        leg.receive(b"\x16\xfe\xfd" + bytes(40), PHONE, 0.0)
    assert phone.talk(leg) == [], "there was room for more"
    phone.dtls = phone.association(IDENTITY.fingerprint)
    phone.dtls.connect()
    (connected,) = phone.talk(leg, 10.0)
    assert isinstance(connected, Connected)
