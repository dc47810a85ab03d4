import pytest

from gateway.iceuri import stun_uri, turn_uri


class TestRfc7064:
    # The examples of RFC 7064, appendix A.
    @pytest.mark.parametrize(
        "uri",
        [
            "stun:example.org",
            "stuns:example.org",
            "stun:example.org:8000",
            "stun:192.0.2.1:3478",
            "STUN:[2001:db8::1]:3478",
        ],
    )
    def test_a_stun_uri_stays_as_it_is(self, uri: str) -> None:
        assert stun_uri(uri) == uri

    @pytest.mark.parametrize(
        "text",
        [
            "example.org:3478",
            "stun://example.org",
            "turn:example.org",
            "stun:example.org?transport=udp",
            "stun:example.org:",
            "stun:example.org:65536",
            "stun:example.org:0",
            "stun:[2001:db8:::1]",
            "stun:2001:db8::1",
            "stun:-example.org",
            "stun:user@example.org",
            "stun:example.org ",
            "stun:",
            "",
        ],
    )
    def test_what_is_none_is_refused_with_an_example(self, text: str) -> None:
        with pytest.raises(ValueError, match="expected a STUN server such as stun:"):
            stun_uri(text)


class TestRfc7065:
    # The examples of RFC 7065, appendix A.
    @pytest.mark.parametrize(
        "uri",
        [
            "turn:example.org",
            "turns:example.org",
            "turn:example.org:8000",
            "turn:example.org?transport=udp",
            "turn:example.org?transport=tcp",
            "turns:example.org:443?transport=tcp",
        ],
    )
    def test_a_turn_uri_stays_as_it_is(self, uri: str) -> None:
        assert turn_uri(uri) == uri

    @pytest.mark.parametrize(
        "text",
        ["stun:example.org", "turn:example.org?transport=sctp", "turn:example.org?", "turn:"],
    )
    def test_what_is_none_is_refused_with_an_example(self, text: str) -> None:
        with pytest.raises(ValueError, match="expected a TURN server such as turn:"):
            turn_uri(text)
