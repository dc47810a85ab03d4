"""RFC 3261, sections 8.2, 11 and 18.2, RFC 3581: what every request meets before its meaning."""

import pytest

from sipbridge.call import Offered
from sipbridge.flow import Flow
from sipbridge.status import Refusal
from sipbridge.useragent import Queried
from support.sip_lab import OFFER, UDP, Lab, message


class TestMethods:
    """Section 8.2.1."""

    @pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "REFER", "MESSAGE", "UPDATE"])
    def test_what_we_know_and_do_not_serve_gets_405(self, method: str) -> None:
        lab = Lab()
        lab.receive(message(method))
        response = lab.response()
        assert response.code == 405
        assert "INVITE" in response.get("Allow")

    def test_what_nobody_knows_gets_501(self) -> None:
        lab = Lab()
        lab.receive(message("NEWMETHOD"))
        assert lab.codes() == [501]

    @pytest.mark.parametrize("method", ["BYE", "INFO"])
    def test_what_needs_a_call_gets_481_without_one(self, method: str) -> None:
        lab = Lab()
        lab.receive(message(method))
        assert lab.codes() == [481]

    def test_an_invite_for_a_call_that_is_gone_gets_481(self) -> None:
        lab = Lab()
        lab.receive(message(to_tag="gone", body=OFFER))
        assert lab.codes() == [481]


class TestHeaders:
    """Sections 8.2.2 and 8.1.1."""

    def test_an_unknown_scheme_gets_416(self) -> None:
        lab = Lab()
        lab.receive(message(uri="nobodyKnowsThisScheme:totallyopaquecontent"))
        assert lab.codes() == [416]

    def test_a_required_extension_gets_420(self) -> None:
        lab = Lab()
        lab.receive(message(extra="Require: timer, 100rel", body=OFFER))
        response = lab.response()
        assert response.code == 420
        assert response.values("Unsupported") == ["timer", "100rel"]

    def test_the_same_request_by_two_paths_gets_482(self) -> None:
        lab = Lab()
        lab.offered()
        lab.receive(message(branch="z9hG4bKother", body=OFFER))
        assert lab.codes() == [482]
        assert lab.agent.calls == 1

    @pytest.mark.parametrize(
        ("old", "new", "phrase"),
        [
            (b"Call-ID: call-1\r\n", b"Call-ID: a\r\nCall-ID: b\r\n", "More than one Call-ID"),
            (b"CSeq: 1 INVITE", b"CSeq: 1 BYE", "CSeq names another method"),
            (b"CSeq: 1 INVITE", b"CSeq: 2147483648 INVITE", "CSeq is too large"),
            (b"CSeq: 1 INVITE", b"CSeq: one INVITE", "CSeq cannot be read"),
            (b"Max-Forwards: 70", b"Max-Forwards: 300", "Max-Forwards is no number below 256"),
            (b"Content-Length: 0", b"Content-Length: -9", "Content-Length is no number"),
            (b"Content-Length: 0", b"Content-Length: 9", "Content-Length is larger than"),
            (b"From: ", b'From: "unbalanced ', "From cannot be read"),
            (b"Contact: <sip:alice@192.0.2.1:5070>", b"Contact: *", "Contact cannot be read"),
            (b"Contact: <sip:alice@192.0.2.1:5070>\r\n", b"", "No Contact"),
            (b"Max-Forwards: 70", b"no header at all", "Header line no header at all has no"),
            (b"INVITE sip:demo@gateway1 ", b"INVITE <sip:demo@gateway1> ", "Request-URI cannot"),
            (b"INVITE sip:demo@gateway1 ", b"INVITE sip:demo@gateway1; lr ", "Request-URI cannot"),
            (b"INVITE sip:demo@gateway1 ", b"INVITE  sip:demo@gateway1  ", "Request-URI cannot"),
        ],
    )
    def test_a_bad_request_is_told_what_is_bad(self, old: bytes, new: bytes, phrase: str) -> None:
        lab = Lab()
        good = message()
        assert old in good
        lab.receive(good.replace(old, new))
        response = lab.response()
        assert response.code == 400
        assert response.phrase.startswith(phrase)
        assert lab.agent.inventory()["sip_transactions"] == 0

    def test_another_version_gets_505(self) -> None:
        lab = Lab()
        lab.receive(message().replace(b"gateway1 SIP/2.0", b"gateway1 SIP/7.0"))
        assert lab.codes() == [505]

    @pytest.mark.parametrize("name", [b"Via", b"From", b"To", b"Call-ID", b"CSeq"])
    def test_without_the_fields_of_an_answer_there_is_none(self, name: bytes) -> None:
        lab = Lab()
        lab.receive(message().replace(name + b":", b"X-" + name + b":"))
        assert lab.sent() == []
        assert lab.agent.dropped == 1

    def test_nobody_answers_a_bad_ack(self) -> None:
        lab = Lab()
        lab.receive(message("ACK", to_tag="x").replace(b"Max-Forwards: 70", b"nonsense"))
        assert lab.sent() == []

    def test_the_last_hop_may_be_us(self) -> None:
        """RFC 4475, "zeromf": an endpoint takes a request with Max-Forwards 0."""
        lab = Lab()
        lab.receive(message(body=OFFER).replace(b"Max-Forwards: 70", b"Max-Forwards: 0"))
        assert len(lab.events()) == 1


