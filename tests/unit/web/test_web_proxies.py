"""Who is behind a reverse proxy."""

from ipaddress import ip_network

import pytest

from gateway.web.proxies import client_address

PROXIES = [ip_network("192.0.2.0/28"), ip_network("2001:db8:1::/64"), ip_network("127.0.0.1/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        # Through two of ours.
        ("127.0.0.1", "198.51.100.7, 192.0.2.3", "198.51.100.7"),
        # What the client wrote itself counts for nothing.
        ("127.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("2001:db8:1::5", "2001:db8:2::9", "2001:db8:2::9"),
        ("::ffff:192.0.2.3", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8:2::9]:4711", "2001:db8:2::9"),
        ("127.0.0.1", "unknown", "unknown"),
        ("127.0.0.1", "198.51.100.7, ", ""),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy_of_ours(
    peer: str, forwarded: str, client: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_nobody_is_believed_without_proxies() -> None:
    assert client_address("127.0.0.1", "198.51.100.7", []) == "127.0.0.1"
