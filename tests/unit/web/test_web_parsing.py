"""Whatever a browser says becomes a checked value, or an error that says why not."""

import json

import pytest

from gateway.conference.report import Device
from gateway.ports import (
    Edge,
    MediaKind,
    Muted,
    ParticipantId,
    RoomName,
    Signal,
    StreamKind,
)
from gateway.web.protocol import server_messages
from gateway.web.protocol.client_messages import (
    Block,
    ClientMessage,
    Grant,
    Hand,
    Join,
    Leave,
    Mute,
    Ping,
    Publish,
    Ready,
    Record,
    SignalTo,
    Unreachable,
    View,
)
from gateway.web.protocol.codes import ErrorCode, ProtocolError
from gateway.web.protocol.parsing import parse

AUDIO, VIDEO = MediaKind.AUDIO, MediaKind.VIDEO
EDGE = Edge(ParticipantId("a"), ParticipantId("b"), ParticipantId("c"))

BLANK_NAMES = [
    *"\u200b\u061c\ufeff\u180e\u2800\u00ad\u3164\u202e\u115f\ufe0f\u00a0",
    " \u200b \u2800",
]


def join(**changes: object) -> str:
    return json.dumps({"type": "join", "room": "demo", "name": "Ana", "publishes": []} | changes)


def signal(**members: object) -> str:
    return json.dumps({"type": "signal", "to": "b"} | members)


