"""RFC 3261, section 18.3, RFC 5626, section 4.4.1: messages in a byte stream."""

import pytest

from sipbridge.framing import Framed, Ping, StreamFramer, Unframeable
from sipbridge.message import MAX_BODY, MAX_HEAD

ONE = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
TWO = b"BYE sip:a@b SIP/2.0\r\nl : 0\r\n\r\n"


def frame(*pieces: bytes) -> list[Framed | Ping | Unframeable]:
    framer = StreamFramer()
    for piece in pieces:
        framer.receive_data(piece)
    return framer.events()


def test_a_message_may_come_byte_by_byte() -> None:
    assert frame(*(bytes([byte]) for byte in ONE)) == [Framed(ONE)]


def test_several_messages_may_come_at_once() -> None:
    assert frame(ONE + TWO + ONE) == [Framed(ONE), Framed(TWO), Framed(ONE)]


def test_a_double_crlf_between_messages_is_a_ping() -> None:
    assert frame(b"\r\n\r\n", ONE, b"\r\n", b"\r\n", TWO) == [
        Ping(), Framed(ONE), Ping(), Framed(TWO)]  # fmt: skip


def test_single_line_ends_between_messages_are_read_over() -> None:
    assert frame(b"\r\n", ONE, b"\n\n\n\n", TWO) == [Framed(ONE), Framed(TWO)]


def test_a_body_that_looks_like_messages_is_a_body() -> None:
    body = b"\r\n\r\n" + TWO
    whole = b"X sip:a@b SIP/2.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert frame(whole[:40], whole[40:]) == [Framed(whole)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"BYE sip:a@b SIP/2.0\r\n\r\n", 400),
        (b"BYE sip:a@b SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n", 400),
        (b"BYE sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n", 400),
        (b"BYE sip:a@b SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 513),
        (b"BYE sip:a@b SIP/2.0\r\nX: " + b"x" * MAX_HEAD, 513),
    ],
)
def test_after_a_message_without_a_clear_end_nothing_more_is_read(data: bytes, code: int) -> None:
    (event,) = frame(data, ONE)
    assert isinstance(event, Unframeable)
    assert event.code == code


def test_a_framer_tells_whether_a_message_has_begun() -> None:
    framer = StreamFramer()
    framer.receive_data(ONE + b"\r\n")
    assert not framer.incomplete
    framer.receive_data(b"BYE")
    assert framer.incomplete
