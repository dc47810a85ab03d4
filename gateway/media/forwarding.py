"""Single streams for browsers: each source alone, as a tree of its own whose root is the seat.

A source is sent while it speaks, whether it is mixed or not. A packet of Opus passes unchanged;
other formats are coded once for all targets.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.media.formats import Format
from gateway.media.groups import Group
from gateway.media.hearing import Hearing
from gateway.media.jitter import BLEND, PCM, PLAY, JitterBuffers, Pulled
from gateway.media.opus import MAX_PAYLOAD, Encoder
from gateway.media.single import SinglePackets
from gateway.media.speakers import SILENCE
from gateway.media.streams import Streams

Octets = NDArray[np.uint8]


class Forwarding:
    """All sources and their targets."""

    def __init__(
        self, streams: Streams, jitter: JitterBuffers, hearing: Hearing, packets: SinglePackets
    ) -> None:
        self._streams = streams
        self._packets = packets
        self._jitter = jitter
        self._hearing = hearing
        self._targets: dict[int, list[int]] = {}
        """By source: the streams that it goes out on."""
        self._encoders: dict[int, Encoder] = {}
        self._went_out: set[int] = set()
        """Sources that did so in the last tick."""

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
        for index, row in enumerate(group.sources.tolist()):
            if row not in self._targets:
                continue
            if not spoken[index] or levels[index] <= SILENCE:
                self._went_out.discard(row)
                continue
            payload = self._payload(group, pulled, index, tick)
            starts = row not in self._went_out
            self._went_out.add(row)
            if payload is not None:
                self._send(self._targets[row], payload.tobytes(), tick, starts=starts)

    def _send(self, targets: list[int], payload: bytes, tick: int, *, starts: bool) -> None:
        for target in targets:
            sending = self._streams.sending.get(target)
            if sending is not None:
                timestamp = self._streams.timestamp(target, tick)
                self._streams.last_timestamp[target] = timestamp
                self._packets.send(target, sending.payload_type, timestamp, payload, marker=starts)

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
