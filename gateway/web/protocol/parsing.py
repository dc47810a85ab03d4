"""From a text frame to what the browser says: all that can be wrong with it is found here.

What `parse` returns can be used as it is. Only `signal` carries what the gateway does not read:
its members' outer shape is checked, and that they can be written as JSON again.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import NoReturn

from gateway.conference.member import PICTURES
from gateway.conference.report import ANY_DEVICE, Device
from gateway.ports import MediaKind, Muted, ParticipantId, StreamKind
from gateway.roomname import RULE, room_name
from gateway.web.protocol import display_name
from gateway.web.protocol.client_messages import (
    SIGNAL_MEMBERS,
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
    Told,
    Unreachable,
    View,
)
from gateway.web.protocol.codes import ErrorCode, ProtocolError
from gateway.web.protocol.members import (
    MAX_ID,
    Malformed,
    flag,
    member,
    one_of,
    participant,
    text,
)
from gateway.web.protocol.reports import read_report

MAX_TOKEN = 128
MAX_DEPTH = 16
"""Of arrays and objects; the deepest message of the specification has 4 levels."""


def parse(frame: str) -> ClientMessage:
    """One text frame. Raises `ProtocolError`, and nothing else whatever the text is."""
    try:
        value = json.loads(frame, parse_constant=_refuse_constant)
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
    except Malformed as mistake:
        raise ProtocolError(ErrorCode.BAD_MESSAGE, str(mistake), kind) from None


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
                raise Malformed("a number is too large")
            elif isinstance(value, str) and not _is_text(value):
                raise Malformed("half a surrogate pair is no character")
        level = below
    if level:
        raise Malformed("nested too deeply")


def _is_text(value: str) -> bool:
    # Escapes such as "\ud800" get past the frame's own UTF-8 check (RFC 8259, section 8.2).
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_join(message: Mapping[str, object]) -> Join:
    room = room_name(member(message, "room", str, "text"))
    if room is None:
        raise Malformed(f"room: expected {RULE}")
    token = text(message, "token", MAX_TOKEN) if message.get("token") is not None else None
    key = text(message, "key", MAX_TOKEN) if message.get("key") is not None else None
    return Join(room, _name(message), _kinds(message, "publishes"), token, key, _device(message))


def _name(message: Mapping[str, object]) -> str:
    name = display_name.tidied(text(message, "name", display_name.MAX_NAME))
    if display_name.has_controls(name):
        raise Malformed("name: expected 1 to 64 characters, no control characters")
    if not display_name.can_be_seen(name):
        raise Malformed("name: expected something that people can see")
    return name


def _kinds(message: Mapping[str, object], name: str) -> frozenset[MediaKind]:
    kinds = member(message, name, list, "a list")
    if not all(kind in tuple(MediaKind) for kind in kinds):
        raise Malformed(f"{name}: expected 'audio', 'video' and 'screen' only")
    return frozenset(MediaKind(kind) for kind in kinds)


def _device(message: Mapping[str, object]) -> Device:
    if message.get("device") is None:
        return ANY_DEVICE
    device = {"mobile": False, "relays": True} | member(message, "device", dict, "an object")
    return Device(flag(device, "mobile"), flag(device, "relays"))


def _read_hand(message: Mapping[str, object]) -> Hand:
    raised = flag(message, "raised")
    if message.get("participant") is None:
        return Hand(raised)
    if raised:
        raise Malformed("raised: expected false, nobody raises another's hand")
    return Hand(raised, participant(message, "participant"))


def _read_ready(message: Mapping[str, object]) -> Ready:
    source, parent = participant(message, "source"), participant(message, "parent")
    return Ready(source, one_of(message, "kind", StreamKind), parent)


def _read_view(message: Mapping[str, object]) -> View:
    members = member(message, "shows", dict, "an object")
    shows = {}
    for source, kinds in members.items():
        if not isinstance(kinds, list) or not all(kind in PICTURES for kind in kinds):
            raise Malformed(f"shows: expected lists of {', '.join(PICTURES)}")
        shows[ParticipantId(source)] = frozenset(StreamKind(kind) for kind in kinds)
    return View(shows)


def _read_signal(message: Mapping[str, object]) -> SignalTo:
    to = participant(message, "to")
    body = {name: message[name] for name in SIGNAL_MEMBERS if name in message}
    if not body:
        raise Malformed(f"signal: expected one of {', '.join(SIGNAL_MEMBERS)}")
    if "description" in body:
        description = member(message, "description", dict, "an object")
        if description.get("type") not in ("offer", "answer"):
            raise Malformed("description.type: expected 'offer' or 'answer'")
        if not isinstance(description.get("sdp"), str):
            raise Malformed("description.sdp: expected text")
    if body.get("candidate") is not None:
        member(message, "candidate", dict, "an object or null")
    if "tracks" in body:
        member(message, "tracks", dict, "an object")
    if "connection" in body:
        text(message, "connection")
    return SignalTo(to, body)


_READERS: Mapping[str, Callable[[Mapping[str, object]], ClientMessage]] = {
    "join": _read_join,
    "leave": lambda _: Leave(),
    "publish": lambda message: Publish(_kinds(message, "publishes")),
    "view": _read_view,
    "block": lambda message: Block(participant(message, "participant"), flag(message, "blocked")),
    "hand": _read_hand,
    "grant": lambda message: Grant(participant(message, "participant"), _kinds(message, "kinds")),
    "report": lambda message: Told(read_report(message)),
    "mute": lambda message: Mute(Muted(flag(message, "audio"), flag(message, "video"))),
    "record": lambda message: Record(flag(message, "on")),
    "ready": _read_ready,
    "unreachable": lambda message: Unreachable(participant(message, "neighbour")),
    "signal": _read_signal,
    "ping": lambda _: Ping(),
}
