"""PURE: what arrives on a port shared by STUN, DTLS, RTP and RTCP; RFC 7983 and RFC 5761."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

JUNK: Final = 0
"""Dropped and counted: too short, an unknown first byte, STUN without its magic cookie."""
STUN: Final = 1
DTLS: Final = 2
RTP: Final = 3
RTCP: Final = 4

_MAGIC_COOKIE = (0x21, 0x12, 0xA4, 0x42)
_SHORTEST = np.array([0, 20, 13, 12, 8], np.int32)
"""Bytes of a header of each kind; an SRTCP packet is longer, libsrtp checks that."""

_BY_FIRST_BYTES = np.zeros((256, 256), np.uint8)
_BY_FIRST_BYTES[0:4] = STUN
_BY_FIRST_BYTES[20:64] = DTLS
_BY_FIRST_BYTES[128:192] = RTP
_BY_FIRST_BYTES[128:192, 192:224] = RTCP


def kinds_of(rows: NDArray[np.uint8], lengths: NDArray[np.int32]) -> NDArray[np.uint8]:
    """One of the numbers above for each row.

    `rows` is uint8[n, W] with W >= 20, `lengths` int32[n]; bytes beyond a row's length may be
    anything, they are not looked at.
    """
    kinds = _BY_FIRST_BYTES[rows[:, 0], rows[:, 1]]
    stun = np.flatnonzero(kinds == STUN)
    if len(stun):
        whole = (rows[stun, 4:8] == _MAGIC_COOKIE).all(axis=1) & (lengths[stun] % 4 == 0)
        kinds[stun[~whole]] = JUNK
    kinds[lengths < _SHORTEST[kinds]] = JUNK
    return kinds
