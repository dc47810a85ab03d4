import json
from dataclasses import replace

import pytest

from gateway.conference.report import Device
from gateway.errors import Reason
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    Kind,
    MediaKind,
    Muted,
    Participant,
    ParticipantId,
    QualityTold,
    RoomName,
    Roster,
    RosterChanged,
    Signal,
    Standby,
    StreamKind,
)
from gateway.web import protocol
from gateway.web.protocol import ErrorCode, ProtocolError, parse
from support.measured import MEASURED

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
                protocol.Join(RoomName("team.1"), "Ana", frozenset({AUDIO, VIDEO}), "t"),
            ),
            (
                join(name="\u202eAna\u2066 \u200f"),
                protocol.Join(RoomName("demo"), "Ana", frozenset()),
            ),
            (
                join(name="\U0001f469\u200d\U0001f680"),
                protocol.Join(RoomName("demo"), "\U0001f469\u200d\U0001f680", frozenset()),
            ),
            (join(token=None), protocol.Join(RoomName("demo"), "Ana", frozenset())),
            (
                join(device={"mobile": True, "battery": 1}),
                protocol.Join(RoomName("demo"), "Ana", frozenset(), device=Device(mobile=True)),
            ),
            (
                join(device={"relays": False}),
                protocol.Join(RoomName("demo"), "Ana", frozenset(), device=Device(relays=False)),
            ),
            ('{"type": "leave"}', protocol.Leave()),
            ('{"type": "publish", "publishes": ["audio"]}', protocol.Publish(frozenset({AUDIO}))),
            ('{"type":"mute","audio":true,"video":false}', protocol.Mute(Muted(audio=True))),
            (
                '{"type": "ready", "source": "a", "kind": "low", "parent": "b"}',
                protocol.Ready(ParticipantId("a"), StreamKind.LOW, ParticipantId("b")),
            ),
            (
                '{"type": "view", "shows": {"a": ["high", "screen"], "b": []}}',
                protocol.View(
                    {
                        ParticipantId("a"): frozenset({StreamKind.HIGH, StreamKind.SCREEN}),
                        ParticipantId("b"): frozenset(),
                    }
                ),
            ),
            (
                '{"type": "publish", "publishes": ["screen"]}',
                protocol.Publish(frozenset({MediaKind.SCREEN})),
            ),
            ('{"type": "record", "on": true}', protocol.Record(True)),
            (
                '{"type": "unreachable", "neighbour": "web-2"}',
                protocol.Unreachable(ParticipantId("web-2")),
            ),
            (
                '{"type": "block", "participant": "sip-1", "blocked": true}',
                protocol.Block(ParticipantId("sip-1"), True),
            ),
            ('{"type": "hand", "raised": true}', protocol.Hand(True)),
            (
                '{"type": "hand", "raised": false, "participant": "web-1"}',
                protocol.Hand(False, ParticipantId("web-1")),
            ),
            (
                '{"type": "grant", "participant": "web-1", "kinds": ["screen"]}',
                protocol.Grant(ParticipantId("web-1"), frozenset({MediaKind.SCREEN})),
            ),
            ('{"type": "ping"}', protocol.Ping()),
            (
                signal(description={"type": "offer", "sdp": "v=0"}, tracks={"0": {}}, other=1),
                protocol.SignalTo(
                    ParticipantId("b"),
                    {"description": {"type": "offer", "sdp": "v=0"}, "tracks": {"0": {}}},
                ),
            ),
            (signal(candidate=None), protocol.SignalTo(ParticipantId("b"), {"candidate": None})),
        ],
    )
    def test_becomes_a_value(self, text: str, message: protocol.ClientMessage) -> None:
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


class TestWhatTheServerSays:
    def test_welcome(self) -> None:
        text = protocol.welcome(
            ParticipantId("web-1"),
            "t",
            RoomName("demo"),
            [{"urls": "stun:s"}],
            ParticipantId("seat"),
            may_record=True,
            lab=True,
        )
        assert json.loads(text) == {
            "type": "welcome",
            "you": "web-1",
            "token": "t",
            "room": "demo",
            "ice_servers": [{"urls": "stun:s"}],
            "seat": "seat",
            "may_record": True,
            "lab": True,
        }

    def test_roster(self) -> None:
        ana = Participant(
            ParticipantId("web-1"),
            Kind.WEB,
            "Ána",
            frozenset({AUDIO, VIDEO}),
            Muted(video=True),
            may=frozenset({AUDIO, VIDEO}),
            moderator=True,
            hand=2,
        )
        text = protocol.event(RosterChanged(Roster(7, (ana,), recorded=True)))
        assert text.isascii()
        assert json.loads(text) == {
            "type": "roster",
            "version": 7,
            "recorded": True,
            "participants": [
                {
                    "id": "web-1",
                    "kind": "web",
                    "name": "Ána",
                    "publishes": ["audio", "video"],
                    "muted": {"audio": False, "video": True},
                    "may": ["audio", "video"],
                    "moderator": True,
                    "hand": 2,
                    "online": True,
                }
            ],
        }

    def test_edges(self) -> None:
        members = {"source": "a", "kind": "audio", "parent": "b", "child": "c"}
        assert json.loads(protocol.event(Attach(EDGE))) == {"type": "attach"} | members
        assert json.loads(protocol.event(Detach(EDGE))) == {"type": "detach"} | members
        for on in (True, False):
            told = json.loads(protocol.event(Standby(EDGE, on)))
            assert told == {"type": "standby", "on": on} | members

    def test_quality(self) -> None:
        measured = replace(MEASURED, missing=0.021)
        told = protocol.event(QualityTold({ParticipantId("sip-1"): measured}))
        assert json.loads(told) == {
            "type": "quality",
            "participants": {
                "sip-1": {
                    "quality": "fair",
                    "missing": 0.021,
                    "missing_there": None,
                    "jitter_ms": 3.4,
                    "round_trip_ms": 31.2,
                }
            },
        }

    def test_a_signal_names_its_true_sender(self) -> None:
        text = protocol.event(Signal(ParticipantId("a"), {"candidate": None, "from": "b"}))
        assert json.loads(text) == {"type": "signal", "from": "a", "candidate": None}

    def test_every_accepted_signal_can_be_written(self) -> None:
        deep: object = 0
        for _ in range(12):
            deep = [deep]
        message = parse(signal(candidate={"x": deep}))
        assert isinstance(message, protocol.SignalTo)
        text = protocol.event(Signal(ParticipantId("a"), message.body))
        assert json.loads(text)["candidate"] == {"x": deep}

    def test_bye_has_four_reasons(self) -> None:
        reasons = {json.loads(protocol.bye(reason, "so"))["reason"] for reason in Reason}
        assert reasons == {"shutdown", "replaced", "normal", "failure"}

    def test_error_and_pong(self) -> None:
        assert json.loads(protocol.error(ErrorCode.BUSY, "full")) == {
            "type": "error",
            "code": "busy",
            "text": "full",
        }
        assert json.loads(protocol.pong()) == {"type": "pong"}
