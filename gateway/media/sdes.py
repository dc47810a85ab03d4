"""PURE: SRTP keys in the session description; RFC 4568, RFC 7714 section 14.

A crypto attribute is taken if we need nothing that libsrtp lacks: no MKI, no key derivation rate,
nothing unencrypted or unauthenticated. The answer repeats the tag and brings a key of our own.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.media.srtp import PROFILES, SrtpProfile, SrtpSession
from gateway.media.transport import SecureLeg

MAX_CRYPTO_LINES = 32

_OFFERED = ("AES_CM_128_HMAC_SHA1_80",)


@dataclass(frozen=True, slots=True)
class Crypto:
    """One `a=crypto`: the key is that of whoever wrote it, for what it sends."""

    tag: str
    profile: SrtpProfile
    key_and_salt: bytes = field(repr=False)

    def __str__(self) -> str:
        """The attribute's value; section 9.1."""
        key = base64.b64encode(self.key_and_salt).decode()
        return f"{self.tag} {self.profile.sdes_name} inline:{key}"


def choose_crypto(values: Iterable[str]) -> Crypto | None:
    """The most preferred by the offerer that we can do; section 5.1.2. None without any."""
    for value, _ in zip(values, range(MAX_CRYPTO_LINES), strict=False):
        crypto = _read(value)
        if crypto is not None:
            return crypto
    return None


def answer_to(offered: Crypto, key_and_salt: bytes) -> Crypto:
    """Our side; `key_and_salt` is random and as long as `key_and_salt_length` says."""
    return Crypto(offered.tag, offered.profile, key_and_salt)


def offer_crypto(key_and_salt: bytes) -> Crypto:
    """What we offer: the one suite that everybody has."""
    profile = next(one for one in PROFILES if one.sdes_name in _OFFERED)
    return Crypto("1", profile, key_and_salt)


def key_and_salt_length(profile: SrtpProfile) -> int:
    return profile.key_length + profile.salt_length


def secure_leg(local: Crypto, remote: Crypto) -> SecureLeg:
    """The sessions of a leg whose descriptions have agreed."""
    return SecureLeg(
        SrtpSession.outbound(local.profile, local.key_and_salt),
        SrtpSession.inbound(remote.profile, remote.key_and_salt),
    )


def _read(value: str) -> Crypto | None:
    tag, suite, key_parameters, *session_parameters = [*value.split(), "", "", ""]
    profile = next((one for one in PROFILES if one.sdes_name == suite.upper()), None)
    if profile is None or not tag.isascii() or not tag.isdigit() or len(tag) > 9:
        return None
    # Section 6.3.6: what begins with a hyphen may be ignored; a window size is only a hint.
    if any(one and one[0] != "-" and not one.startswith("WSH=") for one in session_parameters):
        return None
    key_and_salt = _read_key(key_parameters)
    if key_and_salt is None or len(key_and_salt) != key_and_salt_length(profile):
        return None
    return Crypto(tag, profile, key_and_salt)


def _read_key(text: str) -> bytes | None:
    """`inline:` with a base64 key and perhaps a lifetime, which no call of ours reaches."""
    method, _, rest = text.partition(":")
    key, *more = rest.split("|")
    if method.lower() != "inline" or ";" in rest or any(":" in one for one in more):
        return None  # a second key or an MKI
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
