"""SRTP and SRTCP by libsrtp, in place on rows of packets; RFC 3711, RFC 7714.

The rows are opened and closed one by one in C, but the loop over them is `map`: about half a
microsecond for a packet of speech. pylibsrtp brings libsrtp; of its private parts we use the bound
functions and a session's handle, both here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pylibsrtp
from numpy.typing import NDArray
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]

MAX_TRAILER: Final = 16 + 4
"""What `protect` adds at most: an authentication tag, and SRTCP's index."""

MAX_RTCP: Final = 1300
"""A longer compound packet is not opened: no peer of ours has so much to report."""

MAX_SSRCS: Final = 256
"""Of one inbound session, which may serve 64 m-sections."""

_RTP_SSRC = 8
_RTCP_SSRC = 4
"""Where the sender's SSRC stands in a packet."""

# srtp_err_status_t
_FORGED = (7,)
_REPLAYED = (9, 10)


@dataclass(frozen=True, slots=True)
class SrtpProfile:
    """A crypto suite, with the lengths of its master key and salt in bytes."""

    dtls_name: str
    """In DTLS-SRTP, as OpenSSL spells it; "" where it is not offered there."""
    sdes_name: str
    """In `a=crypto`; RFC 4568, section 6.2, and RFC 7714, section 14.2."""
    key_length: int
    salt_length: int
    libsrtp: int


AEAD_AES_128_GCM = SrtpProfile(
    "SRTP_AEAD_AES_128_GCM", "AEAD_AES_128_GCM", 16, 12, Policy.SRTP_PROFILE_AEAD_AES_128_GCM
)
AEAD_AES_256_GCM = SrtpProfile(
    "SRTP_AEAD_AES_256_GCM", "AEAD_AES_256_GCM", 32, 12, Policy.SRTP_PROFILE_AEAD_AES_256_GCM
)
AES_CM_128_HMAC_SHA1_80 = SrtpProfile(
    "SRTP_AES128_CM_SHA1_80",
    "AES_CM_128_HMAC_SHA1_80",
    16,
    14,
    Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
)
AES_CM_128_HMAC_SHA1_32 = SrtpProfile(
    "", "AES_CM_128_HMAC_SHA1_32", 16, 14, Policy.SRTP_PROFILE_AES128_CM_SHA1_32
)


def _is_built_in(profile: SrtpProfile) -> bool:
    try:
        Policy(srtp_profile=profile.libsrtp)
    except pylibsrtp.Error:
        return False
    return True


PROFILES: Final = tuple(
    filter(
        _is_built_in,
        (AEAD_AES_128_GCM, AES_CM_128_HMAC_SHA1_80, AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_32),
    )
)
"""In our order of preference: GCM costs a fifth to a third less than CM with SHA-1.

It is a build option of libsrtp.
"""


class SrtpSession:
    """One direction of one transport: any number of SSRCs, RTP and RTCP."""

    def __init__(self, profile: SrtpProfile, key_and_salt: bytes, ssrc_type: int) -> None:
        policy = Policy(key=key_and_salt, ssrc_type=ssrc_type, srtp_profile=profile.libsrtp)
        self.profile = profile
        self._session = Session(policy)
        self.handle: Any = self._session._srtp[0]
        """For `PacketRows`; valid as long as this object lives."""
        self.ssrcs: dict[int, None] = {}
        """Of packets that were opened, oldest first; to read."""

    @classmethod
    def inbound(cls, profile: SrtpProfile, key_and_salt: bytes) -> Self:
        return cls(profile, key_and_salt, Policy.SSRC_ANY_INBOUND)

    @classmethod
    def outbound(cls, profile: SrtpProfile, key_and_salt: bytes) -> Self:
        return cls(profile, key_and_salt, Policy.SSRC_ANY_OUTBOUND)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Our own compound packet, at most `MAX_RTCP` long."""
        return self._session.protect_rtcp(packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """None for what is forged, replayed or no SRTCP."""
        if len(packet) > MAX_RTCP:
            return None
        try:
            opened = self._session.unprotect_rtcp(packet)
        except pylibsrtp.Error:
            return None
        ssrc = int.from_bytes(opened[_RTCP_SSRC : _RTCP_SSRC + 4], "big")
        if ssrc not in self.ssrcs:
            self.remember(ssrc)
        return opened

    def remember(self, ssrc: int) -> None:
        """A packet of a new SSRC has been opened, and libsrtp keeps state for it from now on.

        A peer may make up as many as it likes: the oldest then makes room.
        """
        if len(self.ssrcs) == MAX_SSRCS:
            oldest = next(iter(self.ssrcs))
            del self.ssrcs[oldest]
            self._session.remove_stream(oldest)
        self.ssrcs[ssrc] = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some rows of a `PacketRows` with the session that each of them goes by."""

    which: NDArray[np.intp]
    sessions: Sequence[SrtpSession]
    pointers: tuple[Sequence[Any], Sequence[Any], Sequence[Any]]
    """To the sessions, the rows and their lengths."""


