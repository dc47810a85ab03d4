"""The browser signalling protocol as values: docs/protocol.md is its specification.

`parse` checks everything a browser can get wrong, so that what it returns can be used as it is.
Only `signal` carries what the gateway does not read: its members' outer shape is checked, and
that they can be written as JSON again.
"""

import json
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, TypeVar, assert_never

from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.errors import Reason
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    Fault,
    LegEvent,
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
from gateway.roomname import RULE, room_name
from gateway.statistics import LegStatistics
from gateway.web.report_message import Malformed, read_report

T = TypeVar("T")

MAX_MESSAGE_BYTES = 262_144
"""An offer to the seat has about 1 kB for each phone in the room."""

MAX_NAME = 64
MAX_ID = 64
MAX_TOKEN = 128
MAX_DEPTH = 16
"""Of arrays and objects; the deepest message of the specification has 4 levels."""

SIGNAL_MEMBERS = ("description", "candidate", "tracks", "connection")


class ErrorCode(StrEnum):
    """The stable part of an `error` message; its text is for people."""

    BAD_JSON = "bad-json"
    BAD_MESSAGE = "bad-message"
    UNKNOWN_TYPE = "unknown-type"
    NOT_JOINED = "not-joined"
    ALREADY_JOINED = "already-joined"
    NOT_FOUND = "not-found"
    BUSY = "busy"
    FORBIDDEN = "forbidden"
    UNKNOWN_PEER = "unknown-peer"
    REFUSED = "refused"
    RATE_LIMITED = "rate-limited"


class CloseCode:
    """RFC 6455, section 7.4.1, as far as the server closes with them."""

    NORMAL = 1000
    POLICY = 1008
    FAILURE = 1011
    RESTART = 1012
    """IANA's registry: service restart."""


