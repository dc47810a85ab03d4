"""What was when: a picture that changes, and all its changes of the last minutes.

The picture is a set of entries, each with a key. Nothing here knows what they mean. What is older
than `keep`, or too much, goes into the oldest picture that can still be asked for.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

Key = tuple[str, ...]
Entry = Mapping[str, object]
"""Plain values for JSON. Never changed once it was given."""

KEEP = 600.0
"""Seconds."""

MOST = 50_000
"""Changes, of about 400 octets each: a room of 100 is the only one that comes near it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry is as it says from then on."""

    number: int
    """Each change's is one more than that of the one before."""
    at: float
    key: Key
    entry: Entry | None
    """None: there is no such entry any more."""


class Journal:
    """Changes come in the order of their times."""

    def __init__(self, now: float, keep: float = KEEP, most: int = MOST) -> None:
        self._keep = keep
        self._most = most
        self.oldest: dict[Key, Entry] = {}
        """The picture of `since`."""
        self._changes: deque[Change] = deque()
        self._now: dict[Key, Entry] = {}
        self.since = now
        """The earliest time that `at` knows."""
        self.number = 0
        """Of the last change."""

    @property
    def now(self) -> Mapping[Key, Entry]:
        return self._now

    def set(self, key: Key, entry: Entry, now: float) -> None:
        if self._now.get(key) != entry:
            self._now[key] = entry
            self._add(key, entry, now)

    def remove(self, key: Key, now: float) -> None:
        if self._now.pop(key, None) is not None:
            self._add(key, None, now)

    def at(self, time: float) -> dict[Key, Entry]:
        """The whole picture as it was then; before `since` it is that of `since`."""
        picture = dict(self.oldest)
        for change in self._changes:
            if change.at > max(time, self.since):
                break
            _apply(change, picture)
        return picture

    def changes(self) -> list[Change]:
        """All that came after `oldest`."""
        return list(self._changes)

    def after(self, number: int) -> list[Change] | None:
        """All changes since the one of this number; None: they are not all known any more."""
        if number < self.number - len(self._changes):
            return None
        found = []
        for change in reversed(self._changes):
            if change.number <= number:
                break
            found.append(change)
        return found[::-1]

    def _add(self, key: Key, entry: Entry | None, now: float) -> None:
        self.number += 1
        self._changes.append(Change(self.number, now, key, entry))
        while len(self._changes) > self._most or self._changes[0].at < now - self._keep:
            oldest = self._changes.popleft()
            _apply(oldest, self.oldest)
            self.since = oldest.at


def _apply(change: Change, picture: dict[Key, Entry]) -> None:
    if change.entry is None:
        picture.pop(change.key, None)
    else:
        picture[change.key] = change.entry
