"""Opus (RFC 6716) by libopus through ctypes, at the mix's 16 kHz, mono, in frames of 20 ms.

PyAV's wheel brings a current libopus; where it does not, the system's is taken. Encoder and
decoder states live in our memory and hold no pointers into themselves, so that a copy of the
octets is a second encoder in the very same state: `Encoder.fork`.
"""

import ctypes
import ctypes.util
import pathlib
from collections.abc import Sequence
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
FRAME: Final = 320
"""Samples of 20 ms."""

MAX_PAYLOAD: Final = 400
"""Octets of what we encode: far above what speech at our bit rate takes."""

BITRATE: Final = 24_000
COMPLEXITY: Final = 1
_EXPECTED_LOSS = 10

_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS = 4002, 4010, 4012, 4014
_GET_LOOKAHEAD = 4027

_FRAME_SIZES = (
    *((480, 960, 1920, 2880) * 3),
    *((480, 960) * 2),
    *((120, 240, 480, 960) * 4),
)
"""By configuration number, at 48 kHz; RFC 6716, table 2."""


def _load() -> ctypes.PyDLL:
    """`PyDLL` keeps the interpreter's lock, which a worker has to itself anyway."""
    wheel = pathlib.Path(av.__file__).parent.parent / "av.libs"
    name = next(map(str, wheel.glob("libopus-*.so*")), None) or ctypes.util.find_library("opus")
    if name is None:
        raise ImportError("libopus is in neither PyAV's wheel nor the system: install libopus0")
    library = ctypes.PyDLL(name)
    pointer, whole = ctypes.c_void_p, ctypes.c_int
    library.opus_encoder_init.argtypes = [pointer, whole, whole, whole]
    library.opus_decoder_init.argtypes = [pointer, whole, whole]
    library.opus_encode.argtypes = [pointer, pointer, whole, pointer, whole]
    library.opus_decode.argtypes = [pointer, pointer, whole, pointer, whole, whole]
    return library


_OPUS = _load()
_ENCODER_SIZE: int = _OPUS.opus_encoder_get_size(1)
_DECODER_SIZE: int = _OPUS.opus_decoder_get_size(1)


def _is_one_frame(toc: int) -> bool:
    frames = 1 if toc & 3 == 0 else 2 if toc & 3 < 3 else 0
    return frames * _FRAME_SIZES[toc >> 3] == 960


IS_20_MS: Final[NDArray[np.bool_]] = np.array([_is_one_frame(toc) for toc in range(256)])
"""By a packet's first octet: whether it surely lasts as long as a slot, as nearly all do."""


class Encoder:
    """One sent stream."""

    def __init__(
        self, *, complexity: int = COMPLEXITY, expected_loss: int = _EXPECTED_LOSS
    ) -> None:
        """`complexity` 0 to 10; `expected_loss` in percent, for which FEC is sent along."""
        self._memory = np.zeros(_ENCODER_SIZE, np.uint8)
        self._state = self._memory.ctypes.data
        _check(_OPUS.opus_encoder_init(self._state, RATE, 1, _VOIP))
        for request, value in (
            (_SET_BITRATE, BITRATE),
            (_SET_COMPLEXITY, complexity),
            (_SET_FEC, int(expected_loss > 0)),
            (_SET_LOSS, expected_loss),
        ):
            state = ctypes.c_void_p(self._state)
            _check(_OPUS.opus_encoder_ctl(state, request, ctypes.c_int(value)))

    @property
    def lookahead(self) -> int:
        """Samples by which the sound is late in what a decoder gives."""
        samples = ctypes.c_int()
        state = ctypes.c_void_p(self._state)
        _check(_OPUS.opus_encoder_ctl(state, _GET_LOOKAHEAD, ctypes.byref(samples)))
        return samples.value

    def encode(self, pcm: NDArray[np.int16], out: NDArray[np.uint8]) -> int:
        """One frame, int16[320] without gaps, into `out`; gives the length of the payload."""
        length: int = _OPUS.opus_encode(
            self._state, pcm.ctypes.data, FRAME, out.ctypes.data, len(out)
        )
        return _check(length)

    @staticmethod
    def encode_rows(
        encoders: Sequence["Encoder"], pcm: NDArray[np.int16], out: NDArray[np.uint8]
    ) -> list[int]:
        """Row i of `pcm`, int16[n, 320], by `encoders[i]` into row i of `out`; gives the lengths.

        Both without gaps. To ask numpy for each row's address would cost an eighth of the time.
        """
        count, size = out.shape
        if pcm.shape != (count, FRAME) or not (pcm.flags.c_contiguous and out.flags.c_contiguous):
            raise ValueError("a row of 320 samples for each row of octets, without gaps")
        encode, source, target = _OPUS.opus_encode, pcm.ctypes.data, out.ctypes.data
        return [
            _check(encode(one._state, source + 2 * FRAME * row, FRAME, target + size * row, size))
            for row, one in enumerate(encoders)
        ]

    def fork(self) -> "Encoder":
        """A second encoder that has encoded all that this one has."""
        copy = Encoder.__new__(Encoder)
        copy._memory = self._memory.copy()
        copy._state = copy._memory.ctypes.data
        return copy


class Decoder:
    """One received stream; stereo comes out as mono."""

    def __init__(self) -> None:
        self._memory = np.zeros(_DECODER_SIZE, np.uint8)
        self._state = self._memory.ctypes.data
        _check(_OPUS.opus_decoder_init(self._state, RATE, 1))

    def decode(self, payload: NDArray[np.uint8], out: NDArray[np.int16]) -> int:
        """As many samples as the packet holds and `out` takes; 0 for a broken packet."""
        samples: int = _OPUS.opus_decode(
            self._state, payload.ctypes.data, len(payload), out.ctypes.data, len(out), 0
        )
        return max(0, samples)

    @staticmethod
    def decode_rows(
        decoders: Sequence["Decoder"],
        payloads: NDArray[np.uint8],
        places: Sequence[int],
        lengths: Sequence[int],
        out: NDArray[np.int16],
        which: Sequence[int],
    ) -> None:
        """Packet i, `payloads[places[i], : lengths[i]]`, by `decoders[i]` into row `which[i]` of
        `out`; both arrays without gaps."""
        if not (payloads.flags.c_contiguous and out.flags.c_contiguous):
            raise ValueError("payloads and samples without gaps")
        decode, source, target = _OPUS.opus_decode, payloads.ctypes.data, out.ctypes.data
        (_, width), (_, size) = payloads.shape, out.shape
        for one, place, length, row in zip(decoders, places, lengths, which, strict=True):
            at, to = source + width * place, target + 2 * size * row
            decode(one._state, at, min(length, width), to, size, 0)

    def conceal(self, following: NDArray[np.uint8] | None, out: NDArray[np.int16]) -> None:
        """A lost frame, from what the packet after it says about it (in-band FEC), or guessed."""
        out[:] = 0
        if following is not None and len(following):
            _OPUS.opus_decode(
                self._state, following.ctypes.data, len(following), out.ctypes.data, len(out), 1
            )
        else:
            _OPUS.opus_decode(self._state, None, 0, out.ctypes.data, len(out), 0)


def _check(result: int) -> int:
    """libopus counts its errors downwards from -1; what we ask for never fails."""
    if result < 0:
        raise RuntimeError(f"libopus refused with {result}")
    return result
