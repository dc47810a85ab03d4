"""What a browser says to the seat; docs/protocol.md, `signal`.

Between browsers these members pass unread. The seat reads them, so here they are checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, Self, TypeVar

from gateway.errors import Reason, Refused
from gateway.ports import Answer, Candidate, Offer, ParticipantId, StreamKind, Track

_MAX_NAME = 64
_MAX_TRACKS = 512

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SeatSignal:
    """One negotiation message to the seat."""

    connection: str
    offer: Offer | None
    candidate: Candidate | None
    tracks: Mapping[str, Track] | None

    @classmethod
    def parse(cls, body: Mapping[str, object]) -> Self:
        """Raises `Refused` (bad-request) with a sentence that names the member."""
        connection = _text(body, "connection")
        description = body.get("description")
        candidate = body.get("candidate")
        tracks = body.get("tracks")
        return cls(
            connection,
            None if description is None else _offer(_mapping(description, "description")),
            None if candidate is None else _candidate(_mapping(candidate, "candidate")),
            None if tracks is None else _tracks(_mapping(tracks, "tracks")),
        )

    def reply(self, answer: Answer) -> Mapping[str, object]:
        description = {"type": "answer", "sdp": answer.sdp}
        return {"connection": self.connection, "description": description}


def _offer(description: Mapping[str, object]) -> Offer:
    if description.get("type") != "offer":
        _refuse("description.type is not 'offer': the seat answers, it never offers")
    return Offer(_typed(description.get("sdp"), str, "description.sdp"))


def _candidate(init: Mapping[str, object]) -> Candidate | None:
    """An RTCIceCandidateInit; None for the empty one that ends a generation (RFC 8838, s. 14)."""
    line = _typed(init.get("candidate"), str, "candidate.candidate")
    mid = init.get("sdpMid")
    if not line:
        return None
    return Candidate("" if mid is None else str(mid)[:_MAX_NAME], line.removeprefix("candidate:"))


def _tracks(members: Mapping[str, object]) -> Mapping[str, Track]:
    if len(members) > _MAX_TRACKS:
        _refuse(f"tracks names more than {_MAX_TRACKS} sections")
    tracks = {}
    for mid, value in members.items():
        track = _mapping(value, f"tracks.{mid[:_MAX_NAME]}")
        kind = _text(track, "kind")
        if kind not in set(StreamKind):
            _refuse(f"kind {kind!r} is not one of {', '.join(StreamKind)}")
        tracks[mid[:_MAX_NAME]] = Track(ParticipantId(_text(track, "source")), StreamKind(kind))
    return tracks


def _text(members: Mapping[str, object], name: str) -> str:
    value = _typed(members.get(name), str, name)
    if not 1 <= len(value) <= _MAX_NAME:
        _refuse(f"{name} is not 1 to {_MAX_NAME} characters long")
    return value


def _mapping(value: object, name: str) -> Mapping[str, object]:
    return _typed(value, dict, name)


def _typed(value: object, wanted: type[T], name: str) -> T:
    if not isinstance(value, wanted):
        _refuse(f"{name} is missing or has a wrong type")
    return value


def _refuse(text: str) -> NoReturn:
    raise Refused(Reason.BAD_REQUEST, text)
