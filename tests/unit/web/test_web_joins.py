"""How often one address may join."""

import pytest

from gateway.web import joins as joins_module
from gateway.web.joins import Joins


def test_each_address_has_its_own_and_gets_it_back_with_time() -> None:
    joins = Joins(rate=2.0, burst=3.0)
    assert [joins.may("192.0.2.1", 0.0) for _ in range(4)] == [True, True, True, False]
    assert joins.may("192.0.2.2", 0.0)
    assert [joins.may("192.0.2.1", 0.5) for _ in range(2)] == [True, False]


def test_the_addresses_of_one_ipv6_network_are_one() -> None:
    joins = Joins(rate=1.0, burst=1.0)
    assert joins.may("2001:db8::1", 0.0)
    assert not joins.may("2001:db8::2:3", 0.0)
    assert joins.may("2001:db8:0:1::1", 0.0)
    assert joins.may("::ffff:192.0.2.1", 0.0)
    assert joins.may("::ffff:192.0.2.2", 0.0)
    assert joins.may("an unknown address", 0.0)


def test_no_more_addresses_are_remembered_than_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joins_module, "MAX_ADDRESSES", 2)
    joins = Joins(rate=1.0, burst=1.0)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert joins.may(address, 0.0)
    assert not joins.may("192.0.2.3", 0.0)
    assert joins.may("192.0.2.1", 0.0), "forgotten"
