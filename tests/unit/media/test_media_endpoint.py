"""The endpoint and its peers, by an integer's clock and without sockets."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media import stun
from gateway.media.dtls import DtlsState
from gateway.media.endpoint import (
    CONNECT_TIMEOUT,
    CONSENT_TIMEOUT,
    PEER,
    STRANGERS,
    IceLiteEndpoint,
)
from gateway.media.ice import MAX_ADDRESSES, Credentials
from gateway.media.stun import Attribute, Message, MessageClass
from gateway.media.transport import AddressChanged, Connected, Failed, key_of
from support.ice_client import (
    CONTROLLED,
    CONTROLLING,
    IDENTITY,
    NOMINATION,
    IceClient,
    endpoint,
    priority,
)

STRANGER = key_of("203.0.113.66", 666)


def last_answer(client: IceClient) -> Message:
    """The last STUN packet that the client got."""
    message = Message.parse(client.received[-1])
    assert client.local is not None
    assert message.has_integrity(client.local.password.encode())
    return message


def error_code(message: Message) -> int:
    assert message.message_class is MessageClass.ERROR
    value = message.attributes[Attribute.ERROR_CODE]
    return value[2] * 100 + value[3]


# --- connecting --------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", ["passive", "active"])
def test_a_check_and_a_handshake_make_a_connection(setup: str) -> None:
    gateway, client = endpoint(), IceClient(setup=setup)
    connected = client.connect(gateway, 3)
    assert (connected.leg, connected.address) == (3, client.key)
    assert gateway.leg_of == {client.key: 3}
    assert client.dtls is not None
    assert client.dtls.secure is not None
    assert client.dtls.secure.tx is not None
    assert connected.secure.rx is not None
    report = bytes.fromhex("80c9000100000001")
    assert connected.secure.rx.unprotect_rtcp(client.dtls.secure.tx.protect_rtcp(report)) == report


@pytest.mark.parametrize(("host", "family"), [("198.51.100.7", 1), ("2001:db8::7", 2)])
def test_the_answer_to_a_check_tells_the_address_it_came_from(host: str, family: int) -> None:
    gateway, client = endpoint(), IceClient()
    client.key = key_of(host, 5000)
    connected = client.connect(gateway, 0)
    assert connected.address == client.key
    message = last_answer(client)
    assert message.message_class is MessageClass.SUCCESS
    mapped = message.attributes[Attribute.XOR_MAPPED_ADDRESS]
    assert mapped[1] == family
    assert int.from_bytes(mapped[2:4], "big") ^ 0x2112 == 5000


def test_a_peer_that_is_lite_too_is_reached_at_its_candidate() -> None:
    gateway, client = endpoint(), IceClient(is_lite=True)
    client.take(gateway.add_leg(0, client.remote, 0.0))
    assert client.dtls is not None
    client.dtls.connect()
    (event,) = client.exchange(gateway, 0.0)
    assert isinstance(event, Connected)


def test_two_components_have_one_password_and_two_associations() -> None:
    rtp, rtcp, client = endpoint(), endpoint(), IceClient()
    local = rtp.add_leg(0, client.remote, 0.0)
    credentials = Credentials(local.ufrag, local.password)
    second = rtcp.add_leg(0, client.remote, 0.0, credentials, component=2)
    assert (second.ufrag, second.password) == (local.ufrag, local.password)
    for gateway, port in ((rtp, 5000), (rtcp, 5001)):
        client.key = key_of("198.51.100.7", port)
        client.take(local)
        gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 0.0)
        assert client.dtls is not None
        client.dtls.connect()
        (event,) = client.exchange(gateway, 0.0)
        assert isinstance(event, Connected)
        assert event.address == client.key


def test_many_legs_share_the_port() -> None:
    gateway = endpoint()
    clients = [IceClient(5000 + number) for number in range(8)]
    for leg, client in enumerate(clients):
        client.connect(gateway, leg)
    assert gateway.leg_of == {client.key: leg for leg, client in enumerate(clients)}
    assert len(gateway) == 8


def test_media_moves_with_the_nomination() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    moved = key_of("198.51.100.8", 6000)
    gateway.receive(client.check(CONTROLLING, priority(1)), client.key, 1.0)
    gateway.receive(client.check(CONTROLLING, NOMINATION, priority(1)), moved, 1.0)
    assert gateway.events() == [AddressChanged(0, moved)]
    assert gateway.leg_of == {client.key: 0, moved: 0}


# --- the end -----------------------------------------------------------------------------------


def test_a_leg_that_is_removed_says_goodbye_and_leaves_nothing() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    gateway.remove_leg(0)
    gateway.remove_leg(0)
    assert client.exchange(gateway, 1.0) == []
    assert client.dtls is not None
    assert client.dtls.state is DtlsState.CLOSED
    assert (len(gateway), gateway.leg_of) == (0, {})
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 2.0)
    assert error_code(Message.parse(gateway.datagrams_to_send()[0][0])) == 401
    assert gateway.leg_of == {}
    gateway.handle_timeout(1000.0)
    assert gateway.next_timeout() is None
    client.connect(gateway, 0, 1000.0)


def test_legs_that_come_and_go_leave_no_deadlines() -> None:
    gateway, client = endpoint(), IceClient()
    for call in range(50):
        now = float(call)
        client.connect(gateway, 0, now)
        gateway.handle_timeout(now + 0.5)
        gateway.remove_leg(0)
    client.connect(gateway, 0, 50.0)
    for now in range(51, 300):
        gateway.heard([0], float(now))
        gateway.handle_timeout(float(now))
    assert len(gateway._deadlines) == 1
    assert gateway.events() == []


def test_the_oldest_of_too_many_addresses_is_known_no_more() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    for number in range(MAX_ADDRESSES):
        source = key_of("203.0.113.7", 1000 + number)
        gateway.receive(client.check(CONTROLLING), source, 1.0 + number)
    assert len(gateway.leg_of) == MAX_ADDRESSES
    assert client.key in gateway.leg_of
    assert key_of("203.0.113.7", 1000) not in gateway.leg_of


def test_two_legs_never_have_the_same_ufrag() -> None:
    made = iter([bytes(20), bytes(20), bytes(19) + b"\1", b"\1" * 20])
    gateway = IceLiteEndpoint(IDENTITY, (), 2, lambda _: next(made), 0.0)
    first = gateway.add_leg(0, IceClient().remote, 0.0)
    second = gateway.add_leg(1, IceClient().remote, 0.0)
    assert (first.ufrag, second.ufrag) == ("00000000", "01010101")


def test_a_peer_that_says_goodbye_has_left() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    assert client.dtls is not None
    client.dtls.close()
    (event,) = client.exchange(gateway, 1.0)
    assert event == Failed(0, "the peer closed the connection")


def test_who_never_comes_has_failed() -> None:
    gateway, client = endpoint(), IceClient()
    client.take(gateway.add_leg(0, client.remote, 0.0))
    assert gateway.next_timeout() == CONNECT_TIMEOUT
    gateway.handle_timeout(CONNECT_TIMEOUT - 0.1)
    assert gateway.events() == []
    gateway.handle_timeout(CONNECT_TIMEOUT)
    (event,) = gateway.events()
    assert isinstance(event, Failed)
    assert "ICE" in event.text
    assert gateway.next_timeout() is None


def test_who_makes_checks_and_no_handshake_has_failed() -> None:
    gateway, client = endpoint(), IceClient()
    client.take(gateway.add_leg(0, client.remote, 0.0))
    gateway.receive(client.check(CONTROLLING), client.key, 14.0)
    gateway.handle_timeout(CONNECT_TIMEOUT)
    (event,) = gateway.events()
    assert isinstance(event, Failed)
    assert "DTLS" in event.text


def silence_ends_at(gateway: IceLiteEndpoint) -> float:
    """Runs the clock until the leg fails."""
    while (now := gateway.next_timeout()) is not None:
        gateway.handle_timeout(now)
        if gateway.events():
            return now
    raise AssertionError("nothing ever ends")


def test_consent_ends_half_a_minute_after_the_last_check() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 7.0)
    assert silence_ends_at(gateway) == 7.0 + CONSENT_TIMEOUT


def test_media_that_opens_is_consent_too() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    gateway.heard(np.array([0]), 11.0)
    gateway.heard([], 12.0)
    assert silence_ends_at(gateway) == 11.0 + CONSENT_TIMEOUT


def test_forged_packets_are_no_consent() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    gateway.receive(client.check(password="guessed"), client.key, 20.0)
    gateway.receive(b"\x16\xfe\xfd" + bytes(40), client.key, 20.0)
    assert silence_ends_at(gateway) == CONSENT_TIMEOUT


def test_a_leg_that_has_failed_answers_no_more() -> None:
    gateway, client = endpoint(), IceClient()
    client.take(gateway.add_leg(0, client.remote, 0.0))
    gateway.handle_timeout(CONNECT_TIMEOUT)
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 16.0)
    ((data, _),) = gateway.datagrams_to_send()
    assert error_code(Message.parse(data)) == 401
    assert gateway.leg_of == {}


def test_a_leg_cannot_be_there_twice() -> None:
    gateway, client = endpoint(), IceClient()
    gateway.add_leg(0, client.remote, 0.0)
    with pytest.raises(ValueError, match="already"):
        gateway.add_leg(0, client.remote, 0.0)


# --- hostile -----------------------------------------------------------------------------------


def test_a_check_without_the_password_opens_nothing() -> None:
    gateway, client = endpoint(), IceClient()
    local = gateway.add_leg(0, client.remote, 0.0)
    client.take(local)
    forged = (
        client.check(CONTROLLING, NOMINATION, password="guessed"),
        client.check(CONTROLLING, NOMINATION, username="nobody:peer"),
        client.check(CONTROLLING, NOMINATION, username=f"{local.ufrag}:somebody"),
        client.check(CONTROLLING, NOMINATION, password=""),
    )
    for data in forged:
        gateway.receive(data, STRANGER, 0.0)
    codes = [error_code(Message.parse(data)) for data, _ in gateway.datagrams_to_send()]
    assert codes == [401, 401, 401, 400]
    assert gateway.leg_of == {}
    assert gateway.counters.unauthenticated == 4
    gateway.receive(b"\x16\xfe\xfd" + bytes(40), STRANGER, 0.0)
    assert gateway.counters.unknown_source == 1


def test_a_stranger_gets_no_answer_that_is_longer_than_the_question() -> None:
    gateway, client = endpoint(), IceClient()
    local = gateway.add_leg(0, client.remote, 0.0)
    client.take(local)
    name = f"{local.ufrag}:{client.credentials.ufrag}".encode()
    questions = (
        client.check(CONTROLLING, priority(1), password="guessed"),
        stun.serialize(stun.BINDING, bytes(12), [], b""),
        stun.serialize(stun.BINDING, bytes(12), [], b"")[:2]
        + bytes(2)
        + b"\x21\x12\xa4\x42"
        + bytes(12),
        stun.serialize(stun.BINDING, bytes(12), [(Attribute.USERNAME, b"a")], b""),
        stun.serialize(stun.BINDING, bytes(12), [(Attribute.USERNAME, name)], b""),
        stun.serialize(stun.BINDING, bytes(12), [(Attribute.USERNAME, name)], b"guessed"),
    )
    answers = []
    for data in questions:
        gateway.receive(data, STRANGER, 0.0)
        answers.append([len(answer) for answer, _ in gateway.datagrams_to_send()])
        assert sum(answers[-1]) <= len(data)
    assert len(answers[0]) == 1, "who can be told is told"
    assert gateway.counters.unauthenticated == len(questions)


def test_a_role_conflict_is_answered_and_settled_by_the_peer() -> None:
    gateway, client = endpoint(), IceClient()
    client.take(gateway.add_leg(0, client.remote, 0.0))
    gateway.receive(client.check(CONTROLLED), client.key, 0.0)
    ((data, _),) = gateway.datagrams_to_send()
    message = Message.parse(data)
    assert error_code(message) == 487
    assert client.local is not None
    assert message.has_integrity(client.local.password.encode())
    assert gateway.leg_of == {}
    assert gateway.counters.unauthenticated == 0


def test_an_attribute_that_has_to_be_understood_is_named() -> None:
    gateway, client = endpoint(), IceClient()
    client.take(gateway.add_leg(0, client.remote, 0.0))
    gateway.receive(client.check((0x7001, b"what")), client.key, 0.0)
    ((data, _),) = gateway.datagrams_to_send()
    assert error_code(Message.parse(data)) == 420


def test_a_certificate_that_was_not_announced_ends_the_leg() -> None:
    gateway, client = endpoint(), IceClient()
    client.remote = replace(client.remote, fingerprints=(("sha-256", "AB:CD"),))
    client.take(gateway.add_leg(0, client.remote, 0.0))
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 0.0)
    assert client.dtls is not None
    client.dtls.connect()
    (event,) = client.exchange(gateway, 0.0)
    assert isinstance(event, Failed)
    assert "fingerprint" in event.text


def test_a_living_legs_address_cannot_be_taken_over() -> None:
    gateway, client, thief = endpoint(), IceClient(5000), IceClient(5001)
    client.connect(gateway, 0)
    thief.connect(gateway, 1)
    gateway.receive(thief.check(CONTROLLING, NOMINATION, priority(9)), client.key, 1.0)
    assert gateway.leg_of[client.key] == 0
    assert gateway.counters.stolen == 1
    assert gateway.datagrams_to_send() == []


def test_an_address_that_came_round_again_belongs_to_the_new_leg() -> None:
    """A browser crashed, and the next one got its port from the NAT."""
    gateway, client, heir = endpoint(), IceClient(5000), IceClient(5001)
    client.connect(gateway, 0)
    heir.take(gateway.add_leg(1, heir.remote, 20.0))
    gateway.receive(heir.check(CONTROLLING, NOMINATION), client.key, 20.0)
    assert gateway.leg_of == {client.key: 1}
    gateway.datagrams_to_send()
    gateway.remove_leg(0)
    assert gateway.leg_of == {client.key: 1}
    assert gateway.datagrams_to_send() == [], "the heir got somebody else's goodbye"


def test_strangers_get_so_many_answers_and_a_known_peer_still_gets_its_own() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    forged = client.check(CONTROLLING, password="guessed")
    for number in range(5000):
        gateway.receive(forged, key_of("203.0.113.1", number), 1.0)
    answers = gateway.datagrams_to_send()
    assert len(answers) == int(STRANGERS[1])
    assert gateway.counters.limited == 5000 - int(STRANGERS[1])
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 1.0)
    assert client.exchange(gateway, 1.0) == []
    assert last_answer(client).message_class is MessageClass.SUCCESS
    assert len(gateway.leg_of) == 1


def test_a_peer_gets_so_many_answers() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    check = client.check(CONTROLLING, NOMINATION)
    for _ in range(1000):
        gateway.receive(check, client.key, 100.0)
    assert len(gateway.datagrams_to_send()) == int(PEER[1])
    assert gateway.counters.limited == 1000 - int(PEER[1])


def test_a_flood_of_dtls_does_not_cost_a_peer_its_consent() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    for _ in range(1000):
        gateway.receive(b"\x17\xfe\xfd" + bytes(40), client.key, 100.0)
    assert gateway.counters.limited == 1000 - int(PEER[1])
    gateway.receive(client.check(CONTROLLING, NOMINATION), client.key, 100.0)
    assert client.exchange(gateway, 100.0) == []
    assert last_answer(client).message_class is MessageClass.SUCCESS


def test_keepalives_and_answers_are_read_over() -> None:
    gateway, client = endpoint(), IceClient()
    client.connect(gateway, 0)
    indication = stun.serialize(stun.BINDING | MessageClass.INDICATION, bytes(12), [], b"")
    for data in (indication, client.received[-1]):
        gateway.receive(data, client.key, 1.0)
    assert gateway.datagrams_to_send() == []
    assert gateway.counters.unexpected == 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans(), st.sampled_from([b"", b"\x00\x01", b"\x16\xfe\xfd"]))
def test_no_datagram_does_harm(data: bytes, is_known: bool, head: bytes) -> None:
    gateway = _connected_gateway()
    source = next(iter(gateway.leg_of)) if is_known else STRANGER
    gateway.receive(head + data, source, 0.0)
    gateway.datagrams_to_send()
    assert gateway.events() == []
    assert len(gateway.leg_of) == 1


def _connected_gateway() -> IceLiteEndpoint:
    gateway = endpoint()
    IceClient().connect(gateway, 0)
    return gateway


def test_a_leg_costs_little_memory() -> None:
    """The goal for everything of a WebRTC leg is 150 kB."""
    gateway = endpoint(capacity=1000)
    clients = [IceClient(5000 + number) for number in range(120)]

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    for leg in range(20):
        clients[leg].connect(gateway, leg)
        clients[leg].dtls = None
    before = resident()
    for leg in range(20, 120):
        clients[leg].connect(gateway, leg)
        clients[leg].dtls = None
    assert (resident() - before) / 100 < 150_000
