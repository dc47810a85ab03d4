"""PURE: prompts on their way into the mixes, frame by frame: to a whole room, or to one stream.

What is played to a room goes into its sum and into every N-1 mix, and costs nothing more; who hears
a prompt alone hears a mix of its own while it lasts.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media.groups import Group
from gateway.media.half_band import NARROW, WIDE, Downsampler
from gateway.media.runs import where

Pcm = NDArray[np.int16]

_LANE = np.zeros(1, np.intp)


@dataclass(frozen=True, slots=True)
class Sound:
    """A prompt in frames of 20 ms: int16[n, 320] at 16 kHz, int16[n, 160] at 8 kHz."""

    wide: Pcm
    narrow: Pcm

    @classmethod
    def of(cls, samples: Pcm) -> "Sound":
        """From int16[any] at 16 kHz."""
        wide = np.pad(samples, (0, -len(samples) % WIDE)).reshape(-1, WIDE)
        narrow = np.zeros((len(wide), NARROW), np.int16)
        downsampler = Downsampler(1)
        for number, frame in enumerate(wide):
            narrow[number] = downsampler.convert(_LANE, frame[np.newaxis])[0]
        return cls(wide, narrow)

    def __len__(self) -> int:
        return len(self.wide)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What comes on top in one tick: by position of rooms, and of listeners, in a group."""

    rooms: Mapping[int, Pcm] = field(default_factory=dict)
    listeners: Mapping[int, Pcm] = field(default_factory=dict)


NOTHING: Final = Overlay()


@dataclass(frozen=True, slots=True)
class PlayingEnded:
    """All that was to be played in a room, or to a stream of it, was played or stopped."""

    room: int
    row: int | None


class _Playlist:
    """Sounds one after the other."""

    def __init__(self) -> None:
        self._sounds: deque[Sound] = deque()
        self._at = 0
        self.has_begun = False

    def add(self, sounds: Sequence[Sound]) -> None:
        self._sounds.extend(one for one in sounds if len(one))

    def stop(self) -> None:
        """The next frame is the last, and fades: a cut would click."""
        if self._sounds:
            rest = self._sounds[0]
            one = slice(self._at, self._at + 1)
            self._sounds = deque([Sound(_faded(rest.wide[one]), _faded(rest.narrow[one]))])
            self._at = 0

    def next(self, *, wide: bool) -> Pcm | None:
        if not self._sounds:
            return None
        sound = self._sounds[0]
        frame: Pcm = (sound.wide if wide else sound.narrow)[self._at]
        self._at += 1
        self.has_begun = True
        if self._at == len(sound):
            self._sounds.popleft()
            self._at = 0
        return frame


class Playing:
    """All that is being played, by room and, within it, by stream (None: to everybody)."""

    def __init__(self) -> None:
        self._playlists: dict[int, dict[int | None, _Playlist]] = {}
        self._ended: list[PlayingEnded] = []

    def play(self, room: int, row: int | None, sounds: Sequence[Sound]) -> None:
        """After what is being played there."""
        self._playlists.setdefault(room, {}).setdefault(row, _Playlist()).add(sounds)

    def stop(self, room: int, row: int | None) -> None:
        playlist = self._playlists.get(room, {}).get(row)
        if playlist is None:
            return
        if playlist.has_begun:
            playlist.stop()
        else:
            self._end(room, row)

    def forget_room(self, room: int) -> None:
        self._playlists.pop(room, None)

    def forget_row(self, room: int, row: int) -> None:
        self._playlists.get(room, {}).pop(row, None)

    def ended(self) -> list[PlayingEnded]:
        drained, self._ended = self._ended, []
        return drained

    def next(self, group: Group) -> Overlay:
        """One tick. A stream that is not sent to yet, or is on hold, misses nothing."""
        if not self._playlists:
            return NOTHING
        rooms: dict[int, Pcm] = {}
        listeners: dict[int, Pcm] = {}
        for place, room in enumerate(group.rooms):
            for row, playlist in tuple(self._playlists.get(room.number, {}).items()):
                target, positions = (
                    (rooms, [place])
                    if row is None
                    else (listeners, where(group.listeners == row).tolist())
                )
                for position in positions:
                    frame = playlist.next(wide=group.wide)
                    if frame is None:
                        self._end(room.number, row)
                    else:
                        target[position] = frame
        return Overlay(rooms, listeners)

    def _end(self, room: int, row: int | None) -> None:
        self._ended.append(PlayingEnded(room, row))
        del self._playlists[room][row]
        if not self._playlists[room]:
            del self._playlists[room]


def _faded(frames: Pcm) -> Pcm:
    ramp = np.linspace(1.0, 0.0, frames.shape[1])
    return np.rint(frames * ramp).astype(np.int16)
