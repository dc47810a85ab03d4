import base64
import hashlib
import hmac

from gateway.ports import ParticipantId
from gateway.web.ice_servers import IceServers

ANA = ParticipantId("web-1")
TURN = ("turn:turn.example.org?transport=udp", "turns:turn.example.org:443?transport=tcp")


def test_without_servers_there_are_none_to_tell() -> None:
    servers = IceServers()
    assert servers.for_participant(ANA, 0.0) == []
    assert servers.renew_after is None


def test_a_secret_makes_a_user_name_that_ends_and_its_password() -> None:
    servers = IceServers(turn=TURN, secret="logen", lifetime=3600)
    [turn] = servers.for_participant(ANA, 1_000_000.7)
    # draft-uberti-behave-turn-rest-00, section 2.2
    assert turn["username"] == "1003600:web-1"
    mac = hmac.new(b"logen", b"1003600:web-1", hashlib.sha1).digest()
    assert turn["credential"] == base64.b64encode(mac).decode()
    assert turn["urls"] == list(TURN)


def test_a_password_is_the_one_that_a_turn_server_makes_too() -> None:
    # echo -n 1700000000:web-1 | openssl dgst -sha1 -hmac north -binary | base64
    servers = IceServers(turn=TURN, secret="north", lifetime=60)
    [turn] = servers.for_participant(ANA, 1_699_999_940.0)
    assert turn["username"] == "1700000000:web-1"
    assert turn["credential"] == "zf12NefvTJC+GyuAeRBQT+FkrXA="


def test_nobody_has_the_password_of_another() -> None:
    servers = IceServers(turn=TURN, secret="logen")
    [ana] = servers.for_participant(ANA, 0.0)
    [ben] = servers.for_participant(ParticipantId("web-2"), 0.0)
    assert ana["credential"] != ben["credential"]


def test_new_ones_come_before_the_old_ones_end() -> None:
    servers = IceServers(turn=TURN, secret="logen", lifetime=100)
    assert servers.renew_after is not None
    assert 0 < servers.renew_after < 100


def test_one_name_for_all_stays_good() -> None:
    servers = IceServers(("stun:s.example",), TURN, username="trestle", password="hush")
    stun, turn = servers.for_participant(ANA, 0.0)
    assert stun == {"urls": ["stun:s.example"]}
    assert turn == {"urls": list(TURN), "username": "trestle", "credential": "hush"}
    assert servers.renew_after is None
    assert "hush" not in repr(servers)
