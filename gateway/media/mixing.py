"""PURE: what each listener of a group hears: its room's sum, without itself if it speaks (N-1), and
with its own gains and prompts where it has any. As few mixes as possible: who hears the same
shares one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media.groups import Group
from gateway.media.mixer import comfort_noise, limit, room_sums
from gateway.media.playing import Overlay
from gateway.media.runs import where

Pcm = NDArray[np.int16]
Sum = NDArray[np.int32]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Mixes:
    """`pcm` int16[n, 160 or 320], the group's rooms first; of each its lane (see `Speaking`) and
    its room's number. `of_listener` is the index of each listener's mix."""

    pcm: Pcm
    lanes: Rows
    rooms: Rows
    of_listener: Rows
    is_silent: NDArray[np.bool_]
    """Of each room: whether its mix is nothing but comfort noise."""


def mix(
    group: Group,
    heard: Rows,
    frames: Pcm,
    overlay: Overlay,
    tick: int,
    lane_of: Callable[[Rows], Rows],
) -> Mixes:
    """`frames` of the sources at positions `heard`, and what is played on top of them; `lane_of`
    rows that hear a mix of their own."""
    rooms = group.room_of_source[heard]
    count = len(group.rooms)
    speakers = np.bincount(rooms, minlength=count)
    own = group.listener_of_source[heard]
    speaks = where(own >= 0)
    mixes = np.empty((count + len(speaks), frames.shape[1]), np.int32)
    sums, minus = mixes[:count], mixes[count:]
    sums[:] = room_sums(frames, rooms, count)
    np.take(sums, rooms[speaks], axis=0, out=minus, mode="clip")
    minus -= frames if len(speaks) == len(frames) else frames[speaks]
    noise = comfort_noise(tick, frames.shape[1])
    sums[speakers == 0] = noise
    minus[speakers[rooms[speaks]] == 1] = noise
    is_silent = speakers == 0
    for place, played in overlay.rooms.items():
        is_silent[place] = False
        sums[place] += played
        minus[rooms[speaks] == place] += played
    mix_of = group.room_of_listener.copy()
    mix_of[own[speaks]] = count + np.arange(len(speaks))
    changed = _gains(group, heard, frames, mixes, mix_of)
    for own_mix in changed.values():
        # Who has blocked all that speak now hears a room, not a dead line.
        if not own_mix.any():
            own_mix[:] = noise
    for position, played in overlay.listeners.items():
        changed.setdefault(position, mixes[mix_of[position]].copy())
        changed[position] += played
    listeners = np.array(list(changed), np.intp)
    mix_of[listeners] = len(mixes) + np.arange(len(listeners))
    positions = np.concatenate((own[speaks], listeners))
    room_of = np.concatenate((np.arange(count), group.room_of_listener[positions]))
    numbers = group.numbers[room_of]
    lanes = numbers.copy()
    lanes[count:] = lane_of(group.listeners[positions])
    return Mixes(
        limit(np.concatenate((mixes, list(changed.values()))) if changed else mixes),
        lanes,
        numbers,
        mix_of,
        is_silent,
    )


def _gains(group: Group, heard: Rows, frames: Pcm, mixes: Sum, mix_of: Rows) -> dict[int, Sum]:
    """The mixes of listeners who hear somebody that speaks now louder, softer or not at all."""
    changed: dict[int, Sum] = {}
    if any(room.gains for room in group.rooms):
        position = {row: index for index, row in enumerate(group.listeners.tolist())}
        speaking = {row: index for index, row in enumerate(group.sources[heard].tolist())}
        for room in group.rooms:
            for (listener, source), gain in room.gains.items():
                if listener not in position or source not in speaking:
                    continue
                index = position[listener]
                own = changed.setdefault(index, mixes[mix_of[index]].copy())
                own += np.rint(frames[speaking[source]] * (gain - 1.0)).astype(np.int32)
    return changed
