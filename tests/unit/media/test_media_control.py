"""Every message comes out of the socket as it went in, however the socket cuts it."""

from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.control import (
    MAX_MESSAGE,
    AnswerLeg,
    CloseLeg,
    Message,
    Reader,
    Ready,
    frame,
)
from gateway.ports import Offer, ParticipantId, RoomName

KINDS: tuple[type, ...] = get_args(Message)


@pytest.fixture(autouse=True, scope="module")
def values() -> Iterator[None]:
    """What annotations alone do not say: JSON has no NaN, and ranges count by one."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    ranges = st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)).map(lambda two: range(*two))
    for kind, strategy in ((float, finite), (range, ranges)):
        st.register_type_strategy(kind, strategy)
    yield
    st.register_type_strategy(float, st.floats())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_what_is_read_is_what_was_written(kind: type, data: st.DataObject) -> None:
    message = data.draw(st.from_type(kind))
    wire = frame(message)
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=4))
    edges = [0, *sorted(cuts), len(wire)]
    reader = Reader()
    read = [
        one for i in range(len(edges) - 1) for one in reader.feed(wire[edges[i] : edges[i + 1]])
    ]
    assert read == [message]


def test_many_messages_in_one_piece_keep_their_order() -> None:
    messages = [CloseLeg(ParticipantId(f"sip-{number}")) for number in range(50)]
    wire = b"".join(map(frame, messages))
    reader = Reader()
    assert list(reader.feed(wire[:-1])) == messages[:-1]
    assert list(reader.feed(wire[-1:])) == messages[-1:]


def test_what_strangers_put_into_an_offer_passes_unchanged() -> None:
    # A surrogate stands for an octet that was no UTF-8; the rest would end a line or a string.
    odd = 'v=0\r\n\x00"\\\udcff\u2028{"": "map"}'
    asked = AnswerLeg(1, RoomName("demo"), ParticipantId("sip-1"), Offer(odd))
    assert list(Reader().feed(frame(asked))) == [asked]


def test_a_message_that_is_too_long_is_a_bug_of_the_sender() -> None:
    with pytest.raises(ValueError, match="octets"):
        frame(Ready("x" * MAX_MESSAGE))


def test_a_length_that_cannot_be_is_not_waited_for() -> None:
    with pytest.raises(AssertionError, match="octets"):
        list(Reader().feed((MAX_MESSAGE + 1).to_bytes(4, "big")))


@pytest.mark.parametrize("text", [b"{}", b'{"":"Nobody"}', b"nonsense", b"[]", b'{"":"Offer"}'])
def test_what_is_no_message_is_an_error(text: bytes) -> None:
    with pytest.raises((KeyError, ValueError, TypeError, AssertionError)):
        list(Reader().feed(len(text).to_bytes(4, "big") + text))
