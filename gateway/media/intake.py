"""From opened RTP packets to the jitter buffers, and to key presses (RFC 4733).

20 ms packets of all streams go into the buffers together; what is cut differently is repacked one
by one. The level that decides who is heard is taken here, from the header or the payload.

Of each stream no more is taken in a tick than its jitter buffer has room for: several packets of
one stream cannot go in together, so whoever sends thousands would stop the clock for all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media.fair_share import FairShare
from gateway.media.formats import OCTETS, Format
from gateway.media.hearing import Hearing, level_of, levels_of
from gateway.media.jitter import COMFORT, PCM, SLOTS, WIDTH, JitterBuffers
from gateway.media.opus import IS_20_MS
from gateway.media.repacking import Repacker
from gateway.media.rtp_rows import RtpRows, audio_levels
from gateway.media.runs import those, where
from gateway.media.streams import Streams
from gateway.media.telephone_event import TelephoneEvents

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

_OPUS = int(Format.OPUS)

AT_ONCE = 64
"""Packets of a stream, and frames that are cut anew: more than a second of it comes at once when
somebody stalled, the network or we, and is late then, but not lost."""


@dataclass(frozen=True, slots=True)
class Digit:
    """A key press on a stream has ended."""

    row: int
    digit: str


class Intake:
    """What is received by all streams."""

    def __init__(
        self,
        streams: Streams,
        jitter: JitterBuffers,
        hearing: Hearing,
        on_repacked: Callable[[int], None],
    ) -> None:
        """`on_repacked`: a row's samples are of 16 kHz from now on."""
        self.dropped = 0
        """Packets of no stream, too many of one, or not what was negotiated."""
        self._streams = streams
        self._jitter = jitter
        self._hearing = hearing
        self._on_repacked = on_repacked
        self._repackers: dict[int, Repacker] = {}
        self._keys: dict[int, TelephoneEvents] = {}
        self._digits: list[Digit] = []
        self._packets = FairShare(streams.capacity, AT_ONCE, SLOTS)
        self._frames = np.zeros(streams.capacity, np.int64)
        """What repacking has made lately, by row: a packet may be six frames."""

    def renew(self) -> None:
        """Another tick: so much more is taken of each."""
        self._packets.renew()
        np.maximum(self._frames - SLOTS, 0, out=self._frames)

    def forget(self, row: int) -> None:
        """Its format is another one, or it has gone."""
        self._repackers.pop(row, None)

    def forget_keys(self, row: int) -> None:
        self._keys.pop(row, None)

    def digits(self) -> list[Digit]:
        """Pressed since the last time."""
        drained, self._digits = self._digits, []
        return drained

    def receive(
        self,
        buffer: NDArray[np.uint8],
        which: Rows,
        packets: RtpRows,
        rows: Rows,
        arrivals: NDArray[np.float64],
    ) -> None:
        """Opened RTP: packet i is `buffer[which[i]]`, of stream `rows[i]`; in order of arrival."""
        streams = self._streams
        lengths = packets.end - packets.start
        fair = self._packets.take(rows)
        if not fair.all():
            streams.refuse(rows[~fair])
        known = packets.valid & fair & (rows >= 0)
        is_audio = known & (packets.payload_type == streams.receive_type[rows])
        if is_audio.all():
            self._note(rows, arrivals, lengths)
            self._receive_audio(buffer, which, packets, rows, arrivals, is_audio)
            return
        is_event = known & ~is_audio & (packets.payload_type == streams.events_type[rows])
        is_noise = known & ~is_audio & (packets.payload_type == streams.noise_type[rows])
        taken = is_audio | is_event | is_noise
        self.dropped += len(rows) - int(taken.sum())
        self._note(rows[taken], arrivals[taken], lengths[taken])
        for index in where(is_event).tolist():
            payload = buffer[which[index], packets.start[index] : packets.end[index]].tobytes()
            self._jitter.pass_over(int(rows[index]), int(packets.sequence[index]))
            timestamp, arrival = int(packets.timestamp[index]), float(arrivals[index])
            self._receive_event(int(rows[index]), payload, timestamp, arrival)
        self._receive_audio(buffer, which, packets, rows, arrivals, is_audio)
        for index in where(is_noise & (packets.end > packets.start)).tolist():
            level = int(buffer[which[index], packets.start[index]]) & 0x7F
            self._receive_noise(index, level, packets, rows, arrivals)

    def _note(self, rows: Rows, arrivals: NDArray[np.float64], octets: Whole) -> None:
        self._streams.last_heard[rows] = arrivals
        np.add.at(self._streams.packets_received, rows, 1)
        np.add.at(self._streams.octets_received, rows, octets)

    def _receive_audio(
        self,
        buffer: NDArray[np.uint8],
        which: Rows,
        packets: RtpRows,
        rows: Rows,
        arrivals: NDArray[np.float64],
        is_audio: Flags,
    ) -> None:
        streams = self._streams
        lengths = packets.end - packets.start
        formats = streams.format[rows]
        first = buffer[which, np.minimum(packets.start, buffer.shape[1] - 1)]
        regular = np.where(
            formats == _OPUS,
            IS_20_MS[first] & (lengths > 0) & (lengths <= WIDTH),
            lengths == OCTETS,
        )
        regular &= is_audio & ~streams.is_repacked[rows]
        for index in where(is_audio & ~regular).tolist():
            payload = buffer[which[index], packets.start[index] : packets.end[index]]
            self._repack(index, int(rows[index]), payload, packets, float(arrivals[index]))
        numbers = np.where(formats == _OPUS, streams.level_number[rows], 0).astype(np.uint8)
        said = audio_levels(buffer, which, packets, numbers)
        for start in sorted(set(packets.start[regular].tolist())):
            some = those(regular & (packets.start == start))
            width = int(lengths[some].max())
            payloads = buffer[which[some], start : start + width]
            levels = np.minimum(said[some], levels_of(payloads, formats[some]))
            self._jitter.put(
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
        if not len(payload) or self._frames[row] >= AT_ONCE:
            return
        if row not in self._repackers:
            self._repackers[row] = self._hearing.repacker(row)
            self._streams.is_repacked[row] = True
            self._on_repacked(row)
        sequence, timestamp = int(packets.sequence[index]), int(packets.timestamp[index])
        payload = np.ascontiguousarray(payload)
        for frame in self._repackers[row].receive(sequence, timestamp, payload):
            self._frames[row] += 1
            power = np.mean((frame.pcm.astype(np.float32) / 32_768) ** 2, keepdims=True)
            self._jitter.put(
                np.array([row]),
                np.array([frame.sequence]),
                np.array([frame.timestamp]),
                packets.ssrc[index : index + 1],
                np.array([arrival]),
                frame.pcm.view(np.uint8)[np.newaxis],
                np.array([PCM], np.int16),
                (-level_of(power)).astype(np.uint8),
            )

    def _receive_noise(
        self,
        index: int,
        level: int,
        packets: RtpRows,
        rows: Rows,
        arrivals: NDArray[np.float64],
    ) -> None:
        """The sender pauses, and says how loud that is; RFC 3389, section 3."""
        sequence, timestamp = packets.sequence[index], packets.timestamp[index]
        repacker = self._repackers.get(int(rows[index]))
        if repacker is not None:
            sequence, timestamp = repacker.pause(int(sequence), int(timestamp))
        self._jitter.put(
            rows[index : index + 1],
            np.array([sequence]),
            np.array([timestamp]),
            packets.ssrc[index : index + 1],
            arrivals[index : index + 1],
            np.zeros((1, 1), np.uint8),
            np.array([COMFORT], np.int16),
            np.array([level], np.uint8),
        )

    def _receive_event(self, row: int, payload: bytes, timestamp: int, arrival: float) -> None:
        keys = self._keys.setdefault(row, TelephoneEvents())
        for digit in keys.receive(payload, timestamp, arrival):
            self._digits.append(Digit(row, digit))

    def handle_timeout(self, now: float) -> None:
        """Key presses whose end got lost; a few times in a second."""
        for row, keys in self._keys.items():
            for digit in keys.handle_timeout(now):
                self._digits.append(Digit(row, digit))
