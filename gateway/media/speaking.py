"""PURE: from the mixes to payloads: one encoding for all who hear the same in the same format.

All who do not speak share their room's encoder. Who begins to speak hears a mix of its own (N-1)
from then on, by a copy of the shared encoder, so that its decoder notices nothing (`opus`); who
has spoken goes back to the shared one once its own voice has faded from the mix.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.media import g711, g722, opus
from gateway.media.formats import OCTETS, Format
from gateway.media.half_band import Downsampler
from gateway.media.runs import where

Pcm = NDArray[np.int16]
Rows = NDArray[np.intp]

_PCMA, _G722, _OPUS = int(Format.PCMA), int(Format.G722), int(Format.OPUS)

_Encoder = opus.Encoder | g722.Encoder


@dataclass(frozen=True, slots=True)
class Payloads:
    """`octets` uint8[n, width], `lengths` int32[n], and for each listener its index in both."""

    octets: NDArray[np.uint8]
    lengths: NDArray[np.int32]
    of_listener: Rows


class Speaking:
    """The encoders of all rooms and rows.

    A mix has a lane: a room's number, or `rooms` + the listener's row if it is one of its own.
    """

    def __init__(self, rooms: int, rows: int) -> None:
        self._rooms = rooms
        self._downsampler = Downsampler(rooms + rows)
        self._encoders: dict[tuple[int, int], _Encoder] = {}
        self._used = np.full(rooms + rows, -1, np.int64)
        """The last tick in which a lane of its own was used; -1 for those that share."""

    def lane_of(self, rows: Rows) -> Rows:
        return self._rooms + rows

    def forget_room(self, room: int) -> None:
        self._forget(room)

    def forget_row(self, row: int) -> None:
        self._forget(self._rooms + row)

    def encode(
        self,
        mixes: Pcm,
        lanes: Rows,
        rooms: Rows,
        mix_of: Rows,
        formats: NDArray[np.int8],
        tick: int,
    ) -> Payloads:
        """`mixes` int16[m, 160 or 320] with their `lanes` and the `rooms` they belong to;
        `mix_of` and `formats` of each listener."""
        self._part(lanes, rooms, tick)
        of_listener = np.zeros(len(mix_of), np.intp)
        blocks: list[NDArray[np.uint8]] = []
        lengths: list[NDArray[np.int32]] = []
        count = 0
        narrow = self._narrow(mixes, lanes, mix_of[formats <= _PCMA])
        for number in np.unique(formats).tolist():
            listeners = where(formats == number)
            if number <= _PCMA:
                # A table look-up for each sample: which mixes are wanted would take longer to find.
                block = (g711.PCMA if number == _PCMA else g711.PCMU).compress(narrow)
                length = np.full(len(block), OCTETS, np.int32)
                of_listener[listeners] = count + mix_of[listeners]
            else:
                heard = np.zeros(len(mixes), np.bool_)
                heard[mix_of[listeners]] = True
                block, length = self._encode(number, mixes, lanes, rooms, where(heard))
                of_listener[listeners] = count + np.cumsum(heard)[mix_of[listeners]] - 1
            blocks.append(block)
            lengths.append(length)
            count += len(block)
        return Payloads(_stack(blocks), np.concatenate(lengths), of_listener)

    def _narrow(self, mixes: Pcm, lanes: Rows, wanted: Rows) -> Pcm:
        """The mixes at 8 kHz; those that nobody wants stay empty."""
        if mixes.shape[1] == OCTETS:
            return mixes
        narrow = np.zeros((len(mixes), OCTETS), np.int16)
        used = np.unique(wanted)
        if len(used):
            narrow[used] = self._downsampler.convert(lanes[used], mixes[used])
        return narrow

    def _encode(
        self, number: int, mixes: Pcm, lanes: Rows, rooms: Rows, wanted: Rows
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        # Own lanes are copies of shared ones before those go on: all are looked up first.
        places = zip(lanes[wanted].tolist(), rooms[wanted].tolist(), strict=True)
        encoders = [self._encoder(lane, room, number) for lane, room in places]
        pcm = mixes[wanted]
        block = np.zeros((len(wanted), opus.MAX_PAYLOAD), np.uint8)
        by_opus = [encoder for encoder in encoders if isinstance(encoder, opus.Encoder)]
        if by_opus:
            lengths = opus.Encoder.encode_rows(by_opus, pcm, block)
        else:
            rows = zip(encoders, pcm, block, strict=True)
            lengths = [encoder.encode(frame, out) for encoder, frame, out in rows]
        longest = max(lengths, default=0)
        return block[:, :longest], np.array(lengths, np.int32)

    def _encoder(self, lane: int, room: int, number: int) -> _Encoder:
        encoder = self._encoders.get((lane, number))
        if encoder is None:
            shared = self._encoders.get((room, number))
            if shared is not None:
                encoder = shared.fork()
            else:
                encoder = opus.Encoder() if number == _OPUS else g722.Encoder()
            self._encoders[lane, number] = encoder
        return encoder

    def _part(self, lanes: Rows, rooms: Rows, tick: int) -> None:
        """Lanes that begin now take the shared past with them; those that end are forgotten."""
        own = where(lanes != rooms)
        theirs, left = lanes[own], rooms[own]
        begin = self._used[theirs] < 0
        past = self._downsampler.past
        past[theirs[begin]] = past[left[begin]]
        self._used[theirs] = tick
        for lane in where((self._used >= 0) & (self._used < tick - 1)).tolist():
            self._forget(lane)

    def _forget(self, lane: int) -> None:
        self._used[lane] = -1
        self._downsampler.past[lane] = 0
        for number in (_G722, _OPUS):
            self._encoders.pop((lane, number), None)


def _stack(blocks: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    if len(blocks) == 1:
        return blocks[0]
    out = np.zeros((sum(map(len, blocks)), max(block.shape[1] for block in blocks)), np.uint8)
    at = 0
    for block in blocks:
        out[at : at + len(block), : block.shape[1]] = block
        at += len(block)
    return out
