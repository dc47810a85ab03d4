"""Patterns for addresses: `100`, `sip:{room}@host`, `web:{room}`, and which of two is closer.

A pattern is `[scheme:]user[@host]`; what is left out matches anything. In the user part `{name}`
captures one or more of `a-z 0-9 . _ -`. Case does not matter.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from gateway.address import Address

SCHEMES = ("sip", "xmpp", "web")
"""`sip` stands for sips too, as in `Address`."""

MAX_CAPTURES = 3

_PATTERN = re.compile(r"(?:([a-z]+):)?([^@:]+)(?:@([^@:{}]+|\[[0-9a-f:.]+\]))?")
_CAPTURE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_CAPTURED = "[a-z0-9._-]"

# Symbols of a user part beside its literal letters, for `ties`.
_ONE = "one"
_MORE = "more"


class PatternError(ValueError):
    """The text is no pattern; the message says what would be one."""


@dataclass(frozen=True)
class Pattern:
    """One pattern, in lower case; None where anything matches."""

    scheme: str | None
    user: str
    host: str | None
    _regex: re.Pattern[str] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Raises `PatternError`."""
        found = _PATTERN.fullmatch(text.lower())
        if found is None:
            raise PatternError("expected [scheme:]user[@host], such as 100 or sip:{room}@host")
        scheme, user, host = found.groups()
        if scheme is not None and scheme not in SCHEMES:
            raise PatternError(f"expected one of {', '.join(SCHEMES)} before ':', not '{scheme}'")
        return cls(scheme, user, host, _compile(user))

    def __str__(self) -> str:
        scheme = f"{self.scheme}:" if self.scheme else ""
        host = f"@{self.host}" if self.host else ""
        return f"{scheme}{self.user}{host}"

    @cached_property
    def captures(self) -> frozenset[str]:
        return names_in(self.user)

    @property
    def is_exact(self) -> bool:
        return not self.captures

    @cached_property
    def specificity(self) -> tuple[int, bool, bool]:
        """The greater wins: literal characters of the user part, then a host, then a scheme."""
        literal = len(_CAPTURE.sub("", self.user))
        return (literal, self.host is not None, self.scheme is not None)

    def match(self, to: Address) -> Mapping[str, str] | None:
        """What was captured, or None if the pattern does not match."""
        if self.scheme not in (None, to.scheme) or self.host not in (None, to.host):
            return None
        found = self._regex.fullmatch(to.user.lower())
        return None if found is None else found.groupdict()


def fill(template: str, captures: Mapping[str, str]) -> str:
    """`team-{room}` with what was captured. Every name must be there: `names_in` tells them."""
    return _CAPTURE.sub(lambda found: captures[found[1]], template)


def names_in(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(_CAPTURE.findall(template))


def _compile(user: str) -> re.Pattern[str]:
    parts = _CAPTURE.split(user)
    literals, names = parts[0::2], parts[1::2]
    if any("{" in literal or "}" in literal for literal in literals):
        raise PatternError("expected {name} in braces: letters, digits and _")
    if len(set(names)) < len(names):
        raise PatternError("the same name stands here twice")
    if len(names) > MAX_CAPTURES:
        raise PatternError(f"at most {MAX_CAPTURES} names in braces")
    if not all(literals[1:-1]):
        raise PatternError("something must stand between two names in braces")
    regex = re.escape(literals[0])
    for name, literal in zip(names, literals[1:], strict=True):
        regex += f"(?P<{name}>{_CAPTURED}+){re.escape(literal)}"
    return re.compile(regex)


# --- ties -----------------------------------------------------------------------------------


def ties(patterns: Iterable[Pattern]) -> Iterator[tuple[int, int]]:
    """Pairs (by index) of equally specific patterns that one address could match both."""
    alike: dict[tuple[object, ...], list[tuple[int, Pattern]]] = {}
    for index, pattern in enumerate(patterns):
        # Two different hosts or schemes have no address in common. Nor have an exact user part
        # and one with captures, if they are equally specific: the latter's users are longer.
        user = pattern.user if pattern.is_exact else None
        key = (pattern.specificity, pattern.scheme, pattern.host, user)
        alike.setdefault(key, []).append((index, pattern))
    for group in alike.values():
        for (one, first), (other, second) in combinations(group, 2):
            if _overlap(_symbols(first.user), _symbols(second.user)):
                yield one, other


def _symbols(user: str) -> Sequence[str]:
    """The user part letter by letter; a capture is one of its letters and then any number."""
    symbols: list[str] = []
    for index, part in enumerate(_CAPTURE.split(user)):
        symbols += [_ONE, _MORE] if index % 2 else part
    return symbols


def _overlap(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether one text matches both: a walk through the pairs of positions (product automaton)."""
    goal = (len(first), len(second))
    seen = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        if (i, j) == goal:
            return True
        a = first[i] if i < goal[0] else None
        b = second[j] if j < goal[1] else None
        steps = [(i + 1, j)] if a == _MORE else []
        if b == _MORE:
            steps.append((i, j + 1))
        if a is not None and b is not None and _share_a_letter(a, b):
            steps.append((i + (a != _MORE), j + (b != _MORE)))
        fresh = set(steps) - seen
        seen |= fresh
        waiting += fresh
    return False


def _share_a_letter(a: str, b: str) -> bool:
    letters = [symbol for symbol in (a, b) if symbol not in (_ONE, _MORE)]
    if len(letters) == 2:
        return a == b
    return all(re.fullmatch(_CAPTURED, letter) for letter in letters)
