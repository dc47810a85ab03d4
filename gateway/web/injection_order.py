"""The order to inject failures, as it comes over the API; docs/monitor.md specifies it."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.conference.injection import MAX_RATE, MAX_SECONDS, Injection
from gateway.ports import Fault, FaultKind, ParticipantId, StreamKind
from gateway.trees.failures import Distribution

W = TypeVar("W", bound=StrEnum)

_MEMBERS = frozenset(
    "fault distribution rate seconds lasts ratio ms kind source seed".split()  # noqa: SIM905
)


class BadOrder(Exception):
    """Its text says what is wrong with it."""


def parse(text: str, seed: int) -> Injection:
    """`seed` serves where the order has none. Raises `BadOrder`."""
    try:
        order = json.loads(text)
    except (ValueError, RecursionError):
        raise BadOrder("the order is not JSON") from None
    if not isinstance(order, dict):
        raise BadOrder("the order is no object")
    unknown = sorted(set(order) - _MEMBERS)
    if unknown:
        raise BadOrder(f"{unknown[0][:64]!a} is not known; there are {', '.join(sorted(_MEMBERS))}")
    return Injection(
        _fault(order),
        _word(order, "distribution", Distribution, Distribution.UNIFORM),
        _number(order, "rate", 1.0, 0.1, MAX_RATE),
        _number(order, "seconds", 60.0, 1.0, MAX_SECONDS),
        int(_number(order, "seed", seed, 0, 2**63)),
        _word(order, "kind", StreamKind, StreamKind.AUDIO),
        _source(order),
    )


def _fault(order: Mapping[str, object]) -> Fault:
    fault = _word(order, "fault", FaultKind, None)
    return Fault(
        fault,
        _number(order, "lasts", 3.0, 0.1, 60.0),
        _number(order, "ratio", 0.1, 0.0, 1.0) if fault is FaultKind.LOSS else None,
        _number(order, "ms", 200.0, 0.0, 5000.0) if fault is FaultKind.DELAY else None,
    )


def _word(order: Mapping[str, object], name: str, words: type[W], default: W | None) -> W:
    word = order.get(name, default)
    if not isinstance(word, str) or word not in tuple(words):
        raise BadOrder(f"{name}: expected one of {', '.join(words)}")
    return words(word)


def _number(
    order: Mapping[str, object], name: str, default: float, low: float, high: float
) -> float:
    number = order.get(name, default)
    if isinstance(number, int | float) and not isinstance(number, bool) and low <= number <= high:
        return number
    raise BadOrder(f"{name}: expected a number from {low:g} to {high:g}")


def _source(order: Mapping[str, object]) -> ParticipantId | None:
    source = order.get("source")
    if source is not None and not (isinstance(source, str) and 1 <= len(source) <= 64):
        raise BadOrder("source: expected a participant's id, or null")
    return None if source is None else ParticipantId(source)