class ProtocolError(Exception):
    """A message that docs/protocol.md does not allow. `message_type` is its type, if it had one."""

    def __init__(self, code: ErrorCode, text: str, message_type: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.message_type = message_type


# --- client to server -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Join:
    """The first message."""

    room: RoomName
    name: str
    publishes: frozenset[MediaKind]
    token: str | None = None
    """Of the participant that this one replaces."""
    key: str | None = field(default=None, repr=False)
    """A moderator's."""
    device: Device = ANY_DEVICE


@dataclass(frozen=True, slots=True)
class Leave:
    """The participant goes."""


@dataclass(frozen=True, slots=True)
class Publish:
    """What the participant publishes from now on."""

    publishes: frozenset[MediaKind]


@dataclass(frozen=True, slots=True)
class Mute:
    """What the participant keeps back from now on."""

    muted: Muted


@dataclass(frozen=True, slots=True)
class Record:
    """The conference is to be recorded from now on, or not any more."""

    on: bool


@dataclass(frozen=True, slots=True)
class View:
    """All pictures that the participant shows from now on, by source."""

    shows: Mapping[ParticipantId, frozenset[StreamKind]]


@dataclass(frozen=True, slots=True)
class Block:
    """The participant wants nothing of another one from now on, or everything again."""

    participant: ParticipantId
    blocked: bool


@dataclass(frozen=True, slots=True)
class Hand:
    """The participant asks for the word, or not any more."""

    raised: bool
    participant: ParticipantId | None = None
    """Whose hand a moderator lowers; None: the sender's own."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A moderator says what another participant may publish from now on."""

    participant: ParticipantId
    kinds: frozenset[MediaKind]


@dataclass(frozen=True, slots=True)
class Told:
    """How the participant does: `report`."""

    report: Report


@dataclass(frozen=True, slots=True)
class Ready:
    """The participant has this edge's stream and can pass it on."""

    source: ParticipantId
    kind: StreamKind
    parent: ParticipantId


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The participant has found no network path to a neighbour."""

    neighbour: ParticipantId


@dataclass(frozen=True, slots=True)
class SignalTo:
    """Negotiation with the neighbour `to`; `body` holds `SIGNAL_MEMBERS` as they came."""

    to: ParticipantId
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for `pong`."""


InRoom = (
    Leave
    | Publish
    | Mute
    | Record
    | View
    | Block
    | Hand
    | Grant
    | Told
    | Ready
    | Unreachable
    | SignalTo
)
"""What is said after `welcome`."""

ClientMessage = Join | Ping | InRoom


def parse(text: str) -> ClientMessage:
    """One text frame. Raises `ProtocolError`, and nothing else whatever the text is."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ProtocolError(ErrorCode.BAD_JSON, "the message is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError(ErrorCode.BAD_MESSAGE, "the message is no object")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError(ErrorCode.BAD_MESSAGE, "type: expected text")
    read = _READERS.get(kind)
    if read is None:
        raise ProtocolError(ErrorCode.UNKNOWN_TYPE, f"{kind[:MAX_ID]!a} is no type of ours")
    try:
        _check_writable(value)
        return read(value)
    except (_Mistake, Malformed) as mistake:
        raise ProtocolError(ErrorCode.BAD_MESSAGE, str(mistake), kind) from None


class _Mistake(Exception):
    """What is wrong with a member."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_writable(message: object) -> None:
    """What goes in must go out again: no infinity, no lone surrogate, no bottomless nesting."""
    level: list[object] = [message]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise _Mistake("a number is too large")
            elif isinstance(value, str) and not _is_text(value):
                raise _Mistake("half a surrogate pair is no character")
        level = below
    if level:
        raise _Mistake("nested too deeply")


def _is_text(value: str) -> bool:
    # Escapes such as "\ud800" get past the frame's own UTF-8 check (RFC 8259, section 8.2).
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _member(message: Mapping[str, object], name: str, kind: type[T], what: str) -> T:
    value = message.get(name)
    if not isinstance(value, kind):
        raise _Mistake(f"{name}: expected {what}")
    return value


def _short(message: Mapping[str, object], name: str, longest: int = MAX_ID) -> str:
    value = _member(message, name, str, f"text of 1 to {longest} characters")
    if not 1 <= len(value) <= longest:
        raise _Mistake(f"{name}: expected text of 1 to {longest} characters")
    return value


def _name(message: Mapping[str, object]) -> str:
    name = _short(message, "name").translate(_WITHOUT_BIDI_CONTROLS).strip()
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp") for sign in name):
        raise _Mistake("name: expected 1 to 64 characters, no control characters")
    if not any(_is_visible(sign) for sign in name):
        raise _Mistake("name: expected something that people can see")
    return name


# They would turn the reading direction of all that follows in a list; UAX #9, section 2.
_WITHOUT_BIDI_CONTROLS = dict.fromkeys(
    [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)

_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols to Unicode, but nothing on the screen: Hangul fillers, Braille blank."""


def _is_visible(sign: str) -> bool:
    """Whether it shows by itself: no space, no joiner, no mark that needs a letter below it."""
    return unicodedata.category(sign) not in ("Cf", "Mn", "Zs") and sign not in _BLANK_LETTERS


def _kinds(message: Mapping[str, object], name: str) -> frozenset[MediaKind]:
    kinds = _member(message, name, list, "a list")
    if not all(kind in tuple(MediaKind) for kind in kinds):
        raise _Mistake(f"{name}: expected 'audio', 'video' and 'screen' only")
    return frozenset(MediaKind(kind) for kind in kinds)


def _read_join(message: Mapping[str, object]) -> Join:
    room = room_name(_member(message, "room", str, "text"))
    if room is None:
        raise _Mistake(f"room: expected {RULE}")
    token = _short(message, "token", MAX_TOKEN) if message.get("token") is not None else None
    key = _short(message, "key", MAX_TOKEN) if message.get("key") is not None else None
    return Join(room, _name(message), _kinds(message, "publishes"), token, key, _device(message))


def _device(message: Mapping[str, object]) -> Device:
    if message.get("device") is None:
        return ANY_DEVICE
    device = {"mobile": False, "relays": True} | _member(message, "device", dict, "an object")
    mobile = _member(device, "mobile", bool, "true or false")
    return Device(mobile, _member(device, "relays", bool, "true or false"))


def _read_mute(message: Mapping[str, object]) -> Mute:
    audio = _member(message, "audio", bool, "true or false")
    return Mute(Muted(audio, _member(message, "video", bool, "true or false")))


def _read_record(message: Mapping[str, object]) -> Record:
    return Record(_member(message, "on", bool, "true or false"))


def _read_unreachable(message: Mapping[str, object]) -> Unreachable:
    return Unreachable(ParticipantId(_short(message, "neighbour")))


def _read_block(message: Mapping[str, object]) -> Block:
    participant = ParticipantId(_short(message, "participant"))
    return Block(participant, _member(message, "blocked", bool, "true or false"))


def _read_hand(message: Mapping[str, object]) -> Hand:
    raised = _member(message, "raised", bool, "true or false")
    if message.get("participant") is None:
        return Hand(raised)
    if raised:
        raise _Mistake("raised: expected false, nobody raises another's hand")
    return Hand(raised, ParticipantId(_short(message, "participant")))


def _read_grant(message: Mapping[str, object]) -> Grant:
    return Grant(ParticipantId(_short(message, "participant")), _kinds(message, "kinds"))


def _read_ready(message: Mapping[str, object]) -> Ready:
    source, kind = _short(message, "source"), _short(message, "kind")
    if kind not in tuple(StreamKind):
        raise _Mistake(f"kind: expected one of {', '.join(StreamKind)}")
    parent = ParticipantId(_short(message, "parent"))
    return Ready(ParticipantId(source), StreamKind(kind), parent)


def _read_view(message: Mapping[str, object]) -> View:
    members = _member(message, "shows", dict, "an object")
    shows = {}
    for source, kinds in members.items():
        if not isinstance(kinds, list) or not all(kind in _PICTURES for kind in kinds):
            raise _Mistake(f"shows: expected lists of {', '.join(_PICTURES)}")
        shows[ParticipantId(source)] = frozenset(StreamKind(kind) for kind in kinds)
    return View(shows)


_PICTURES = (StreamKind.LOW, StreamKind.HIGH, StreamKind.SCREEN)


def _read_signal(message: Mapping[str, object]) -> SignalTo:
    to = ParticipantId(_short(message, "to"))
    body = {name: message[name] for name in SIGNAL_MEMBERS if name in message}
    if not body:
        raise _Mistake(f"signal: expected one of {', '.join(SIGNAL_MEMBERS)}")
    if "description" in body:
        description = _member(message, "description", dict, "an object")
        if description.get("type") not in ("offer", "answer"):
            raise _Mistake("description.type: expected 'offer' or 'answer'")
        if not isinstance(description.get("sdp"), str):
            raise _Mistake("description.sdp: expected text")
    if body.get("candidate") is not None:
        _member(message, "candidate", dict, "an object or null")
    if "tracks" in body:
        _member(message, "tracks", dict, "an object")
    if "connection" in body:
        _short(message, "connection")
    return SignalTo(to, body)


_READERS: Mapping[str, Callable[[Mapping[str, object]], ClientMessage]] = {
    "join": _read_join,
    "leave": lambda _: Leave(),
    "publish": lambda message: Publish(_kinds(message, "publishes")),
    "mute": _read_mute,
    "record": _read_record,
    "unreachable": _read_unreachable,
    "view": _read_view,
    "block": _read_block,
    "hand": _read_hand,
    "grant": _read_grant,
    "report": lambda message: Told(read_report(message)),
    "ready": _read_ready,
    "signal": _read_signal,
    "ping": lambda _: Ping(),
}


# --- server to client -----------------------------------------------------------------------


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