class TestBodies:
    """Section 8.2.3 and RFC 5621."""

    def test_an_unknown_type_gets_415_and_what_we_take(self) -> None:
        lab = Lab()
        lab.receive(message(body="x", extra="Content-Type: application/isup"))
        response = lab.response()
        assert response.code == 415
        assert "application/sdp" in response.values("Accept")

    def test_a_packed_body_gets_415(self) -> None:
        lab = Lab()
        lab.receive(message(body="x", extra="Content-Encoding: gzip"))
        response = lab.response()
        assert (response.code, response.get("Accept-Encoding")) == (415, "identity")

    def test_an_optional_body_is_read_over(self) -> None:
        lab = Lab()
        extra = "Content-Type: image/png\r\nContent-Disposition: icon;handling=optional"
        lab.receive(message(body="x", extra=extra))
        (event,) = lab.events()
        assert isinstance(event, Offered)
        assert event.sdp is None

    def test_sdp_is_found_among_several_parts(self) -> None:
        lab = Lab()
        body = (
            "--b1\r\nContent-Type: application/pidf+xml\r\n\r\n<x/>\r\n"
            f"--b1\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n--b1--\r\n"
        )
        lab.receive(message(body=body, extra='Content-Type: multipart/mixed;boundary="b1"'))
        (event,) = lab.events()
        assert isinstance(event, Offered)
        assert event.sdp == OFFER

    def test_key_presses_by_info_are_not_taken(self) -> None:
        lab = Lab()
        _, tag = lab.established()
        extra = "Content-Type: application/dtmf-relay"
        info = {"to_tag": tag, "number": 2}
        lab.receive(message("INFO", branch="z9hG4bK2", body="Signal=1", extra=extra, **info))  # type: ignore[arg-type]
        lab.receive(message("INFO", branch="z9hG4bK3", **info))  # type: ignore[arg-type]
        assert lab.codes() == [415, 200]
        assert lab.agent.calls == 1


class TestOptions:
    """Section 11.2."""

    def test_the_conference_is_asked_and_the_answer_names_what_we_can(self) -> None:
        lab = Lab()
        lab.receive(message("OPTIONS"))
        (query,) = lab.events()
        assert isinstance(query, Queried)
        lab.agent.reply(query.query, None, lab.now)
        lab.drain()
        response = lab.response()
        assert response.code == 200
        assert "INVITE" in response.get("Allow")
        assert "application/sdp" in response.get("Accept")
        assert response.to.tag

    def test_what_an_invite_would_not_get_options_does_not_either(self) -> None:
        lab = Lab()
        lab.receive(message("OPTIONS"))
        (query,) = lab.events()
        assert isinstance(query, Queried)
        lab.agent.reply(query.query, Refusal(404, "No"), lab.now)
        lab.drain()
        assert lab.codes() == [404]

    def test_within_a_call_they_keep_it_alive(self) -> None:
        lab = Lab()
        _, tag = lab.established()
        lab.receive(message("OPTIONS", to_tag=tag, number=2, branch="z9hG4bK2"))
        assert lab.codes() == [200]


class TestWhereAnswersGo:
    """Section 18.2 and RFC 3581."""

    def test_with_rport_back_to_the_source(self) -> None:
        lab = Lab(Flow("UDP", "198.51.100.9", 31000))
        lab.receive(message("BYE", via="10.0.0.1:5060"))
        via = lab.response().via
        assert (via.parameters["received"], via.parameters["rport"]) == ("198.51.100.9", "31000")
        assert lab.flows == [Flow("UDP", "198.51.100.9", 31000)]

    def test_without_it_to_the_port_of_the_via_at_the_source(self) -> None:
        lab = Lab(Flow("UDP", "198.51.100.9", 31000))
        lab.receive(message("BYE", via="10.0.0.1:5080", rport=""))
        via = lab.response().via
        assert via.parameters["received"] == "198.51.100.9"
        assert "rport" not in via.parameters
        assert lab.flows == [Flow("UDP", "198.51.100.9", 5080)]

    def test_what_the_peer_claims_to_have_been_received_from_is_taken_out(self) -> None:
        lab = Lab()
        lab.receive(message("BYE", via="10.0.0.1", rport=";received=203.0.113.1;rport=53"))
        response = lab.response()
        assert response.via.parameters["received"] == UDP.host
        assert "203.0.113.1" not in response.get("Via")
        assert lab.flows == [UDP]

    def test_on_a_stream_by_the_same_connection(self) -> None:
        flow = Flow("TCP", "198.51.100.9", 31000, 7)
        lab = Lab(flow)
        lab.receive(message("BYE", via="10.0.0.1:5080", rport="", protocol="TCP"))
        assert lab.flows == [flow]

    def test_an_ipv6_source_stands_there_without_brackets(self) -> None:
        lab = Lab(Flow("UDP", "2001:db8::7", 5070))
        lab.receive(message("BYE", via="[2001:db8::7]:5070", rport=""))
        assert "received" not in lab.response().via.parameters
        lab.receive(message("BYE", via="[2001:db8::8]:5070", rport=""))
        assert lab.response().via.parameters["received"] == "2001:db8::7"

    def test_hops_below_the_topmost_come_back_as_they_were(self) -> None:
        lab = Lab()
        below = b"SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa;received=10.9.9.9, SIP/2.0/TCP  b.example"
        first = message("BYE").replace(b";rport\r\n", b";rport , " + below + b"\r\n")
        lab.receive(first)
        values = lab.response().values("Via")
        assert values[1:] == [part.strip() for part in below.decode().split(",")]


class TestResponses:
    """Section 18.1.2: what answers nothing of ours is dropped."""

    def test_a_response_to_nothing_is_dropped(self) -> None:
        lab = Lab()
        lab.receive(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nCSeq: 1 BYE\r\n\r\n")
        lab.receive(b"SIP/2.0 200 OK\r\n\r\n")
        assert lab.sent() == []
        assert lab.agent.dropped == 2
