"""G.711: logarithmic 8-bit samples and the 16-bit ones they stand for, as tables.

ITU-T G.711, tables 1 and 2; the 14 (mu-law) and 13 (A-law) bits of its uniform codes stand at the
upper end of a 16-bit sample, as everywhere.
"""

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Octets = NDArray[np.uint8]

# mu-law adds 33 of 14 bits before it takes the logarithm, so that the segments line up.
_BIAS = 33 << 2
_MU_CLIP = 32_635


def _mulaw_values() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    size = (((step << 3) + _BIAS) << segment) - _BIAS
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _mulaw_codes() -> Octets:
    sample = np.arange(-32_768, 32_768, dtype=np.int32)
    size = np.minimum(np.abs(sample), _MU_CLIP) + _BIAS
    segment = np.log2(size).astype(np.int32) - 7
    code = np.where(sample < 0, 0x80, 0) | segment << 4 | (size >> (segment + 3)) & 15
    return np.asarray(~code & 0xFF, np.uint8)


def _alaw_values() -> Samples:
    # Every second bit is inverted on the line.
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = (code >> 4) & 7, code & 15
    first = (step << 4) + 8
    size = np.where(segment == 0, first, (first + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, size, -size).astype(np.int16)


def _alaw_codes() -> Octets:
    sample = np.arange(-32_768, 32_768, dtype=np.int32)
    # 12 bits of size; -1 belongs to the first negative step, which has no zero of its own.
    size = np.where(sample < 0, ~sample, sample) >> 3
    segment = np.maximum(np.log2(np.maximum(size, 1)).astype(np.int32) - 4, 0)
    code = segment << 4 | (size >> np.maximum(segment, 1)) & 15
    return np.asarray(code ^ np.where(sample < 0, 0x55, 0xD5), np.uint8)


class Law:
    """One of the two laws: looks up whole arrays of any shape."""

    def __init__(self, values: Samples, codes: Octets) -> None:
        """`codes` by sample, from -32768 on."""
        self._values = values
        self._codes = np.roll(codes, 32_768)  # by the sample's bits, read as unsigned
        # Two samples by one look-up: half the time, from a table that the cache still holds.
        first, second = np.arange(1 << 16) & 0xFF, np.arange(1 << 16) >> 8
        pairs = np.stack((values[first], values[second]), axis=1)
        self._pairs = pairs.view(np.uint32)[:, 0] if sys.byteorder == "little" else None
        self._power = (values.astype(np.float32) / 32_768) ** 2

    def expand(self, octets: Octets) -> Samples:
        """int16 of the same shape."""
        if self._pairs is None or octets.shape[-1] % 2 or not octets.flags.c_contiguous:
            return self._values.take(octets)
        return self._pairs.take(octets.view(np.uint16)).view(np.int16)

    def compress(self, samples: Samples) -> Octets:
        return self._codes.take(samples.view(np.uint16))

    def power(self, octets: Octets) -> NDArray[np.float32]:
        """Of each row of uint8[n, samples]: the mean square, 1.0 is full scale."""
        return np.asarray(self._power.take(octets).mean(axis=1), np.float32)

    def decode(self, payload: bytes) -> Samples:
        return self.expand(np.frombuffer(payload, np.uint8))

    def encode(self, samples: Samples) -> bytes:
        return self.compress(np.ascontiguousarray(samples, np.int16)).tobytes()


PCMU: Final = Law(_mulaw_values(), _mulaw_codes())
PCMA: Final = Law(_alaw_values(), _alaw_codes())
