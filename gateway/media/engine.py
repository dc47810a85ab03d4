"""The media engine: rooms of streams, mixed every 20 ms. No event loop, no clock of its own.

Whoever drives it brings received packets (`receive`) and calls `tick` for one of the four phases
every 5 ms; each room belongs to a phase, so that the work is spread over the 20 ms. Time is given
in monotonic seconds.

What a tick does is the same few array operations for all rooms of a phase together; per stream
only what has to be: Opus and G.722 for those who are heard, and for each room once.
"""

import logging
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import Outbox, address_row
from gateway.media.formats import CLOCK_RATE, OCTETS, Format
from gateway.media.groups import HEADER, Group, Room
from gateway.media.hearing import Hearing, level_of, levels_of
from gateway.media.jitter import BLEND, PCM, PLAY, SILENT, WIDTH, JitterBuffers, Pulled
from gateway.media.mixer import comfort_noise, limit, room_sums
from gateway.media.opus import IS_20_MS, MAX_PAYLOAD, Encoder
from gateway.media.repacking import Repacker
from gateway.media.rtp_rows import UNKNOWN_LEVEL, RtpRows, audio_levels
from gateway.media.runs import where
from gateway.media.speakers import SILENCE, Speakers
from gateway.media.speaking import Speaking
from gateway.media.srtp import MAX_TRAILER, PacketRows
from gateway.media.streams import NOBODY, Receiving, Sending, Streams
from gateway.media.telephone_event import TelephoneEvents

log = logging.getLogger("trestle.media")

Rows = NDArray[np.intp]
Pcm = NDArray[np.int16]

_PCMA, _OPUS = int(Format.PCMA), int(Format.OPUS)

PHASES = 4
TICK = 0.020

_EXTENSION = 24
"""Octets of a MID header extension at most."""

_FORWARDED = 512
"""Packets to browsers that are sent at once."""

_DIGIT_TIMEOUT = 0.05


@dataclass(frozen=True, slots=True)
class Digit:
    """A key press on a stream has ended."""

    row: int
    digit: str


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """A stream that became a source has given its first frame."""

    row: int


@dataclass(frozen=True, slots=True)
class RoomFailed:
    """A fault of ours: the room is not mixed any more."""

    number: int


EngineEvent = Digit | FirstFrame | RoomFailed


