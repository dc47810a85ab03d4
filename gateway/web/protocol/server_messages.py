"""What the server says, as text frames; docs/protocol.md, "Server to client"."""

import json
from collections.abc import Mapping, Sequence
from typing import assert_never

from gateway.errors import Reason
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    Fault,
    LegEvent,
    Participant,
    ParticipantId,
    QualityTold,
    RoomName,
    Roster,
    RosterChanged,
    Signal,
    Standby,
)
from gateway.statistics import LegStatistics
from gateway.web.protocol.codes import ErrorCode


def welcome(
    you: ParticipantId,
    token: str,
    room: RoomName,
    ice_servers: Sequence[Mapping[str, object]],
    seat: ParticipantId,
    *,
    may_record: bool,
    lab: bool,
) -> str:
    return _write(
        "welcome",
        you=you,
        token=token,
        room=room,
        ice_servers=list(ice_servers),
        seat=seat,
        may_record=may_record,
        lab=lab,
    )


def ice_servers(servers: Sequence[Mapping[str, object]]) -> str:
    return _write("ice_servers", ice_servers=list(servers))


def event(leg_event: LegEvent) -> str:
    """What the focus tells the leg."""
    match leg_event:
        case RosterChanged(roster):
            return _roster(roster)
        case Attach(edge):
            return _edge("attach", edge)
        case Detach(edge):
            return _edge("detach", edge)
        case Standby(edge, on):
            return _edge("standby", edge, on=on)
        case Signal(sender, body):
            return signal(sender, body)
        case QualityTold(legs):
            return _write("quality", participants={leg: _quality(one) for leg, one in legs.items()})
        case Fault():
            return _fault(leg_event)
        case _:
            assert_never(leg_event)


def signal(sender: ParticipantId, body: Mapping[str, object]) -> str:
    return _write("signal", **{**body, "from": sender})


def error(code: ErrorCode, text: str) -> str:
    return _write("error", code=code, text=text)


def bye(reason: Reason, text: str) -> str:
    """The protocol has four reasons; what else there is, is our own affair: a failure."""
    known = reason in (Reason.SHUTDOWN, Reason.REPLACED, Reason.NORMAL)
    return _write("bye", reason=reason if known else Reason.FAILURE, text=text)


def pong() -> str:
    return _write("pong")


def _roster(roster: Roster) -> str:
    participants = [_participant(participant) for participant in roster.participants]
    return _write(
        "roster", version=roster.version, recorded=roster.recorded, participants=participants
    )


def _participant(participant: Participant) -> Mapping[str, object]:
    return {
        "id": participant.id,
        "kind": participant.kind,
        "name": participant.name,
        "publishes": sorted(participant.publishes),
        "muted": {"audio": participant.muted.audio, "video": participant.muted.video},
        "may": sorted(participant.may),
        "moderator": participant.moderator,
        "hand": participant.hand,
        "online": participant.online,
    }


def _quality(measured: LegStatistics) -> Mapping[str, object]:
    return {
        "quality": measured.quality,
        "missing": measured.missing,
        "missing_there": measured.missing_there,
        "jitter_ms": measured.jitter_ms,
        "round_trip_ms": measured.round_trip_ms,
    }


def _fault(fault: Fault) -> str:
    needs = {"ratio": fault.ratio, "ms": fault.ms}
    given = {name: value for name, value in needs.items() if value is not None}
    return _write("fault", fault=fault.fault, seconds=fault.seconds, **given)


def _edge(message: str, edge: Edge, **more: object) -> str:
    names = {"source": edge.source, "parent": edge.parent, "child": edge.child}
    return _write(message, kind=edge.kind, **names, **more)


def _write(message_type: str, **members: object) -> str:
    """ASCII with escapes, so that characters are bytes, and nothing that JSON lacks."""
    return json.dumps({"type": message_type, **members}, allow_nan=False, separators=(",", ":"))