class TestWhatABrowserSays:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                join(room="Team.1", name=" Ana ", publishes=["audio", "video"], token="t", x=1),
                Join(RoomName("team.1"), "Ana", frozenset({AUDIO, VIDEO}), "t"),
            ),
            (
                join(name="\u202eAna\u2066 \u200f"),
                Join(RoomName("demo"), "Ana", frozenset()),
            ),
            (
                join(name="\U0001f469\u200d\U0001f680"),
                Join(RoomName("demo"), "\U0001f469\u200d\U0001f680", frozenset()),
            ),
            (join(token=None), Join(RoomName("demo"), "Ana", frozenset())),
            (
                join(device={"mobile": True, "battery": 1}),
                Join(RoomName("demo"), "Ana", frozenset(), device=Device(mobile=True)),
            ),
            (
                join(device={"relays": False}),
                Join(RoomName("demo"), "Ana", frozenset(), device=Device(relays=False)),
            ),
            ('{"type": "leave"}', Leave()),
            ('{"type": "publish", "publishes": ["audio"]}', Publish(frozenset({AUDIO}))),
            ('{"type":"mute","audio":true,"video":false}', Mute(Muted(audio=True))),
            (
                '{"type": "ready", "source": "a", "kind": "low", "parent": "b"}',
                Ready(ParticipantId("a"), StreamKind.LOW, ParticipantId("b")),
            ),
            (
                '{"type": "view", "shows": {"a": ["high", "screen"], "b": []}}',
                View(
                    {
                        ParticipantId("a"): frozenset({StreamKind.HIGH, StreamKind.SCREEN}),
                        ParticipantId("b"): frozenset(),
                    }
                ),
            ),
            (
                '{"type": "publish", "publishes": ["screen"]}',
                Publish(frozenset({MediaKind.SCREEN})),
            ),
            ('{"type": "record", "on": true}', Record(True)),
            (
                '{"type": "unreachable", "neighbour": "web-2"}',
                Unreachable(ParticipantId("web-2")),
            ),
            (
                '{"type": "block", "participant": "sip-1", "blocked": true}',
                Block(ParticipantId("sip-1"), True),
            ),
            ('{"type": "hand", "raised": true}', Hand(True)),
            (
                '{"type": "hand", "raised": false, "participant": "web-1"}',
                Hand(False, ParticipantId("web-1")),
            ),
            (
                '{"type": "grant", "participant": "web-1", "kinds": ["screen"]}',
                Grant(ParticipantId("web-1"), frozenset({MediaKind.SCREEN})),
            ),
            ('{"type": "ping"}', Ping()),
            (
                signal(description={"type": "offer", "sdp": "v=0"}, tracks={"0": {}}, other=1),
                SignalTo(
                    ParticipantId("b"),
                    {"description": {"type": "offer", "sdp": "v=0"}, "tracks": {"0": {}}},
                ),
            ),
            (signal(candidate=None), SignalTo(ParticipantId("b"), {"candidate": None})),
        ],
    )
    def test_becomes_a_value(self, text: str, message: ClientMessage) -> None:
        assert parse(text) == message

    @pytest.mark.parametrize(
        "text",
        ["", "{", "nul", '{"type": NaN}', '{"type": Infinity}', "[" * 60_000, "9" * 60_000, "\x00"],
    )
    def test_is_bad_json(self, text: str) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse(text)
        assert caught.value.code is ErrorCode.BAD_JSON

    @pytest.mark.parametrize("kind", ["", "welcome", "x" * 60_000, "\ud800"])
    def test_has_a_type_that_nobody_knows(self, kind: str) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse(json.dumps({"type": kind}))
        assert caught.value.code is ErrorCode.UNKNOWN_TYPE
        assert len(caught.value.text.encode()) < 500

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("[]", "object"),
            ("{}", "type"),
            ('{"type": 1}', "type"),
            (join(room="a b"), "room"),
            (join(room=""), "room"),
            (join(room=".a"), "room"),
            (join(room="a" * 65), "room"),
            (join(room="\u212aelvin"), "room"),
            (join(room=None), "room"),
            (join(name=""), "name"),
            (join(name="  "), "name"),
            (join(name="a" * 65), "name"),
            (join(name="a\nb"), "name"),
            (join(name="\ud800"), "surrogate"),
            (join(publishes="audio"), "publishes"),
            (join(publishes=["window"]), "publishes"),
            (join(publishes=[["audio"]]), "publishes"),
            *((join(name=blank), "people can see") for blank in BLANK_NAMES),
            *((join(room=room), "room") for room in ("ws", "Health", "api", "assets")),
            (join(token=""), "token"),
            (join(token="t" * 129), "token"),
            ('{"type": "mute", "audio": 1, "video": false}', "audio"),
            ('{"type": "mute", "audio": true}', "video"),
            ('{"type": "record"}', "on"),
            ('{"type": "block", "blocked": true}', "participant"),
            ('{"type": "block", "participant": "a", "blocked": 1}', "blocked"),
            ('{"type": "hand"}', "raised"),
            ('{"type": "hand", "raised": true, "participant": "a"}', "raised"),
            ('{"type": "hand", "raised": false, "participant": ""}', "participant"),
            ('{"type": "grant", "participant": "a"}', "kinds"),
            ('{"type": "grant", "participant": "a", "kinds": ["sound"]}', "kinds"),
            ('{"type": "grant", "kinds": []}', "participant"),
            ('{"type": "join", "room": "a", "name": "A", "publishes": [], "key": ""}', "key"),
            ('{"type": "record", "on": "yes"}', "on"),
            ('{"type": "ready", "source": "a", "kind": "high"}', "parent"),
            ('{"type": "ready", "source": "a", "parent": "b"}', "kind"),
            ('{"type": "ready", "source": "a", "kind": "video", "parent": "b"}', "kind"),
            ('{"type": "view"}', "shows"),
            ('{"type": "view", "shows": {"a": "high"}}', "shows"),
            ('{"type": "view", "shows": {"a": ["audio"]}}', "shows"),
            ('{"type": "view", "shows": {"a": [["high"]]}}', "shows"),
            (signal(), "signal"),
            (signal(to="", candidate=None), "to"),
            (signal(description="v=0"), "description"),
            (signal(description={"type": "rollback", "sdp": ""}), "description.type"),
            (signal(description={"type": "offer"}), "description.sdp"),
            (signal(candidate="candidate:1"), "candidate"),
            (signal(tracks=[]), "tracks"),
            (signal(connection=""), "connection"),
            (signal(connection="c" * 65), "connection"),
            ('{"type": "signal", "to": "b", "candidate": {"x": 1e999}}', "too large"),
            (signal(candidate={"\udc00": 1}), "surrogate"),
            (signal(candidate={"x": json.loads("[" * 40 + "]" * 40)}), "deeply"),
        ],
    )
    def test_is_a_bad_message_and_the_text_says_why(self, text: str, named: str) -> None:
        with pytest.raises(ProtocolError, match=named) as caught:
            parse(text)
        assert caught.value.code is ErrorCode.BAD_MESSAGE

    def test_keeps_its_type_in_the_error(self) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse(join(name=""))
        assert caught.value.message_type == "join"

    def test_every_accepted_signal_can_be_written(self) -> None:
        deep: object = 0
        for _ in range(12):
            deep = [deep]
        message = parse(signal(candidate={"x": deep}))
        assert isinstance(message, SignalTo)
        text = server_messages.event(Signal(ParticipantId("a"), message.body))
        assert json.loads(text)["candidate"] == {"x": deep}
