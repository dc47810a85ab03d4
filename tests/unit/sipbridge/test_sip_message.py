"""RFC 3261, sections 7, 18.3, 19 and 20: text to values and back."""

import pytest

from sipbridge.headers import NameAddr, SipUri, Via, split_quoted
from sipbridge.message import MAX_HEAD, MAX_HEADERS, Malformed, Request, Response, parse, respond


def request(*lines: str, body: bytes = b"") -> Request:
    parsed = parse("\r\n".join(("OPTIONS sip:a@b SIP/2.0", *lines, "", "")).encode() + body)
    assert isinstance(parsed, Request)
    return parsed


class TestHead:
    """Section 7.3."""

    def test_names_are_known_in_any_case_and_short(self) -> None:
        message = request("i: 1", "cAlL-iD: 2", "m: <sip:x@y>")
        assert message.all("call-id") == ["1", "2"]
        assert message.get("Contact") == "<sip:x@y>"

    def test_folded_lines_are_one(self) -> None:
        assert request("Subject: a", "  b", "\tc").get("Subject") == "a b c"

    def test_a_fold_in_the_body_is_left_alone(self) -> None:
        assert request("Subject: a", body=b"x\r\n y").body == b"x\r\n y"

    def test_space_before_the_colon_is_allowed(self) -> None:
        assert request("To   : <sip:a@b>").to.uri == "sip:a@b"

    def test_an_empty_value_is_one(self) -> None:
        assert request("Supported:").values("Supported") == []

    def test_lists_stand_on_one_line_or_several(self) -> None:
        assert request("Require: a, b", "Require: c").values("Require") == ["a", "b", "c"]

    def test_bare_line_feeds_are_read(self) -> None:
        message = parse(b"BYE sip:a@b SIP/2.0\nCall-ID: 1\n\nbody")
        assert (message.call_id, message.body) == ("1", b"body")

    def test_a_lone_carriage_return_ends_no_line_even_when_it_is_copied(self) -> None:
        message = request("Call-ID: 1\rEvil: 2")
        assert b"\rEvil" not in bytes(respond(message, 200, "OK"))

    def test_bytes_that_are_no_text_are_copied_as_they_were(self) -> None:
        raw = b"BYE sip:a@b SIP/2.0\r\nFrom: \xff\xfe <sip:x@y>\r\n\r\n"
        assert b"From: \xff\xfe <sip:x@y>\r\n" in bytes(respond(_request(raw), 200, "OK"))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\r\n\r\n",
            b"\0\0\0\0",
            b"hello\r\n\r\n",
            b"INVITE sip:a@b SIP/2.0\r\n",
            b"INVITE sip:a@b\r\n\r\n",
            b"SIP/2.0 999 Odd\r\n\r\n",
            b"SIP/2.0 20 Odd\r\n\r\n",
            b"BYE sip:a@b SIP/2.0\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n",
            b"BYE sip:a@b SIP/2.0\r\n" + b"X: 1\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        ],
    )
    def test_what_is_no_message_is_malformed(self, data: bytes) -> None:
        with pytest.raises(Malformed):
            parse(data)

    def test_a_status_line_may_lack_its_phrase(self) -> None:
        message = parse(b"SIP/2.0 200 \r\n\r\n")
        assert isinstance(message, Response)
        assert (message.code, message.phrase) == (200, "")


class TestBody:
    """Section 18.3."""

    def test_content_length_cuts_a_datagram(self) -> None:
        assert request("l: 2", body=b"abcd").body == b"ab"

    def test_without_it_the_body_goes_to_the_end(self) -> None:
        assert request(body=b"abcd").body == b"abcd"

    def test_what_goes_out_counts_its_bytes(self) -> None:
        response = respond(request("Call-ID: 1"), 200, "OK", body="ü".encode())
        assert bytes(response).endswith(b"Content-Length: 2\r\n\r\n\xc3\xbc")


class TestNameAddr:
    """Section 20.10, 20.20."""

    @pytest.mark.parametrize(
        ("text", "name", "uri", "tag"),
        [
            ("<sip:a@b>", "", "sip:a@b", ""),
            ("sip:a@b;tag=1", "", "sip:a@b", "1"),
            ("Ann Lee <sip:a@b;x=1>;TAG=2", "Ann Lee", "sip:a@b;x=1", "2"),
            ('"A \\"B\\" <c>" <sip:a@b> ; tag = 3', 'A "B" <c>', "sip:a@b", "3"),
            ('"" <sip:a@b>', "", "sip:a@b", ""),
            ("Bell, Alexander <sip:a@b>;tag=43", "Bell, Alexander", "sip:a@b", "43"),
            ('"x" <sip:a@[2001:db8::1]>;p="a;tag=evil";tag=4', "x", "sip:a@[2001:db8::1]", "4"),
        ],
    )
    def test_forms_that_phones_use(self, text: str, name: str, uri: str, tag: str) -> None:
        parsed = NameAddr.parse(text)
        assert (parsed.name, parsed.uri, parsed.tag) == (name, uri, tag)

    @pytest.mark.parametrize("text", ["", ";tag=1", "<sip:a@b", '"a <sip:a@b>', '"a" sip:a@b'])
    def test_forms_that_nobody_can_read(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            NameAddr.parse(text)


class TestUri:
    """Section 19.1 and RFC 3966."""

    @pytest.mark.parametrize(
        ("text", "user", "host", "port"),
        [
            ("sip:demo@gateway1", "demo", "gateway1", None),
            ("SIPS:demo@Example.COM:5061", "demo", "example.com", 5061),
            ("sip:gateway", "", "gateway", None),
            ("sip:+49%2030:secret@[2001:db8::1]:5060;user=phone?x=y", "+49 30", "[2001:db8::1]",
             5060),
            ("tel:+49-30-1234;phone-context=x", "+49301234", "", None),
        ],
    )  # fmt: skip
    def test_parts(self, text: str, user: str, host: str, port: int | None) -> None:
        uri = SipUri.parse(text)
        assert (uri.user, uri.host, uri.port) == (user, host, port)

    @pytest.mark.parametrize("text", ["sip:", "sip:a b@c", "sip:a@b:99999", "http://a", "sip:a;="])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            SipUri.parse(text)


class TestVia:
    """Section 20.42."""

    def test_white_space_stands_anywhere(self) -> None:
        via = Via.parse("SIP  / 2.0 / tcp   Spindle1 : 5070 ; branch = z9hG4bK9ikj8 ; rport")
        assert (via.transport, via.sent_by) == ("TCP", "spindle1:5070")
        assert (via.branch, "rport" in via.parameters) == ("z9hG4bK9ikj8", True)

    def test_the_default_port_of_tls_is_5061(self) -> None:
        assert Via.parse("SIP/2.0/TLS a.example").sent_by == "a.example:5061"

    @pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "SIP/3.0/UDP a", "SIP/2.0/UDP a;;x"])
    def test_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            Via.parse(text)


def test_a_separator_in_quotes_or_brackets_separates_nothing() -> None:
    assert split_quoted('"a,\\"b" <c,d>, e', ",") == ['"a,\\"b" <c,d>', "e"]


def _request(data: bytes) -> Request:
    parsed = parse(data)
    assert isinstance(parsed, Request)
    return parsed
