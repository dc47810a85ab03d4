"""Whatever a browser sends: a checked message or a `ProtocolError`, and it can be written again."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from gateway.ports import ParticipantId, Signal
from gateway.web.protocol import server_messages
from gateway.web.protocol.client_messages import ClientMessage, Join, SignalTo
from gateway.web.protocol.codes import ProtocolError
from gateway.web.protocol.parsing import parse

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=70)
    | st.sampled_from(["audio", "video", "offer", "answer", "demo", "seat"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["type", "sdp", "0"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=20,
)
members = st.sampled_from(
    [
        *("room", "name", "publishes", "token", "audio", "video", "source", "parent"),
        *("to", "description", "candidate", "tracks", "connection", "kind", "shows"),
        *("device", "uplink", "limited", "cpu", "battery", "neighbours", "receives", "sends"),
    ]
)
types = st.sampled_from(
    ["join", "leave", "publish", "mute", "record", "view", "ready", "report", "signal", "ping", "x"]
)
messages = st.builds(
    lambda kind, rest: {**rest, "type": kind}, types, st.dictionaries(members, anything)
)


def accepted(text: str) -> ClientMessage | None:
    with suppress(ProtocolError):
        return parse(text)
    return None


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    accepted(text)


@given(messages)
def test_any_members_are_parsed_or_refused(message: dict[str, object]) -> None:
    result = accepted(json.dumps(message))
    if isinstance(result, SignalTo):
        again = json.loads(server_messages.event(Signal(ParticipantId("a"), result.body)))
        assert {name: again[name] for name in result.body} == result.body
    if isinstance(result, Join):
        assert 1 <= len(result.name.encode()) <= 256


@given(messages, st.data())
def test_a_damaged_message_is_parsed_or_refused(
    message: dict[str, object], data: st.DataObject
) -> None:
    text = json.dumps(message)
    at = data.draw(st.integers(0, len(text)))
    gap = data.draw(st.integers(0, 3))
    accepted(text[:at] + data.draw(st.text(max_size=3)) + text[at + gap :])
