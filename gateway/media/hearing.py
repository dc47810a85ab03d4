"""PURE: from what the jitter buffers give to samples: decoding and concealment, row by row.

G.711 is decoded for all rows at once; Opus and G.722 have a decoder for each row, which is only
called for rows that are heard.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.media import g711, g722, opus
from gateway.media.formats import CLOCK_RATE, OCTETS, Format
from gateway.media.half_band import NARROW, WIDE, Upsampler
from gateway.media.jitter import BLEND, CONCEAL, PCM, PLAY, REST, WIDTH, JitterBuffers, Pulled
from gateway.media.mixer import background_noise
from gateway.media.repacking import Decoder, Repacker
from gateway.media.rtp_rows import UNKNOWN_LEVEL
from gateway.media.runs import where
from gateway.media.waveform import Waveforms, blend

Pcm = NDArray[np.int16]
Rows = NDArray[np.intp]
States = NDArray[np.int8]

_OPUS, _G722 = int(Format.OPUS), int(Format.G722)
_LAWS: Final = ((int(Format.PCMU), g711.PCMU), (int(Format.PCMA), g711.PCMA))


_SAMPLED: Final[Rows] = np.sort(np.random.default_rng(711).permutation(OCTETS)[:32])
"""A fifth of the samples tells how loud speech is. Irregular, or a tone could hide between them."""


def level_of(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """dBov, -127 at least."""
    return np.asarray(np.maximum(10 * np.log10(power + 1e-13), -127), np.float32)


def levels_of(payloads: NDArray[np.uint8], formats: NDArray[np.int8]) -> NDArray[np.uint8]:
    """-dBov of 20 ms payloads, as far as that can be seen without decoding, else unknown."""
    levels = np.full(len(payloads), UNKNOWN_LEVEL, np.uint8)
    sampled = payloads.take(_SAMPLED, axis=1, mode="clip")
    for number, law in _LAWS:
        which = where(formats == number)
        if len(which):
            levels[which] = -level_of(law.power(sampled[which]))
    return levels


class G711Stream:
    """One stream's decoder to 16 kHz, for packets that are not 20 ms long."""

    def __init__(self, law: g711.Law) -> None:
        self._law = law
        self._upsampler = Upsampler(1)
        self._rest = np.zeros(0, np.int16)

    def decode(self, payload: NDArray[np.uint8], out: Pcm) -> int:
        """Whole frames of 20 ms; the rest waits for the next packet. Of one that is longer than
        `out` the beginning counts."""
        payload = payload[: len(out) * NARROW // WIDE]
        self._rest = np.concatenate((self._rest, self._law.expand(payload)))
        got = 0
        while len(self._rest) >= NARROW and got + WIDE <= len(out):
            frame, self._rest = self._rest[np.newaxis, :NARROW], self._rest[NARROW:]
            out[got : got + WIDE] = self._upsampler.convert(np.zeros(1, np.intp), frame)
            got += WIDE
        return got


class Hearing:
    """The decoders of all rows. `formats` int8[rows] is the streams'."""

    def __init__(self, jitter: JitterBuffers, formats: NDArray[np.int8]) -> None:
        self._jitter = jitter
        self._formats = formats
        self._waveforms = Waveforms(jitter.capacity)
        self._upsampler = Upsampler(jitter.capacity)
        self._decoders: dict[int, opus.Decoder | g722.Decoder] = {}
        self._decoded = np.full(jitter.capacity, -1, np.int64)
        """In which tick a row was decoded last: who was not heard has a decoder that is behind."""

    def forget(self, row: int) -> None:
        self._waveforms.forget(row)
        self._upsampler.past[row] = 0
        self._decoders.pop(row, None)
        self._decoded[row] = -1

    def repacker(self, row: int) -> Repacker:
        """For a row whose packets turn out not to be 20 ms long."""
        number = Format(self._formats[row])
        decoder: Decoder
        match number:
            case Format.OPUS:
                decoder = opus.Decoder()
            case Format.G722:
                decoder = g722.Decoder()
            case Format.PCMU:
                decoder = G711Stream(g711.PCMU)
            case Format.PCMA:
                decoder = G711Stream(g711.PCMA)
        return Repacker(decoder, int(CLOCK_RATE[number]))

    def decode(self, rows: Rows, pulled: Pulled, which: Rows, tick: int, *, wide: bool) -> Pcm:
        """One frame of each of `rows` at positions `which`; `pulled` is of all of them.

        int16[n, 320] if `wide`, else int16[n, 160], G.711 alone.
        """
        return self._frames(
            rows[which],
            pulled.state[which],
            pulled.place[which],
            pulled.following[which],
            pulled.previous[which],
            tick,
            wide=wide,
        )

    def _frames(
        self,
        rows: Rows,
        states: States,
        places: Rows,
        following: Rows,
        previous: Rows,
        tick: int,
        *,
        wide: bool,
    ) -> Pcm:
        rate = 16_000 if wide else 8_000
        good = (states == PLAY) | (states == BLEND)
        out = np.zeros((len(rows), WIDE if wide else NARROW), np.int16)
        self._prime(rows, places, previous, tick)
        self._decode(where(good), rows, places, out, wide=wide)
        blended = where(states == BLEND)
        if len(blended):
            second = np.zeros_like(out)
            self._decode(blended, rows, following, second, wide=wide)
            out[blended] = blend(out[blended], second[blended])
        itself = (self._formats[rows] == _OPUS) & (self._jitter.lengths[places] != PCM)
        for index in where(states == REST):
            self._rest(int(rows[index]), out[index], tick)
        for index in where(states == CONCEAL):
            row = int(rows[index])
            decoder = self._decoders.get(row)
            if isinstance(decoder, opus.Decoder):
                decoder.conceal(self._payload(int(following[index])), out[index])
                itself[index] = True
            else:
                out[index] = self._waveforms.conceal(row, out.shape[1], rate)
        heard = where(good & ~itself)
        if len(heard):
            frames = out[heard]
            self._waveforms.heard(rows[heard], frames, rate)
            out[heard] = frames
        return out

    def _rest(self, row: int, out: Pcm, tick: int) -> None:
        """What is behind a speaker who has paused."""
        decoder = self._decoders.get(row)
        if isinstance(decoder, opus.Decoder):
            decoder.conceal(None, out)  # which is noise after an empty packet
        else:
            out[:] = background_noise(int(self._jitter.noise[row]), tick + row, len(out))

    def _decode(self, which: Rows, rows: Rows, places: Rows, out: Pcm, *, wide: bool) -> None:
        """The rows at positions `which`."""
        lengths = self._jitter.lengths[places[which]]
        formats = self._formats[rows[which]]
        flat = self._jitter.flat
        for index in which[lengths == PCM]:
            out[index] = flat[places[index]].view(np.int16)
        coded = lengths > 0
        for number, law in _LAWS:
            some = which[coded & (formats == number)]
            if len(some):
                narrow = law.expand(flat[places[some], :OCTETS])
                out[some] = self._upsampler.convert(rows[some], narrow) if wide else narrow
        for index in which[coded & (formats == _G722)]:
            payload = self._payload(int(places[index]))
            if payload is not None:
                self._decoder(int(rows[index])).decode(payload, out[index])
        by_opus = coded & (formats == _OPUS)
        some = which[by_opus]
        if len(some):
            decoders = [
                decoder
                for row in rows[some].tolist()
                if isinstance(decoder := self._decoder(row), opus.Decoder)
            ]
            at, sizes = places[some].tolist(), lengths[by_opus].tolist()
            opus.Decoder.decode_rows(decoders, flat, at, sizes, out, some.tolist())

    def _prime(self, rows: Rows, places: Rows, previous: Rows, tick: int) -> None:
        """Brings Opus decoders that missed the last frame up to date by that frame."""
        behind = (self._formats[rows] == _OPUS) & (self._decoded[rows] < tick - 1)
        for index in where(behind):
            payload = self._payload(int(previous[index]))
            if payload is not None:
                self._decoder(int(rows[index])).decode(payload, np.empty(WIDE, np.int16))
        self._decoded[rows] = tick

    def _payload(self, place: int) -> NDArray[np.uint8] | None:
        length = int(self._jitter.lengths[place]) if place >= 0 else 0
        return self._jitter.flat[place, : min(length, WIDTH)] if length > 0 else None

    def _decoder(self, row: int) -> opus.Decoder | g722.Decoder:
        decoder = self._decoders.get(row)
        if decoder is None:
            decoder = opus.Decoder() if self._formats[row] == _OPUS else g722.Decoder()
            self._decoders[row] = decoder
        return decoder
