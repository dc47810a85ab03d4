"""What the server says has the members that docs/protocol.md names."""

import json
from dataclasses import replace

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
)
from gateway.web.protocol import server_messages
from gateway.web.protocol.codes import ErrorCode
from support.measured import MEASURED

AUDIO, VIDEO = MediaKind.AUDIO, MediaKind.VIDEO
EDGE = Edge(ParticipantId("a"), ParticipantId("b"), ParticipantId("c"))


def test_welcome() -> None:
    text = server_messages.welcome(
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


def test_roster() -> None:
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
    text = server_messages.event(RosterChanged(Roster(7, (ana,), recorded=True)))
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


def test_edges() -> None:
    members = {"source": "a", "kind": "audio", "parent": "b", "child": "c"}
    assert json.loads(server_messages.event(Attach(EDGE))) == {"type": "attach"} | members
    assert json.loads(server_messages.event(Detach(EDGE))) == {"type": "detach"} | members
    for on in (True, False):
        told = json.loads(server_messages.event(Standby(EDGE, on)))
        assert told == {"type": "standby", "on": on} | members


def test_quality() -> None:
    measured = replace(MEASURED, missing=0.021)
    told = server_messages.event(QualityTold({ParticipantId("sip-1"): measured}))
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


def test_a_signal_names_its_true_sender() -> None:
    text = server_messages.event(Signal(ParticipantId("a"), {"candidate": None, "from": "b"}))
    assert json.loads(text) == {"type": "signal", "from": "a", "candidate": None}


def test_bye_has_four_reasons() -> None:
    reasons = {json.loads(server_messages.bye(reason, "so"))["reason"] for reason in Reason}
    assert reasons == {"shutdown", "replaced", "normal", "failure"}


def test_error_and_pong() -> None:
    assert json.loads(server_messages.error(ErrorCode.BUSY, "full")) == {
        "type": "error",
        "code": "busy",
        "text": "full",
    }
    assert json.loads(server_messages.pong()) == {"type": "pong"}
