"""Where media goes, check by check; RFC 8445 from the lite side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media import stun
from gateway.media.ice import (
    MAX_ADDRESSES,
    STALE,
    Credentials,
    IceLite,
    candidate_address,
    host_candidates,
)
from gateway.media.stun import Attribute, Message
from gateway.media.transport import AddressKey, address_of, key_of

LOCAL = Credentials("ours", "our password")


def address(number: int) -> AddressKey:
    return key_of("198.51.100.1", 1000 + number)


def request(
    *, priority: int = 1, nominates: bool = False, username: str = "ours:peer", **more: bytes
) -> Message:
    attributes: list[tuple[int, bytes]] = [
        (Attribute.USERNAME, username.encode()),
        (Attribute.PRIORITY, priority.to_bytes(4, "big")),
        *((Attribute[name], value) for name, value in more.items()),
    ]
    if nominates:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    return Message.parse(
        stun.serialize(stun.BINDING, bytes(12), attributes, LOCAL.password.encode())
    )


@pytest.fixture
def ice() -> IceLite:
    return IceLite(LOCAL, "peer")


def test_a_proper_check_is_not_refused(ice: IceLite) -> None:
    assert ice.refusal(request(ICE_CONTROLLING=bytes(8))) is None


@pytest.mark.parametrize("username", ["peer:ours", "ours:other", "ours", "ours:", "ours:peer:more"])
def test_a_check_of_somebody_else_is_refused(ice: IceLite, username: str) -> None:
    refusal = ice.refusal(request(username=username))
    assert refusal is not None
    assert (refusal.code, refusal.authenticated) == (401, False)


def test_a_check_with_another_password_is_refused(ice: IceLite) -> None:
    attributes: list[tuple[int, bytes]] = [(Attribute.USERNAME, b"ours:peer")]
    for key, code in ((b"another", 401), (b"", 400)):
        message = Message.parse(stun.serialize(stun.BINDING, bytes(12), attributes, key))
        refusal = ice.refusal(message)
        assert refusal is not None
        assert refusal.code == code


def test_a_peer_that_wants_to_be_led_has_to_change_its_role(ice: IceLite) -> None:
    for tie_breaker in (bytes(8), b"\xff" * 8):
        refusal = ice.refusal(request(ICE_CONTROLLED=tie_breaker))
        assert refusal is not None
        assert (refusal.code, refusal.authenticated) == (487, True)


def test_media_goes_to_the_first_address_until_one_is_nominated(ice: IceLite) -> None:
    ice.check(request(), address(1), 0.0)
    ice.check(request(priority=9), address(2), 0.1)
    assert ice.address == address(1)
    ice.check(request(nominates=True), address(2), 0.2)
    assert ice.address == address(2)


def test_of_many_nominations_the_highest_priority_counts(ice: IceLite) -> None:
    """Firefox."""
    for number, priority in enumerate((5, 9, 7)):
        ice.check(request(priority=priority, nominates=True), address(number), 0.1 * number)
    assert ice.address == address(1)


def test_a_peer_moves_by_nominating_another(ice: IceLite) -> None:
    """Chromium: the old path is still checked, without USE-CANDIDATE."""
    ice.check(request(priority=9, nominates=True), address(1), 0.0)
    ice.check(request(priority=1, nominates=True), address(2), 1.0)
    assert ice.address == address(1), "which one is meant is not known yet"
    ice.check(request(priority=9), address(1), 1.1)
    assert ice.address == address(2)


def test_a_path_that_is_checked_no_more_is_left(ice: IceLite) -> None:
    ice.check(request(priority=9, nominates=True), address(1), 0.0)
    ice.check(request(priority=1, nominates=True), address(2), STALE - 1)
    assert ice.address == address(1)
    ice.check(request(priority=1, nominates=True), address(2), STALE + 1)
    assert ice.address == address(2)


def test_a_peer_can_prove_so_many_addresses_and_no_more(ice: IceLite) -> None:
    ice.check(request(nominates=True), address(0), 0.0)
    dropped = [ice.check(request(), address(n), float(n)) for n in range(1, MAX_ADDRESSES + 2)]
    assert dropped == [None] * (MAX_ADDRESSES - 1) + [address(1), address(2)]
    assert len(list(ice.addresses)) == MAX_ADDRESSES
    assert address(0) in ice.addresses, "the one in use was dropped"


def test_an_address_that_is_anothers_now_is_forgotten(ice: IceLite) -> None:
    ice.check(request(nominates=True), address(1), 0.0)
    ice.check(request(), address(2), 0.0)
    ice.forget(address(1))
    assert ice.address == address(2)
    ice.forget(address(2))
    assert ice.address is None


def test_credentials_are_as_long_as_they_have_to_be() -> None:
    made = Credentials.of(bytes(range(20)))
    assert len(made.ufrag) >= 4
    assert len(made.password) >= 22


def test_candidates_are_written_in_order_of_preference() -> None:
    first, second = host_candidates([("192.0.2.1", 4000), ("2001:db8::1", 4000)])
    assert first == "1 1 udp 2130706431 192.0.2.1 4000 typ host"
    assert second == "2 1 udp 2130706175 2001:db8::1 4000 typ host"
    (rtcp,) = host_candidates([("192.0.2.1", 4001)], component=2)
    assert rtcp == "1 2 udp 2130706430 192.0.2.1 4001 typ host"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 1 udp 1 192.0.2.7 7000 typ host", ("192.0.2.7", 7000)),
        ("1 1 UDP 1 2001:db8::7 7000 typ srflx raddr 0.0.0.0 rport 9", ("2001:db8::7", 7000)),
        ("1 2 udp 1 192.0.2.7 7000 typ host", None),
        ("1 1 tcp 1 192.0.2.7 9 typ host tcptype active", None),
        ("1 1 udp 1 0b1c.local 7000 typ host", None),
        ("1 1 udp 1 0.0.0.0 7000 typ host", None),
        ("1 1 udp 1 224.0.0.1 7000 typ host", None),
        ("1 1 udp 1 192.0.2.7 0 typ host", None),
        ("1 1 udp 1 192.0.2.7 70000 typ host", None),
        ("1 1 udp 1 192.0.2.7 port typ host", None),
        ("", None),
    ],
)
def test_only_what_can_be_sent_to_is_a_candidate(
    line: str, expected: tuple[str, int] | None
) -> None:
    found = candidate_address(line)
    assert (None if found is None else address_of(found)) == expected


@given(st.ip_addresses(), st.integers(0, 65_535))
def test_an_address_key_is_an_address(host: object, port: int) -> None:
    assert address_of(key_of(str(host), port)) == (str(host), port) or "::" in str(host)
    assert key_of(*address_of(key_of(str(host), port))) == key_of(str(host), port)


@pytest.mark.parametrize("host", ["", "name.example", "300.0.0.1", "fe80::1%eth0"])
def test_a_name_is_no_address_key(host: str) -> None:
    with pytest.raises(ValueError, match="numeric"):
        key_of(host, 1)
