"""Single streams for browsers: each source alone, as a tree of its own whose root is the seat.

A source is sent while it speaks, whether it is mixed or not. A packet of Opus passes unchanged;
other formats are coded once for all targets.
"""

import numpy as np
from numpy.typing import NDArray

from gateway.media.formats import Format
from gateway.media.groups import Group
from gateway.media.jitter import BLEND, PCM, PLAY, JitterBuffers, Pulled
from gateway.media.opus import MAX_PAYLOAD, Encoder
from gateway.media.runs import where
from gateway.media.single import SinglePackets
from gateway.media.streams import Streams

Octets = NDArray[np.uint8]
Pcm = NDArray[np.int16]
Rows = NDArray[np.intp]


class Forwarding:
    """All sources and their targets."""

    def __init__(self, streams: Streams, jitter: JitterBuffers, packets: SinglePackets) -> None:
        self._streams = streams
        self._packets = packets
        self._jitter = jitter
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

    def wanted(self, group: Group, pulled: Pulled, spoken: NDArray[np.bool_]) -> Rows:
        """Of the sources that have `spoken` now, those whose frames `send` will ask for."""
        if not self._targets:
            return np.zeros(0, np.intp)
        places = where(spoken)
        rows = zip(places.tolist(), group.sources[places].tolist(), strict=True)
        wanted = [p for p, row in rows if row in self._targets and not self._passes(row, pulled, p)]
        return np.array(wanted, np.intp)

    def send(
        self,
        group: Group,
        pulled: Pulled,
        spoken: NDArray[np.bool_],
        decoded: tuple[Rows, Pcm],
        tick: int,
    ) -> None:
        """One tick of a group: the sources that have `spoken`. `decoded` are positions, ascending,
        and frames of at least those that are `wanted`."""
        if not self._targets:
            return
        for index, row in enumerate(group.sources.tolist()):
            if row not in self._targets:
                continue
            if not spoken[index]:
                self._went_out.discard(row)
                continue
            if self._passes(row, pulled, index):
                payload = self._packet(pulled, index)
            else:
                known, frames = decoded
                payload = self._encode(row, frames[np.searchsorted(known, index)])
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

    def _passes(self, row: int, pulled: Pulled, index: int) -> bool:
        is_opus: bool = self._streams.format[row] == Format.OPUS
        return is_opus and bool(self._jitter.lengths[pulled.place[index]] != PCM)

    def _packet(self, pulled: Pulled, index: int) -> Octets | None:
        place = pulled.place[index]
        if pulled.state[index] not in (PLAY, BLEND):
            return None
        return self._jitter.flat[place, : self._jitter.lengths[place]]

    def _encode(self, row: int, frame: Pcm) -> Octets:
        encoder = self._encoders.setdefault(row, Encoder())
        payload = np.zeros(MAX_PAYLOAD, np.uint8)
        return payload[: encoder.encode(frame, payload)]