class Engine:
    """`capacity` streams in up to as many rooms."""

    def __init__(self, capacity: int, random: Callable[[int], int], *, speakers: int = 4) -> None:
        """`random(bits)` gives numbers nobody can guess; `speakers` of a room are mixed."""
        self.streams = Streams(capacity)
        self.jitter = JitterBuffers(capacity)
        self.dropped = 0
        """Packets of no stream, or not what was negotiated."""
        self._most = speakers
        self._random = random
        self._speakers = Speakers(capacity)
        self._hearing = Hearing(self.jitter, self.streams.format)
        self._speaking = Speaking(capacity, capacity)
        self._rooms: dict[int, Room] = {}
        self._free_rooms = list(range(capacity - 1, -1, -1))
        self._groups: list[list[Group] | None] = [None] * PHASES
        self._repackers: dict[int, Repacker] = {}
        self._keys: dict[int, TelephoneEvents] = {}
        self._forwards: dict[int, list[int]] = {}
        """By source: the streams that it goes out on alone."""
        self._forward_encoders: dict[int, Encoder] = {}
        self._was_forwarded: set[int] = set()
        self._outbox = Outbox(_FORWARDED, HEADER + _EXTENSION + WIDTH + MAX_TRAILER)
        self._packets = PacketRows(self._outbox.rows, self._outbox.lengths)
        self._events: list[EngineEvent] = []

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
        self._forwards.pop(row, None)
        for source in tuple(self._forwards):
            self.stop_forwarding(source, row)
        self._forget(row)
        self._keys.pop(row, None)
        self._speaking.forget_row(row)
        self.streams.give_back(row)
        self._change(room)

    def set_format(self, row: int, format_: Format) -> None:
        """From a later offer: the stream begins anew, its numbers go on."""
        self.streams.set_format(row, format_)
        self._speaking.forget_row(row)
        self._reset(row, format_)
        self._change(int(self.streams.room[row]))

    def receive_on(self, row: int, receiving: Receiving | None) -> None:
        streams = self.streams
        streams.receive_type[row] = receiving.payload_type if receiving else NOBODY
        streams.events_type[row] = receiving.events_type if receiving else NOBODY
        streams.level_number[row] = receiving.level_number if receiving else 0
        self._change(int(streams.room[row]))

    def send_on(self, row: int, sending: Sending | None) -> None:
        if sending is None:
            self.streams.sending.pop(row, None)
        else:
            self.streams.sending[row] = sending
        self._change(int(self.streams.room[row]))

    def mute(self, row: int, muted: bool) -> None:
        self.streams.is_muted[row] = muted

    def set_source(self, row: int, is_source: bool) -> None:
        """Whether its room hears the stream."""
        self.streams.is_source[row] = is_source

    def tell_first_frame(self, row: int) -> None:
        """The next frame of a stream that is no leg's is told again."""
        self.streams.was_told[row] = False

    def set_gain(self, listener: int, source: int, gain: float) -> None:
        """What one leg hears of another stream: 0.0 is a block, 1.0 is as everybody."""
        room = self._rooms[int(self.streams.room[listener])]
        room.gains.pop((listener, source), None)
        if gain != 1.0:
            room.gains[listener, source] = gain

    def forward(self, source: int, target: int) -> None:
        """`source` goes out alone on `target`, an Opus stream, while it speaks."""
        self._forwards.setdefault(source, []).append(target)
        self._change(int(self.streams.room[source]))

    def stop_forwarding(self, source: int, target: int) -> None:
        targets = self._forwards.get(source, [])
        if target in targets:
            targets.remove(target)
        if not targets:
            self._forwards.pop(source, None)
            self._forward_encoders.pop(source, None)

    def events(self) -> list[EngineEvent]:
        drained, self._events = self._events, []
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
        streams = self.streams
        known = packets.valid & (rows >= 0)
        is_audio = known & (packets.payload_type == streams.receive_type[rows])
        is_event = known & ~is_audio & (packets.payload_type == streams.events_type[rows])
        taken = is_audio | is_event
        self.dropped += len(rows) - int(taken.sum())
        streams.last_heard[rows[taken]] = arrivals[taken]
        np.add.at(streams.packets_received, rows[taken], 1)
        for index in where(is_event).tolist():
            payload = buffer[which[index], packets.start[index] : packets.end[index]].tobytes()
            self._receive_event(int(rows[index]), payload, int(packets.timestamp[index]), arrivals)
        self._receive_audio(buffer, which, packets, rows, arrivals, where(is_audio))

    def _receive_audio(
        self,
        buffer: NDArray[np.uint8],
        which: Rows,
        packets: RtpRows,
        rows: Rows,
        arrivals: NDArray[np.float64],
        audio: Rows,
    ) -> None:
        streams = self.streams
        lengths = packets.end - packets.start
        formats = streams.format[rows]
        first = buffer[which, np.minimum(packets.start, buffer.shape[1] - 1)]
        regular = np.where(
            formats == _OPUS,
            IS_20_MS[first] & (lengths > 0) & (lengths <= WIDTH),
            lengths == OCTETS,
        )
        regular &= ~streams.is_repacked[rows]
        for index in audio[~regular[audio]].tolist():
            payload = buffer[which[index], packets.start[index] : packets.end[index]]
            self._repack(index, int(rows[index]), payload, packets, float(arrivals[index]))
        audio = audio[regular[audio]]
        for start in np.unique(packets.start[audio]).tolist():
            some = audio[packets.start[audio] == start]
            width = int(lengths[some].max())
            payloads = buffer[which[some], start : start + width]
            levels = levels_of(payloads, formats[some])
            is_opus = where(formats[some] == _OPUS)
            if len(is_opus):
                opus = some[is_opus]
                numbers = streams.level_number[rows[opus]]
                levels[is_opus] = audio_levels(buffer[which[opus]], packets.take(opus), numbers)
            self.jitter.put(
                rows[some],
                packets.sequence[some],
                packets.timestamp[some],
                packets.ssrc[some],
                arrivals[some],
                payloads,
                lengths[some].astype(np.int16),
                levels,
            )

    def _repack(
        self,
        index: int,
        row: int,
        payload: NDArray[np.uint8],
        packets: RtpRows,
        arrival: float,
    ) -> None:
        """A packet that is not 20 ms long: its stream is cut anew from here on."""
        if not len(payload):
            return
        if row not in self._repackers:
            self._repackers[row] = self._hearing.repacker(row)
            self.streams.is_repacked[row] = True
            self._change(int(self.streams.room[row]))
        sequence, timestamp = int(packets.sequence[index]), int(packets.timestamp[index])
        payload = np.ascontiguousarray(payload)
        for frame in self._repackers[row].receive(sequence, timestamp, payload):
            power = np.mean((frame.pcm.astype(np.float32) / 32_768) ** 2, keepdims=True)
            self.jitter.put(
                np.array([row]),
                np.array([frame.sequence]),
                np.array([frame.timestamp]),
                packets.ssrc[index : index + 1],
                np.array([arrival]),
                frame.pcm.view(np.uint8)[np.newaxis],
                np.array([PCM], np.int16),
                (-level_of(power)).astype(np.uint8),
            )

    def _receive_event(
        self, row: int, payload: bytes, timestamp: int, arrivals: NDArray[np.float64]
    ) -> None:
        keys = self._keys.setdefault(row, TelephoneEvents())
        for digit in keys.receive(payload, timestamp, float(arrivals[-1])):
            self._events.append(Digit(row, digit))

    def handle_timeout(self, now: float) -> None:
        """Key presses whose end got lost; a few times in a second."""
        for row, keys in self._keys.items():
            for digit in keys.handle_timeout(now):
                self._events.append(Digit(row, digit))

    # --- the tick ----------------------------------------------------------------------------

    def tick(self, phase: int, now: float) -> None:
        """`now` is when the tick was due, not when it came to run."""
        groups = self._groups[phase]
        if groups is None:
            groups = self._groups[phase] = self._regroup(phase)
        for group in groups:
            try:
                self._mix(group, now)
            except Exception:
                self._part(phase, group)

    def _part(self, phase: int, group: Group) -> None:
        """A fault of ours ends one room at most: the rooms of a group are mixed each for itself
        from now on, and the one that fails again is given up."""
        log.exception("mixing failed by a fault of ours, in one of %d rooms", len(group.rooms))
        if len(group.rooms) > 1:
            single = [Group([room], self.streams, wide=group.wide) for room in group.rooms]
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
        return [Group(some, self.streams, wide=some is wide) for some in (narrow, wide) if some]

    def _is_wide(self, room: Room) -> bool:
        """8 kHz will do where everybody speaks G.711 and nobody is heard by a browser."""
        streams, rows = self.streams, list(room.rows)
        return bool(
            (streams.format[rows] > _PCMA).any()
            or streams.is_repacked[rows].any()
            or any(row in self._forwards for row in rows)
        )

    def _mix(self, group: Group, now: float) -> None:
        tick = round(now / TICK)
        rows = group.sources
        pulled = self.jitter.pull(rows, ~self._speakers.heard[rows], now)
        audible = self.streams.is_source[rows] & ~self.streams.is_muted[rows]
        levels, decoded = self._levels(group, pulled, audible, tick)
        heard = self._speakers.choose(rows, group.room_of_source, levels, self._most)
        heard &= pulled.state != SILENT
        self._tell_first_frames(rows, pulled)
        frames = self._frames(group, pulled, where(heard), decoded, tick)
        if self._forwards:
            self._forward_all(group, pulled, levels, tick)
        self._send_mixes(group, where(heard), frames, tick)

    def _levels(
        self, group: Group, pulled: Pulled, audible: NDArray[np.bool_], tick: int
    ) -> tuple[NDArray[np.float32], tuple[Rows, Pcm]]:
        """dBov of each source now, and the frames of those that had to be decoded to know it."""
        rows = group.sources
        said = self.jitter.levels[pulled.place]
        playing = (pulled.state == PLAY) | (pulled.state == BLEND)
        before = self._speakers.level[rows]
        levels = np.where(playing, -said.astype(np.float32), before)
        levels[(pulled.state == SILENT) | ~audible] = SILENCE
        unknown = where(playing & audible & (said == UNKNOWN_LEVEL))
        frames = self._decode(group, pulled, unknown, tick)
        if len(unknown):
            scaled = frames.astype(np.float32) / 32_768
            levels[unknown] = level_of(np.mean(scaled * scaled, axis=1))
        return levels.astype(np.float32), (unknown, frames)

    def _decode(self, group: Group, pulled: Pulled, which: Rows, tick: int) -> Pcm:
        return self._hearing.frames(
            group.sources[which],
            pulled.state[which],
            pulled.place[which],
            pulled.following[which],
            pulled.previous[which],
            tick,
            wide=group.wide,
        )

    def _frames(
        self, group: Group, pulled: Pulled, heard: Rows, decoded: tuple[Rows, Pcm], tick: int
    ) -> Pcm:
        """One frame for each source that is heard."""
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
        first = (pulled.state == PLAY) & ~streams.was_told[rows] & ~streams.is_leg[rows]
        for row in rows[first].tolist():
            streams.was_told[row] = True
            self._events.append(FirstFrame(row))

    def _send_mixes(self, group: Group, heard: Rows, frames: Pcm, tick: int) -> None:
        if not len(group.listeners):
            return
        rooms = group.room_of_source[heard]
        count = len(group.rooms)
        sums = room_sums(frames, rooms, count)
        speakers = np.bincount(rooms, minlength=count)
        own = group.listener_of_source[heard]
        speaks = where(own >= 0)
        minus = sums[rooms[speaks]] - frames[speaks]
        noise = comfort_noise(tick, frames.shape[1])
        sums[speakers == 0] = noise
        minus[speakers[rooms[speaks]] == 1] = noise
        mix_of = group.room_of_listener.copy()
        mix_of[own[speaks]] = count + np.arange(len(speaks))
        listeners, extra = self._with_gains(group, heard, frames, sums, minus, mix_of)
        mixes = limit(np.concatenate((sums, minus, extra)))
        their_rooms = group.room_of_listener[listeners]
        room_of = np.concatenate((np.arange(count), rooms[speaks], their_rooms))
        own_rows = np.concatenate((group.listeners[own[speaks]], group.listeners[listeners]))
        mix_of[listeners] = count + len(speaks) + np.arange(len(listeners))
        numbers = group.numbers[room_of]
        lanes = numbers.copy()
        lanes[count:] = self._speaking.lane_of(0) + own_rows
        payloads = self._speaking.encode(mixes, lanes, numbers, mix_of, group.formats, tick)
        self._send(group, payloads.octets, payloads.lengths, payloads.of_listener, tick)

    def _with_gains(
        self,
        group: Group,
        heard: Rows,
        frames: Pcm,
        sums: NDArray[np.int32],
        minus: NDArray[np.int32],
        mix_of: Rows,
    ) -> tuple[Rows, NDArray[np.int32]]:
        """The listeners who hear somebody that speaks now louder, softer or not at all."""
        listeners: list[int] = []
        extra: list[NDArray[np.int32]] = []
        if any(room.gains for room in group.rooms):
            position = {row: index for index, row in enumerate(group.listeners.tolist())}
            mixes = np.concatenate((sums, minus))
            speaking = {int(row): index for index, row in enumerate(group.sources[heard])}
            for room in group.rooms:
                for (listener, source), gain in room.gains.items():
                    if listener not in position or source not in speaking:
                        continue
                    index = position[listener]
                    if index not in listeners:
                        listeners.append(index)
                        extra.append(mixes[mix_of[index]].copy())
                    change = frames[speaking[source]] * (gain - 1.0)
                    extra[listeners.index(index)] += np.rint(change).astype(np.int32)
        if not extra:
            return np.zeros(0, np.intp), np.zeros((0, sums.shape[1]), np.int32)
        return np.array(listeners, np.intp), np.array(extra)

    def _send(
        self,
        group: Group,
        octets: NDArray[np.uint8],
        lengths: NDArray[np.int32],
        of_listener: Rows,
        tick: int,
    ) -> None:
        streams, rows, outbox = self.streams, group.listeners, group.outbox
        sequence = (streams.sequence[rows] + 1) & 0xFFFF
        timestamp = (streams.epoch[rows] + tick * streams.step[rows]) & 0xFFFF_FFFF
        streams.sequence[rows] = sequence
        streams.last_timestamp[rows] = timestamp
        outbox.rows.view(">u2")[:, 1] = sequence
        outbox.rows.view(">u4")[:, 1] = timestamp
        outbox.rows[:, HEADER : HEADER + octets.shape[1]] = octets[of_listener]
        length = lengths[of_listener]
        outbox.lengths[:] = length + HEADER
        streams.packets_sent[rows] += 1
        streams.octets_sent[rows] += length
        if group.secured:
            group.packets.protect(group.secured, group.sessions)
        for run in group.runs:
            outbox.send(run.sock, run.start, run.stop)
        outbox.send_each(group.sockets, len(rows) - len(group.sockets))

    # --- single streams for browsers ---------------------------------------------------------

    def _forward_all(
        self, group: Group, pulled: Pulled, levels: NDArray[np.float32], tick: int
    ) -> None:
        """Every source that speaks and has targets goes out to them, whether it is mixed or not.

        An Opus packet passes unchanged; other formats are coded once for all targets.
        """
        rows = enumerate(group.sources.tolist())
        sources = [(index, row) for index, row in rows if row in self._forwards]
        spoken = self._speakers.is_speaking(group.sources)
        count = 0
        for index, row in sources:
            if not spoken[index] or levels[index] <= SILENCE:
                self._was_forwarded.discard(row)
                continue
            payload = self._own_payload(group, pulled, index, tick)
            starts = row not in self._was_forwarded
            self._was_forwarded.add(row)
            for target in self._forwards[row]:
                sending = self.streams.sending.get(target)
                if payload is None or sending is None or count == _FORWARDED:
                    continue
                self._write(count, target, sending, payload, tick, starts=starts)
                self._packets_to_one(count, sending)
                count += 1

    def _own_payload(
        self, group: Group, pulled: Pulled, index: int, tick: int
    ) -> NDArray[np.uint8] | None:
        row, place = int(group.sources[index]), int(pulled.place[index])
        length = int(self.jitter.lengths[place])
        here = pulled.state[index] in (PLAY, BLEND)
        if self.streams.format[row] == _OPUS and length != PCM:
            return self.jitter.flat[place, :length] if here else None
        frame = self._decode(group, pulled, np.array([index]), tick)
        encoder = self._forward_encoders.setdefault(row, Encoder())
        payload = np.zeros(MAX_PAYLOAD, np.uint8)
        return payload[: encoder.encode(frame[0], payload)]

    def _write(
        self,
        place: int,
        target: int,
        sending: Sending,
        payload: NDArray[np.uint8],
        tick: int,
        *,
        starts: bool,
    ) -> None:
        streams = self.streams
        sequence = (int(streams.sequence[target]) + 1) & 0xFFFF
        timestamp = (int(streams.epoch[target]) + tick * int(streams.step[target])) & 0xFFFF_FFFF
        streams.sequence[target] = sequence
        streams.last_timestamp[target] = timestamp
        streams.packets_sent[target] += 1
        streams.octets_sent[target] += len(payload)
        extension = _mid_extension(sending)
        head = struct.pack(
            "!BBHII",
            0x90 if extension else 0x80,
            starts << 7 | sending.payload_type,
            sequence,
            timestamp,
            sending.ssrc,
        )
        data = head + extension + payload.tobytes()
        self._outbox.rows[place, : len(data)] = np.frombuffer(data, np.uint8)
        self._outbox.lengths[place] = len(data)
        self._outbox.addresses[place] = address_row(sending.address)

    def _packets_to_one(self, place: int, sending: Sending) -> None:
        if sending.session is not None:
            self._packets.protect([place], [sending.session])
        self._outbox.send(sending.sock, place, place + 1)

    # --- inside ------------------------------------------------------------------------------

    def _reset(self, row: int, format_: Format) -> None:
        self._forget(row)
        self.jitter.open(row, int(CLOCK_RATE[format_]))

    def _forget(self, row: int) -> None:
        self._hearing.forget(row)
        self._speakers.forget(row)
        self._repackers.pop(row, None)
        self._forward_encoders.pop(row, None)
        self._was_forwarded.discard(row)

    def _change(self, room: int) -> None:
        self._groups[self._rooms[room].phase] = None


def _mid_extension(sending: Sending) -> bytes:
    """RFC 8285, section 4.2."""
    if not sending.mid_number or not 0 < len(sending.mid) <= 16:
        return b""
    element = bytes((sending.mid_number << 4 | len(sending.mid) - 1,)) + sending.mid
    element += bytes(-len(element) % 4)
    return struct.pack("!HH", 0xBEDE, len(element) // 4) + element
