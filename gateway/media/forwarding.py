"""Single streams for browsers: each source alone, as a tree of its own whose root is the seat.

A source is sent while it speaks, whether it is mixed or not. A packet of Opus passes unchanged;
other formats are coded once for all targets.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from gateway.media.datagrams import Outbox, address_row
from gateway.media.formats import Format
from gateway.media.groups import HEADER, Group
from gateway.media.hearing import Hearing
from gateway.media.jitter import BLEND, PCM, PLAY, WIDTH, JitterBuffers, Pulled
from gateway.media.opus import MAX_PAYLOAD, Encoder
from gateway.media.speakers import SILENCE
from gateway.media.srtp import MAX_TRAILER, PacketRows
from gateway.media.streams import Sending, Streams

Octets = NDArray[np.uint8]

_EXTENSION = 24
"""Octets of a MID header extension at most."""

_MOST = 512
"""Packets that are sent at once."""


class Forwarding:
    """All sources and their targets."""

    def __init__(self, streams: Streams, jitter: JitterBuffers, hearing: Hearing) -> None:
        self._streams = streams
        self._jitter = jitter
        self._hearing = hearing
        self._targets: dict[int, list[int]] = {}
        """By source: the streams that it goes out on."""
        self._encoders: dict[int, Encoder] = {}
        self._went_out: set[int] = set()
        """Sources that did so in the last tick."""
        self._outbox = Outbox(_MOST, HEADER + _EXTENSION + WIDTH + MAX_TRAILER)
        self._packets = PacketRows(self._outbox.rows, self._outbox.lengths)

    def __contains__(self, source: int) -> bool:
        return source in self._targets

    def start(self, source: int, target: int) -> None:
        self._targets.setdefault(source, []).append(target)

    def stop(self, source: int, target: int) -> None:
        targets = self._targets.get(source, [])
        if target in targets:
            targets.remove(target)
        if not targets:
            self._targets.pop(source, None)
            self._encoders.pop(source, None)

    def forget(self, row: int) -> None:
        """Its format is another one, or it has gone."""
        self._encoders.pop(row, None)
        self._went_out.discard(row)

    def close(self, row: int) -> None:
        """The stream is neither source nor target any more."""
        self._targets.pop(row, None)
        for source in tuple(self._targets):
            self.stop(source, row)

    def send(
        self,
        group: Group,
        pulled: Pulled,
        levels: NDArray[np.float32],
        spoken: NDArray[np.bool_],
        tick: int,
    ) -> None:
        """One tick of a group; `levels` in dBov and whether it `spoke` lately, of each source."""
        if not self._targets:
            return
        count = 0
        for index, row in enumerate(group.sources.tolist()):
            if row not in self._targets:
                continue
            if not spoken[index] or levels[index] <= SILENCE:
                self._went_out.discard(row)
                continue
            payload = self._payload(group, pulled, index, tick)
            starts = row not in self._went_out
            self._went_out.add(row)
            for target in self._targets[row]:
                sending = self._streams.sending.get(target)
                if payload is None or sending is None or count == _MOST:
                    continue
                self._write(count, target, sending, payload, tick, starts=starts)
                if sending.session is not None:
                    self._packets.protect([count], [sending.session])
                self._outbox.send(sending.sock, count, count + 1)
                count += 1

    def _payload(self, group: Group, pulled: Pulled, index: int, tick: int) -> Octets | None:
        row, place = int(group.sources[index]), int(pulled.place[index])
        length = int(self._jitter.lengths[place])
        here = pulled.state[index] in (PLAY, BLEND)
        if self._streams.format[row] == Format.OPUS and length != PCM:
            return self._jitter.flat[place, :length] if here else None
        frame = self._hearing.decode(
            group.sources, pulled, np.array([index]), tick, wide=group.wide
        )
        encoder = self._encoders.setdefault(row, Encoder())
        payload = np.zeros(MAX_PAYLOAD, np.uint8)
        return payload[: encoder.encode(frame[0], payload)]

    def _write(
        self,
        place: int,
        target: int,
        sending: Sending,
        payload: Octets,
        tick: int,
        *,
        starts: bool,
    ) -> None:
        streams = self._streams
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


def _mid_extension(sending: Sending) -> bytes:
    """RFC 8285, section 4.2."""
    if not sending.mid_number or not 0 < len(sending.mid) <= 16:
        return b""
    element = bytes((sending.mid_number << 4 | len(sending.mid) - 1,)) + sending.mid
    element += bytes(-len(element) % 4)
    return struct.pack("!HH", 0xBEDE, len(element) // 4) + element
