"""PURE: the codecs as small numbers, so that streams can hold them in arrays."""

from enum import IntEnum
from typing import Final

import numpy as np

from gateway.sdp import Codec


class Format(IntEnum):
    """What a stream's payloads are coded with."""

    PCMU = 0
    PCMA = 1
    G722 = 2
    OPUS = 3


CLOCK_RATE: Final = np.array([8000, 8000, 8000, 48_000])
"""Of RTP timestamps, by format. G.722 says 8000 for historical reasons: RFC 3551, s. 4.5.2."""

OCTETS: Final = 160
"""Of 20 ms of any format but Opus."""


def format_of(codec: Codec) -> Format:
    """What was negotiated is always known here."""
    return Format[codec.name.upper()]
