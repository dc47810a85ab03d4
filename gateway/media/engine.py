"""The media engine: rooms of streams, mixed every 20 ms. No event loop, no clock of its own.

Whoever drives it brings received packets (`receive`) and calls `tick` for one of the four phases
every 5 ms; each room belongs to a phase, so that the work is spread over the 20 ms. Time is given
in monotonic seconds.

What a tick does is the same few array operations for all rooms of a phase together; per stream
only what has to be: Opus and G.722 for those who are heard, and for each room once.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media.fan_out import RING_ENTRIES
from gateway.media.formats import CLOCK_RATE, Format
from gateway.media.forwarding import Forwarding
from gateway.media.groups import Group, Room, Tap
from gateway.media.hearing import Hearing, level_of
from gateway.media.intake import Digit, Intake
from gateway.media.jitter import BLEND, PLAY, REST, SILENT, JitterBuffers, Pulled
from gateway.media.mixing import mix
from gateway.media.playing import Playing, PlayingEnded, Sound
from gateway.media.rtp_rows import UNKNOWN_LEVEL, RtpRows
from gateway.media.runs import where
from gateway.media.single import SinglePackets
from gateway.media.speakers import SILENCE, Speakers
from gateway.media.speaking import Speaking
from gateway.media.streams import NOBODY, Receiving, Sending, Streams
from gateway.media.telephone_event_sender import EventSender
from gateway.media.uring import Ring

log = logging.getLogger("trestle.media")

Rows = NDArray[np.intp]
Pcm = NDArray[np.int16]

_PCMA = int(Format.PCMA)

PHASES = 4
TICK = 0.020


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """A stream that became a source has given its first frame."""

    row: int


@dataclass(frozen=True, slots=True)
class RoomFailed:
    """A fault of ours: the room is not mixed any more."""

    number: int


EngineEvent = Digit | FirstFrame | PlayingEnded | RoomFailed


class Engine:
    """`capacity` streams in up to as many rooms."""

    def __init__(self, capacity: int, random: Callable[[int], int], *, speakers: int = 4) -> None:
        """`random(bits)` gives numbers nobody can guess; `speakers` of a room are mixed."""
        self.streams = Streams(capacity)
        self.jitter = JitterBuffers(capacity)
        self._most = speakers
        self._random = random
        self._speakers = Speakers(capacity)
        self._hearing = Hearing(self.jitter, self.streams.format)
        self._speaking = Speaking(capacity, capacity)
        self._rooms: dict[int, Room] = {}
        self._free_rooms = list(range(capacity - 1, -1, -1))
        self._groups: list[list[Group] | None] = [None] * PHASES
        self._intake = Intake(self.streams, self.jitter, self._hearing, self._change_of)
        self._single = SinglePackets(self.streams)
        self._forwarding = Forwarding(self.streams, self.jitter, self._single)
        self._dialling: dict[int, EventSender] = {}
        """Rows that digits are being sent on."""
        self._playing = Playing()
        self._ring = Ring.open(RING_ENTRIES, RING_ENTRIES)
        self._events: list[EngineEvent] = []

    def close(self) -> None:
        """Nothing is sent any more."""
        if self._ring is not None:
            self._ring.close()

    # --- rooms and streams -------------------------------------------------------------------

    def open_room(self) -> int:
        number = self._free_rooms.pop()
        load = [0] * PHASES
        for room in self._rooms.values():
            load[room.phase] += 1 + len(room.rows)
        self._rooms[number] = Room(number, load.index(min(load)))
        return number

    def close_room(self, number: int) -> None:
        """Its streams are closed already."""
        del self._rooms[number]
        self._speaking.forget_room(number)
        self._playing.forget_room(number)
        self._free_rooms.append(number)

    def phase_of(self, room: int) -> int:
        return self._rooms[room].phase

    def open_stream(self, room: int, format_: Format, *, is_leg: bool) -> int:
        """A leg hears its room's mix; others only what is forwarded to them."""
        start = (self._random(15), self._random(32))
        row = self.streams.take(room, format_, is_leg=is_leg, start=start)
        self._reset(row, format_)
        self._rooms[room].rows.add(row)
        self._change(room)
        return row

    def close_stream(self, row: int) -> None:
        room = int(self.streams.room[row])
        self._rooms[room].rows.discard(row)
        gains = self._rooms[room].gains
        self._rooms[room].gains = {pair: gains[pair] for pair in gains if row not in pair}
        self._forwarding.close(row)
        self._playing.forget_row(room, row)
        self._forget(row)
        self._intake.forget_keys(row)
        self._dialling.pop(row, None)
        self._speaking.forget_row(row)
        self.streams.give_back(row)
        self._change(room)

    def set_format(self, row: int, format_: Format) -> None:
        """From a later offer: the stream begins anew, its numbers go on."""
        self.streams.set_format(row, format_)
        self._dialling.pop(row, None)
        self._speaking.forget_row(row)
        self._reset(row, format_)
        self._change_of(row)

    def receive_on(self, row: int, receiving: Receiving | None) -> None:
        streams = self.streams
        streams.receive_type[row] = receiving.payload_type if receiving else NOBODY
        streams.events_type[row] = receiving.events_type if receiving else NOBODY
        streams.noise_type[row] = receiving.noise_type if receiving else NOBODY
        streams.level_number[row] = receiving.level_number if receiving else 0
        self._change_of(row)

    def send_on(self, row: int, sending: Sending | None) -> None:
        if sending is None:
            self.streams.sending.pop(row, None)
        else:
            self.streams.sending[row] = sending
        self._change_of(row)

    def mute(self, row: int, muted: bool) -> None:
        self.streams.is_muted[row] = muted

    def set_source(self, row: int, is_source: bool) -> None:
        """Whether its room hears the stream."""
        self.streams.is_source[row] = is_source

    def end_source(self, row: int) -> None:
        """What is received on the stream is over; another may begin there."""
        self.jitter.end(row)
        self._intake.forget(row)

    def tell_first_frame(self, row: int) -> None:
        """The next frame of a stream that is no leg's is told again."""
        self.streams.was_told[row] = False

    def set_gains(self, room: int, gains: Mapping[tuple[int, int], float]) -> None:
        """By (listener, source): what one leg hears of another stream. 0.0 is a block; pairs that
        are not named hear each other as everybody does."""
        self._rooms[room].gains = dict(gains)

    def forward(self, source: int, target: int) -> None:
        """`source` goes out alone on `target`, an Opus stream, while it speaks."""
        self._forwarding.start(source, target)
        self._change_of(source)

    def stop_forwarding(self, source: int, target: int) -> None:
        self._forwarding.stop(source, target)

    def send_digits(self, row: int, digits: str) -> None:
        """After those that are still being sent. Raises `ValueError` for what is on no keypad, and
        `LookupError` where the peer takes no telephone events, or nothing at all now."""
        sending = self.streams.sending.get(row)
        if sending is None or sending.events_type == NOBODY:
            raise LookupError("no telephone events are agreed on")
        sender = self._dialling.get(row) or EventSender(sending.events_rate // 50)
        sender.add(digits)
        self._dialling[row] = sender

    def play(self, room: int, row: int | None, sounds: Sequence[Sound]) -> None:
        """To one leg, or to all of the room, after what is being played there."""
        self._playing.play(room, row, sounds)

    def stop_playing(self, room: int, row: int | None) -> None:
        self._playing.stop(room, row)

    def record(self, room: int, tap: Tap | None) -> None:
        """From now on `tap` takes the room's mix; None: nobody does."""
        self._rooms[room].tap = tap

    def level(self, row: int) -> float:
        """dBov of what is received on the stream, as the choice of speakers sees it."""
        return float(self._speakers.level[row])

    @property
    def dropped(self) -> int:
        """Packets of no stream, too many of one, or not what was negotiated."""
        return self._intake.dropped

    def events(self) -> list[EngineEvent]:
        drained, self._events = self._events, []
        drained += self._intake.digits()
        drained += self._playing.ended()
        return drained

    # --- packets -----------------------------------------------------------------------------

    def receive(
        self,
        buffer: NDArray[np.uint8],
        which: Rows,
        packets: RtpRows,
        rows: Rows,
        arrivals: NDArray[np.float64],
    ) -> None:
        """Opened RTP: packet i is `buffer[which[i]]`, of stream `rows[i]`; in order of arrival."""
        self._intake.receive(buffer, which, packets, rows, arrivals)

    def handle_timeout(self, now: float) -> None:
        """A few times in a second."""
        self._intake.handle_timeout(now)

    # --- the tick ----------------------------------------------------------------------------

    def tick(self, phase: int, now: float) -> None:
        """`now` is when the tick was due, not when it came to run."""
        # Without the phase the ticks of one could fall on the border of rounding.
        tick = round(now / TICK - phase / PHASES)
        if phase == 0:
            self._intake.renew()
        groups = self._groups[phase]
        if groups is None:
            groups = self._groups[phase] = self._regroup(phase)
        for group in groups:
            try:
                self._mix(group, tick, now)
            except Exception:
                self._part(phase, group)
        if self._dialling:
            self._dial(phase, tick)

    def _dial(self, phase: int, tick: int) -> None:
        for row, sender in tuple(self._dialling.items()):
            sending = self.streams.sending.get(row)
            if sender.is_idle or sending is None or sending.events_type == NOBODY:
                del self._dialling[row]
            elif self.phase_of(int(self.streams.room[row])) == phase:
                packet = sender.next(self.streams.timestamp(row, tick))
                if packet is not None:
                    self._single.send(
                        row,
                        sending.events_type,
                        packet.timestamp,
                        packet.payload,
                        marker=packet.marker,
                    )

    def _part(self, phase: int, group: Group) -> None:
        """A fault of ours ends one room at most: the rooms of a group are mixed each for itself
        from now on, and the one that fails again is given up."""
        log.exception("mixing failed by a fault of ours, in one of %d rooms", len(group.rooms))
        if len(group.rooms) > 1:
            single = [self._group([room], wide=group.wide) for room in group.rooms]
            groups = self._groups[phase] or []
            self._groups[phase] = [one for one in groups if one is not group] + single
        elif not group.rooms[0].has_failed:
            group.rooms[0].has_failed = True
            self._events.append(RoomFailed(group.rooms[0].number))
            self._groups[phase] = None

    def _regroup(self, phase: int) -> list[Group]:
        rooms = [
            room
            for room in self._rooms.values()
            if room.phase == phase and room.rows and not room.has_failed
        ]
        wide = [room for room in rooms if self._is_wide(room)]
        narrow = [room for room in rooms if not self._is_wide(room)]
        return [self._group(some, wide=some is wide) for some in (narrow, wide) if some]

    def _group(self, rooms: list[Room], *, wide: bool) -> Group:
        return Group(rooms, self.streams, self._ring, wide=wide)

    def _is_wide(self, room: Room) -> bool:
        """8 kHz will do where everybody speaks G.711 and nobody is heard by a browser."""
        streams, rows = self.streams, list(room.rows)
        return bool(
            (streams.format[rows] > _PCMA).any()
            or streams.is_repacked[rows].any()
            or any(row in self._forwarding for row in rows)
        )

    def _mix(self, group: Group, tick: int, now: float) -> None:
        rows = group.sources
        pulled = self.jitter.pull(rows, ~self._speakers.heard[rows], now)
        audible = self.streams.is_source[rows] & ~self.streams.is_muted[rows]
        levels, decoded = self._levels(group, pulled, audible, tick)
        heard = self._speakers.choose(rows, group.room_of_source, levels, self._most)
        heard &= pulled.state != SILENT
        self._tell_first_frames(rows, pulled)
        spoken = self._speakers.is_speaking(rows) & (levels > SILENCE)
        # Decoders have a memory: a frame that is wanted twice is decoded once.
        alone = self._forwarding.wanted(group, pulled, spoken)
        mixed = where(heard)
        wanted = np.union1d(mixed, alone) if len(alone) else mixed
        frames = self._frames(group, pulled, wanted, decoded, tick)
        self._forwarding.send(group, pulled, spoken, (wanted, frames), tick)
        if len(wanted) > len(mixed):
            frames = frames[np.searchsorted(wanted, mixed)]
        self._send_mixes(group, mixed, frames, tick)

    def _levels(
        self, group: Group, pulled: Pulled, audible: NDArray[np.bool_], tick: int
    ) -> tuple[NDArray[np.float32], tuple[Rows, Pcm]]:
        """dBov of each source now, and the frames of those that had to be decoded to know it."""
        rows = group.sources
        said = self.jitter.levels[pulled.place]
        playing = (pulled.state == PLAY) | (pulled.state == BLEND)
        before = self._speakers.level[rows]
        levels = np.where(playing, -said.astype(np.float32), before)
        levels[(pulled.state == SILENT) | (pulled.state == REST) | ~audible] = SILENCE
        unknown = where(playing & audible & (said == UNKNOWN_LEVEL))
        frames = np.zeros((0, 0), np.int16)
        if len(unknown):
            frames = self._decode(group, pulled, unknown, tick)
            scaled = frames.astype(np.float32) / 32_768
            levels[unknown] = level_of(np.mean(scaled * scaled, axis=1))
        return levels.astype(np.float32), (unknown, frames)

    def _decode(self, group: Group, pulled: Pulled, which: Rows, tick: int) -> Pcm:
        return self._hearing.decode(group.sources, pulled, which, tick, wide=group.wide)

    def _frames(
        self, group: Group, pulled: Pulled, heard: Rows, decoded: tuple[Rows, Pcm], tick: int
    ) -> Pcm:
        """One frame for each source that is heard, mixed or alone."""
        known, frames = decoded
        if not len(known):
            return self._decode(group, pulled, heard, tick)
        place = np.searchsorted(known, heard)
        place[place == len(known)] = 0
        is_known = known[place] == heard
        out = np.empty((len(heard), frames.shape[1]), np.int16)
        out[is_known] = frames[place[is_known]]
        out[~is_known] = self._decode(group, pulled, heard[~is_known], tick)
        return out

    def _tell_first_frames(self, rows: Rows, pulled: Pulled) -> None:
        streams = self.streams
        playing = (pulled.state == PLAY) | (pulled.state == REST)
        first = playing & ~streams.was_told[rows] & ~streams.is_leg[rows]
        for row in rows[first].tolist():
            streams.was_told[row] = True
            self._events.append(FirstFrame(row))

    def _send_mixes(self, group: Group, heard: Rows, frames: Pcm, tick: int) -> None:
        overlay = self._playing.next(group)
        taps = [(place, room.tap) for place, room in enumerate(group.rooms) if room.tap]
        if not len(group.listeners) and not taps:
            return
        mixes = mix(group, heard, frames, overlay, tick, self._speaking.lane_of)
        for place, tap in taps:
            # Comfort is for who waits on the line: on disk it would cost as much as speech.
            pcm = mixes.pcm[place]
            tap(tick, np.zeros_like(pcm) if mixes.is_silent[place] else pcm)
        if len(group.listeners):
            payloads = self._speaking.encode(
                mixes.pcm, mixes.lanes, mixes.rooms, mixes.of_listener, group.formats, tick
            )
            group.send(self.streams, payloads, tick)

    # --- inside ------------------------------------------------------------------------------

    def _reset(self, row: int, format_: Format) -> None:
        self._forget(row)
        self.jitter.open(row, int(CLOCK_RATE[format_]), has_fec=format_ is Format.OPUS)

    def _forget(self, row: int) -> None:
        self._hearing.forget(row)
        self._speakers.forget(row)
        self._intake.forget(row)
        self._forwarding.forget(row)

    def _change_of(self, row: int) -> None:
        self._change(int(self.streams.room[row]))

    def _change(self, room: int) -> None:
        self._groups[self._rooms[room].phase] = None