class PacketRows:
    """A buffer of packets with the C pointers of its rows, made once.

    `rows` is uint8[n, W], C-contiguous, W a multiple of 4; `lengths` is int32[n], and both are
    changed in place. `forged` and `replayed` count the packets that were not opened.
    """

    def __init__(self, rows: NDArray[np.uint8], lengths: NDArray[np.int32]) -> None:
        count, width = rows.shape
        if not rows.flags.c_contiguous or width % 4 or width <= MAX_TRAILER:
            raise ValueError("rows must be contiguous, their width a multiple of 4 above 20")
        if lengths.dtype != np.int32 or lengths.shape != (count,):
            raise ValueError("lengths must be one int32 for each row")
        self.rows = rows
        self.lengths = lengths
        self.forged = self.replayed = 0
        self._words = rows.view(">u4")
        first_row = ffi.cast("char *", rows.ctypes.data)
        first_length = ffi.cast("int *", lengths.ctypes.data)
        self._rows = [first_row + width * row for row in range(count)]
        self._lengths = [first_length + row for row in range(count)]

    def choose(self, which: Sequence[int], sessions: Sequence[SrtpSession]) -> Chosen:
        """Row `which[i]` by `sessions[i]`: to be kept where it is the same each time."""
        if len(which) != len(sessions):
            raise ValueError("one session for each row")
        handles = [session.handle for session in sessions]
        rows = [self._rows[row] for row in which]
        lengths = [self._lengths[row] for row in which]
        return Chosen(np.array(which, np.intp), sessions, (handles, rows, lengths))

    def protect(self, which: Sequence[int], sessions: Sequence[SrtpSession]) -> NDArray[np.bool_]:
        """Closes RTP packets: row `which[i]` by `sessions[i]`. Where False, nothing may be sent."""
        return self.protect_chosen(self.choose(which, sessions))

    def protect_chosen(self, chosen: Chosen) -> NDArray[np.bool_]:
        ok: NDArray[np.bool_] = self._apply(lib.srtp_protect, chosen, MAX_TRAILER) == 0
        return ok

    def unprotect(self, which: Sequence[int], sessions: Sequence[SrtpSession]) -> NDArray[np.bool_]:
        """Opens RTP packets; where False, the row's content means nothing."""
        return self._open(lib.srtp_unprotect, which, sessions, _RTP_SSRC)

    def unprotect_rtcp(
        self, which: Sequence[int], sessions: Sequence[SrtpSession]
    ) -> NDArray[np.bool_]:
        """The same for RTCP packets."""
        return self._open(lib.srtp_unprotect_rtcp, which, sessions, _RTCP_SSRC)

    def _open(
        self,
        function: Callable[[Any, Any, Any], int],
        which: Sequence[int],
        sessions: Sequence[SrtpSession],
        ssrc_at: int,
    ) -> NDArray[np.bool_]:
        chosen = self.choose(which, sessions)
        status = self._apply(function, chosen, 0)
        ok: NDArray[np.bool_] = status == 0
        if not ok.all():
            self.forged += int(np.isin(status, _FORGED).sum())
            self.replayed += int(np.isin(status, _REPLAYED).sum())
        # The SSRC stands in the clear, and stays where it is.
        ssrcs = self._words[chosen.which, ssrc_at // 4].tolist()
        for index, (ssrc, session) in enumerate(zip(ssrcs, sessions, strict=True)):
            if ssrc not in session.ssrcs and ok[index]:
                session.remember(ssrc)
        return ok

    def _apply(
        self, function: Callable[[Any, Any, Any], int], chosen: Chosen, trailer: int
    ) -> NDArray[np.int32]:
        """The status of each row. libsrtp writes where it is told to: too long is our bug."""
        if self.lengths[chosen.which].max(initial=0) > self.rows.shape[1] - trailer:
            raise ValueError(f"a packet leaves no room for {trailer} bytes in its row")
        return np.fromiter(map(function, *chosen.pointers), np.int32, len(chosen.which))
