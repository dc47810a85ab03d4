"""The members of `report`; docs/protocol.md, "Reports".

A report is a stranger's claim: whatever it holds, what comes out are numbers in their ranges, in
lists of bounded length.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.conference.report import Method, Pressure, Receiving, Report, Sending
from gateway.ports import ParticipantId, StreamKind

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)

MAX_NEIGHBOURS = 512
MAX_EDGES = 2_048
"""A message of 262,144 bytes holds about as many."""

MAX_BITRATE = 1e12
MAX_MS = 1e9
"""Eleven days."""

_MAX_ID = 64


class Malformed(Exception):
    """What is wrong with a member, for whoever wrote the client."""


def read_report(message: Mapping[str, object]) -> Report:
    """Raises `Malformed`, and nothing else."""
    limited = message.get("limited", True)
    if not isinstance(limited, bool):
        raise Malformed("limited: expected true or false")
    cpu = message.get("cpu")
    return Report(
        uplink=_known(message, "uplink", MAX_BITRATE),
        limited=limited,
        cpu=None if cpu is None else _one_of(Pressure, cpu, "cpu"),
        battery=_known(message, "battery", 1.0),
        round_trips=_round_trips(message.get("neighbours")),
        receives=_edges(message, "receives", _receiving),
        sends=_edges(message, "sends", _sending),
    )


def _round_trips(value: object) -> dict[ParticipantId, float]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_NEIGHBOURS:
        raise Malformed(f"neighbours: expected an object of at most {MAX_NEIGHBOURS} members")
    found = {}
    for neighbour, told in value.items():
        if not isinstance(told, dict):
            raise Malformed("neighbours: expected an object for each")
        round_trip = _known(told, "round_trip_ms", MAX_MS)
        if round_trip is not None:
            found[_id(neighbour, "neighbours")] = round_trip
    return found


def _edges(
    message: Mapping[str, object], name: str, read: Callable[[Mapping[str, object]], T]
) -> tuple[T, ...] | None:
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_EDGES:
        raise Malformed(f"{name}: expected a list of at most {MAX_EDGES}")
    if not all(isinstance(one, dict) for one in value):
        raise Malformed(f"{name}: expected objects")
    return tuple(read(one) for one in value)


def _receiving(edge: Mapping[str, object]) -> Receiving:
    stalls = edge.get("stalls")
    if not isinstance(stalls, int):
        raise Malformed("stalls: expected a whole number")
    return Receiving(
        source=_id(edge.get("source"), "source"),
        kind=_one_of(StreamKind, edge.get("kind"), "kind"),
        parent=_id(edge.get("parent"), "parent"),
        bitrate=_number(edge, "bitrate", MAX_BITRATE),
        loss=_number(edge, "loss", 1.0),
        stalls=int(_number(edge, "stalls", MAX_MS)),
        stalled_ms=_number(edge, "stalled_ms", MAX_MS),
    )


def _sending(edge: Mapping[str, object]) -> Sending:
    return Sending(
        source=_id(edge.get("source"), "source"),
        kind=_one_of(StreamKind, edge.get("kind"), "kind"),
        child=_id(edge.get("child"), "child"),
        method=_one_of(Method, edge.get("method"), "method"),
        bitrate=_number(edge, "bitrate", MAX_BITRATE),
    )


def _known(message: Mapping[str, object], name: str, most: float) -> float | None:
    return None if message.get(name) is None else _number(message, name, most)


def _number(message: Mapping[str, object], name: str, most: float) -> float:
    value = message.get(name)
    # JSON's true would pass for 1; a whole number of any length is compared before it is made one
    # of limited precision, which it may be too large for.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Malformed(f"{name}: expected a number from 0 to {most:g}")
    return float(value)


def _one_of(words: type[Word], value: object, name: str) -> Word:
    if not isinstance(value, str) or value not in tuple(words):
        raise Malformed(f"{name}: expected one of {', '.join(words)}")
    return words(value)


def _id(value: object, name: str) -> ParticipantId:
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_ID:
        raise Malformed(f"{name}: expected text of 1 to {_MAX_ID} characters")
    return ParticipantId(value)
