"""Members of a message, checked: what a stranger sent becomes a value of the right type."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.ports import ParticipantId

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)

MAX_ID = 64


class Malformed(Exception):
    """What is wrong with a member, for whoever wrote the client."""


def member(message: Mapping[str, object], name: str, kind: type[T], what: str) -> T:
    """Raises `Malformed`, as all here do; `what` it should be is for people."""
    value = message.get(name)
    if not isinstance(value, kind):
        raise Malformed(f"{name}: expected {what}")
    return value


def flag(message: Mapping[str, object], name: str) -> bool:
    return member(message, name, bool, "true or false")


def number(message: Mapping[str, object], name: str, most: float) -> float:
    """From 0 to `most`."""
    value = message.get(name)
    # JSON's true would pass for 1; a whole number of any length is compared before it is made one
    # of limited precision, which it may be too large for.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Malformed(f"{name}: expected a number from 0 to {most:g}")
    return float(value)


def text(message: Mapping[str, object], name: str, longest: int = MAX_ID) -> str:
    return _short(message.get(name), name, longest)


def participant(message: Mapping[str, object], name: str) -> ParticipantId:
    return participant_id(message.get(name), name)


def participant_id(value: object, name: str) -> ParticipantId:
    """Of a value that need not be a member's: `name` is where it stands."""
    return ParticipantId(_short(value, name, MAX_ID))


def one_of(message: Mapping[str, object], name: str, words: type[Word]) -> Word:
    value = message.get(name)
    if not isinstance(value, str) or value not in tuple(words):
        raise Malformed(f"{name}: expected one of {', '.join(words)}")
    return words(value)


def _short(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise Malformed(f"{name}: expected text of 1 to {longest} characters")
    return value
