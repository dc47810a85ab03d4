"""The members of `report`; docs/protocol.md, "Reports".

A report is a stranger's claim: whatever it holds, what comes out are numbers in their ranges, in
lists of bounded length.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from gateway.conference.report import Method, Pressure, Receiving, Report, Sending
from gateway.ports import ParticipantId, StreamKind
from gateway.web.protocol.members import (
    Malformed,
    flag,
    number,
    one_of,
    participant,
    participant_id,
)

T = TypeVar("T")

MAX_NEIGHBOURS = 512
MAX_EDGES = 2_048
"""A message of 262,144 bytes holds about as many."""

MAX_BITRATE = 1e12
MAX_MS = 1e9
"""Eleven days."""


def read_report(message: Mapping[str, object]) -> Report:
    """Raises `Malformed`, and nothing else."""
    return Report(
        uplink=_known(message, "uplink", MAX_BITRATE),
        limited=flag({"limited": True, **message}, "limited"),
        cpu=None if message.get("cpu") is None else one_of(message, "cpu", Pressure),
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
            found[participant_id(neighbour, "neighbours")] = round_trip
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
        source=participant(edge, "source"),
        kind=one_of(edge, "kind", StreamKind),
        parent=participant(edge, "parent"),
        bitrate=number(edge, "bitrate", MAX_BITRATE),
        loss=number(edge, "loss", 1.0),
        stalls=int(number(edge, "stalls", MAX_MS)),
        stalled_ms=number(edge, "stalled_ms", MAX_MS),
    )


def _sending(edge: Mapping[str, object]) -> Sending:
    return Sending(
        source=participant(edge, "source"),
        kind=one_of(edge, "kind", StreamKind),
        child=participant(edge, "child"),
        method=one_of(edge, "method", Method),
        bitrate=number(edge, "bitrate", MAX_BITRATE),
    )


def _known(message: Mapping[str, object], name: str, most: float) -> float | None:
    return None if message.get(name) is None else number(message, name, most)
