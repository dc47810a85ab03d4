"""What a conference says to those who hear it by the mix: phones and XMPP clients.

Decides which prompt is played to whom and when; knows nothing of sounds. Browsers see what these
hear: the page tells who is here and whether it is recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ports import ParticipantId

ALONE_AFTER: Final = 1.5
"""Seconds until somebody is told that nobody else is there: the phone is at the ear by then, and
who comes at the same time has come."""

SMALL: Final = 10
"""Participants up to which everybody is interested in everybody's coming and going."""

TONES_APART: Final = 1.0
"""Seconds: several who come at once are one tone, and who comes and goes for fun is not many."""


@dataclass(frozen=True, slots=True)
class Play:
    """To one participant, or (None) to all who hear the mix."""

    to: ParticipantId | None
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """Whatever is being played to this one."""

    to: ParticipantId


Announcement = Play | StopPlaying


class Announcements:
    """Of one conference. Call a method, then drain `events()`."""

    def __init__(self, *, enabled: bool) -> None:
        """`enabled`: whether more is said than that the conference is recorded."""
        self._enabled = enabled
        self._listeners: set[ParticipantId] = set()
        self._others = 0
        """Participants who do not hear the mix."""
        self._recorded = False
        self._next_tone = 0.0
        self._alone: ParticipantId | None = None
        self._due: float | None = None
        """When that is to be said; None: it has been."""
        self._events: list[Announcement] = []

    def joined(self, who: ParticipantId, now: float, *, listens: bool) -> None:
        """`listens`: whether they hear the mix."""
        if self._alone is not None and self._due is None:
            self._events.append(StopPlaying(self._alone))
        self._alone = self._due = None
        if listens and self._enabled and not self._count:
            self._alone, self._due = who, now + ALONE_AFTER
        self._tone("join", now)
        if listens:
            self._listeners.add(who)
            if self._recorded:
                self._events.append(Play(who, ("recording-started",)))
        else:
            self._others += 1

    def left(self, who: ParticipantId, now: float) -> None:
        if who in self._listeners:
            self._listeners.discard(who)
        else:
            self._others -= 1
        self._alone = self._due = None
        self._tone("leave", now)

    def recorded(self, recorded: bool) -> None:
        """Everybody has to know, also in a large conference."""
        if recorded != self._recorded:
            self._recorded = recorded
            prompt = "recording-started" if recorded else "recording-stopped"
            if self._listeners:
                self._events.append(Play(None, (prompt,)))

    def next_timeout(self) -> float | None:
        return self._due

    def handle_timeout(self, now: float) -> None:
        if self._due is not None and self._due <= now:
            self._due = None
            self._events.append(Play(self._alone, ("you-are-alone",)))

    def events(self) -> Sequence[Announcement]:
        drained, self._events = self._events, []
        return drained

    @property
    def _count(self) -> int:
        return len(self._listeners) + self._others

    def _tone(self, prompt: str, now: float) -> None:
        """To those who were here before, or are still."""
        is_wanted = self._enabled and self._listeners and self._count <= SMALL
        if is_wanted and now >= self._next_tone:
            self._next_tone = now + TONES_APART
            self._events.append(Play(None, (prompt,)))
