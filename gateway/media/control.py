"""The words between a gateway and its media workers: messages as values, framed and in JSON.

The first message to a worker is its `Settings`, answered by `Ready`.
Requests are the verbs of `ports.MediaPlane`; a worker answers those that have a `number` with a
`Reply`, and tells what happens by `Happened`. Both ends are ours and of one version, and the
socket between them was inherited, so nobody else can speak: what cannot be read is a bug.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Final

from gateway.errors import Reason
from gateway.media.settings import Settings
from gateway.ports import (
    Answer,
    DigitPressed,
    Edge,
    LegFailed,
    Measured,
    MediaEvent,
    Offer,
    ParticipantId,
    PlayEnded,
    RecordingStarted,
    RecordingStopped,
    RoomName,
    SeatReceiving,
    StreamKind,
    Track,
)
from gateway.statistics import EngineStatistics, Histogram, LegStatistics

_LENGTH = struct.Struct("!I")

_PLAIN = frozenset((str, int, float, bool, NoneType))
"""What JSON has too; nearly all that is said."""

MAX_MESSAGE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class AnswerLeg:
    """`MediaPlane.answer`; the result is an `Answer`."""

    number: int
    room: RoomName
    leg: ParticipantId
    offer: Offer


@dataclass(frozen=True, slots=True)
class OfferLeg:
    """`MediaPlane.offer`; the result is an `Offer`."""

    number: int
    room: RoomName
    leg: ParticipantId


@dataclass(frozen=True, slots=True)
class AcceptLeg:
    """`MediaPlane.accept`."""

    number: int
    leg: ParticipantId
    answer: Answer


@dataclass(frozen=True, slots=True)
class AnswerSeat:
    """`MediaPlane.seat_answer`; the result is an `Answer`."""

    number: int
    room: RoomName
    peer: ParticipantId
    connection: str
    offer: Offer
    tracks: Mapping[str, Track]


@dataclass(frozen=True, slots=True)
class SendDigits:
    """`MediaPlane.send_digits`."""

    number: int
    leg: ParticipantId
    digits: str


@dataclass(frozen=True, slots=True)
class SetGain:
    """`MediaPlane.set_gain`; `leg` is the listener."""

    leg: ParticipantId
    source: ParticipantId
    gain: float


@dataclass(frozen=True, slots=True)
class MuteLeg:
    """`MediaPlane.mute`."""

    leg: ParticipantId
    muted: bool


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """`MediaPlane.close`."""

    leg: ParticipantId


@dataclass(frozen=True, slots=True)
class ConfirmLeg:
    """`MediaPlane.confirm`."""

    leg: ParticipantId


@dataclass(frozen=True, slots=True)
class SetTracks:
    """`MediaPlane.seat_tracks`."""

    room: RoomName
    peer: ParticipantId
    connection: str
    tracks: Mapping[str, Track]


@dataclass(frozen=True, slots=True)
class AttachEdge:
    """`MediaPlane.attach`."""

    room: RoomName
    edge: Edge


@dataclass(frozen=True, slots=True)
class DetachEdge:
    """`MediaPlane.detach`."""

    room: RoomName
    edge: Edge


@dataclass(frozen=True, slots=True)
class DropPeer:
    """`MediaPlane.drop_peer`."""

    room: RoomName
    peer: ParticipantId


@dataclass(frozen=True, slots=True)
class Play:
    """`MediaPlane.play`."""

    room: RoomName
    leg: ParticipantId | None
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """`MediaPlane.stop_playing`."""

    room: RoomName
    leg: ParticipantId | None


@dataclass(frozen=True, slots=True)
class Record:
    """`MediaPlane.record`."""

    room: RoomName


@dataclass(frozen=True, slots=True)
class StopRecording:
    """`MediaPlane.stop_recording`."""

    room: RoomName


Asked = AnswerLeg | OfferLeg | AcceptLeg | AnswerSeat | SendDigits
OfLeg = ConfirmLeg | MuteLeg | SetGain | CloseLeg
OfSeat = SetTracks | AttachEdge | DetachEdge | DropPeer
OfRoom = Play | StopPlaying | Record | StopRecording
Told = OfLeg | OfSeat | OfRoom
Request = Asked | Told


@dataclass(frozen=True, slots=True)
class Reply:
    """To the request of that number: a description, or why it was refused."""

    number: int
    result: Answer | Offer | None = None
    refused: Reason | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """Media events, and how much is open since."""

    events: tuple[MediaEvent, ...]
    inventory: Mapping[str, int]
    statistics: EngineStatistics | None = None
    """Now and then."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has its ports and runs; or it cannot, and `problem` says why."""

    problem: str = ""


Message = Settings | Request | Reply | Happened | Ready

_KNOWN: Final[Mapping[str, type]] = {
    one.__name__: one
    for one in (
        *(AnswerLeg, OfferLeg, AcceptLeg, AnswerSeat, ConfirmLeg, MuteLeg, CloseLeg, SetTracks),
        *(
            SendDigits,
            SetGain,
            AttachEdge,
            DetachEdge,
            DropPeer,
            Play,
            StopPlaying,
            Record,
            StopRecording,
        ),
        *(Reply, Happened, Ready, Settings),
        *(Answer, Offer, Edge, Track, DigitPressed, LegFailed, SeatReceiving),
        *(PlayEnded, RecordingStarted, RecordingStopped),
        *(Measured, LegStatistics, EngineStatistics, Histogram),
        *(Reason, StreamKind),
    )
}


def frame(message: Message) -> bytes:
    """For the wire."""
    data = json.dumps(_packed(message), separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(data)} octets")
    return _LENGTH.pack(len(data)) + data


class Reader:
    """Puts messages together from what a stream socket gives."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            # Waiting for more than can be sent would be waiting for ever.
            assert length <= MAX_MESSAGE, f"a message of {length} octets"
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            message = _unpacked(json.loads(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
            assert isinstance(message, Message)
            yield message


def _packed(value: object) -> object:
    """Values as JSON; those of a class as {"": its name, ...}."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return {"": type(value).__name__, "value": value.value}
    if is_dataclass(value):
        kind: type = type(value)
        content = {name: _packed(getattr(value, name)) for name in _names(kind)}
        return {"": kind.__name__, **content}
    if isinstance(value, Mapping):
        return {"": "map", "items": [[key, _packed(item)] for key, item in value.items()]}
    if isinstance(value, range):
        return {"": "range", "start": value.start, "stop": value.stop}
    if isinstance(value, tuple):
        return [_packed(item) for item in value]
    raise TypeError(f"{type(value).__name__} is no word between gateway and worker")


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))


def _unpacked(value: object) -> object:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list):
        return tuple(_unpacked(item) for item in value)
    if not isinstance(value, dict):
        return value
    name = value.pop("")
    if name == "map":
        return {key: _unpacked(item) for key, item in value["items"]}
    if name == "range":
        return range(value["start"], value["stop"])
    return _KNOWN[name](**{key: _unpacked(item) for key, item in value.items()})
