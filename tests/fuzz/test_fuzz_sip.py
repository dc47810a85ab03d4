"""Whatever bytes come: nothing raises, nothing piles up, and another call goes on untouched."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Reason
from sipbridge.flow import Flow
from sipbridge.framing import Framed, StreamFramer, Unframeable
from sipbridge.leg import called_by, caller_of, name_of
from sipbridge.message import MAX_BODY, MAX_HEAD
from sipbridge.useragent import Queried
from support.sip_lab import OFFER, TCP, UDP, Lab, message

STRANGER = Flow("UDP", "203.0.113.66", 5060)
METHODS = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "REGISTER", "X"]

snippets = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"\r\n ",
            b"\0",
            b'"',
            b"<",
            b">",
            b";",
            b",",
            b":",
            b"\\",
            b"\xff",
        ),
        *(
            b"\xff",
            b";tag=",
            b";lr",
            b"%00",
            b"Via: ",
            b"To: <sip:a@b>\r\n",
        ),
        *(b"Record-Route: <", b"Contact: *\r\n", b"CSeq: 99999999999 X\r\n", b"SIP/2.0"),
        *(b"tel:1", b"Content-Length: 99999\r\n"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request with a few bytes cut out, doubled or replaced."""
    data = message(
        draw(st.sampled_from(METHODS)),
        branch=draw(st.sampled_from(["z9hG4bKx", "z9hG4bKy", "old", ""])),
        call_id=draw(st.sampled_from(["fuzz-1", "fuzz-2"])),
        to_tag=draw(st.sampled_from(["", "00000200"])),
        number=draw(st.integers(0, 3)),
        body=draw(st.sampled_from(["", OFFER])),
    )
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 12))
        data = data[:at] + draw(snippets | st.binary(max_size=8)) + data[at + cut :]
    return data


def other_call_still_works(lab: Lab, call: str, tag: str) -> bool:
    """The bystander holds, gets its answer, and hangs up."""
    lab.sent()
    lab.events()
    lab.receive(message(body="hold", to_tag=tag, number=7, branch="z9hG4bKhold"), UDP)
    (event,) = lab.events()
    return getattr(event, "call", "") == call


@given(st.lists(mutated() | st.binary(max_size=300), max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_stranger_touches_another_call(messages: list[bytes]) -> None:
    lab = Lab()
    call, tag = lab.established()
    for number, data in enumerate(messages):
        lab.receive(data, STRANGER)
        for event in lab.events():
            if isinstance(event, Queried):
                lab.agent.reply(event.query, None, lab.now)
                continue
            invite = getattr(event, "invite", None)
            if invite is None:
                continue
            # What the bridge reads of a stranger's INVITE must not raise either.
            called_by(invite), caller_of(invite)
            assert 1 <= len(name_of(invite.from_)) <= 64
            assert name_of(invite.from_).isprintable()
            if number % 2:
                lab.agent.answer(event.call, getattr(event, "number", 0), OFFER, lab.now)
        lab.drain()
        lab.advance(0.3)
    assert other_call_still_works(lab, call, tag)


@given(st.lists(mutated(), max_size=8))
@settings(max_examples=60, deadline=None)
def test_everything_that_strangers_open_ends(messages: list[bytes]) -> None:
    lab = Lab()
    for data in messages:
        lab.receive(data, STRANGER)
        for event in lab.events():
            if invite := getattr(event, "invite", None):
                lab.agent.answer(event.call, invite.cseq.sequence, OFFER, lab.now)  # type: ignore[union-attr]
        lab.drain()
    # 32 s for an ACK, 32 s for the answer to our BYE; a call that got its ACK is hung up.
    for call in list(lab.agent._calls):
        lab.agent.hang_up(call, Reason.NORMAL, "over", lab.now)
    lab.drain()
    lab.advance(150)
    assert lab.agent.inventory() == {"sip_dialogs": 0, "sip_transactions": 0}
    assert not lab.agent._originals
    assert not lab.agent._owner
    assert not lab.agent._unsettled
    assert lab.agent.next_timeout() is None


@given(st.lists(st.binary(max_size=200) | snippets | mutated(), max_size=20))
@settings(max_examples=150, deadline=None)
def test_a_stream_of_anything_frames_or_ends(pieces: list[bytes]) -> None:
    framer, lab = StreamFramer(), Lab(TCP)
    for piece in pieces:
        framer.receive_data(piece)
        for event in framer.events():
            match event:
                case Framed(data):
                    assert len(data) <= MAX_HEAD + 4 + MAX_BODY
                    lab.receive(data)
                case Unframeable(head, code, text):
                    lab.agent.receive_unframeable(head, code, text, TCP)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_stream_is_framed_alike_however_it_is_cut(data: st.DataObject) -> None:
    stream = message(body=OFFER) + b"\r\n\r\n" + message("BYE") + message("OPTIONS", body="x")
    whole, cut = StreamFramer(), StreamFramer()
    whole.receive_data(stream)
    while stream:
        at = data.draw(st.integers(1, len(stream)))
        cut.receive_data(stream[:at])
        stream = stream[at:]
    assert cut.events() == whole.events()
