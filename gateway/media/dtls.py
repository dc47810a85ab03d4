"""DTLS-SRTP: one association without I/O, by OpenSSL; RFC 6347, RFC 5764, RFC 8122.

Only keys are wanted of it: application data (WebRTC's data channels) is read over. Authentication
is by the fingerprint in the session description, so every certificate passes OpenSSL, and none
that does not match gives keys.
"""

import datetime
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from gateway.media.srtp import PROFILES, SrtpProfile, SrtpSession
from gateway.media.transport import SecureLeg

MTU: Final = 1200
"""Bytes of a datagram: passes every path that WebRTC runs on."""

_DTLS_1_2 = 0xFEFD
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
"""Forward secret; the last two for phones. DTLS 1.3 has a list of its own."""

_DTLS_PROFILES = tuple(profile for profile in PROFILES if profile.dtls_name)
_EXPORTER = b"EXTRACTOR-dtls_srtp"

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-512": hashes.SHA512,
    "sha-384": hashes.SHA384,
    "sha-256": hashes.SHA256,
}
"""Strongest first."""

_RECORD_HEADER = 13
_BACKDATED = datetime.timedelta(days=1)
_VALIDITY = datetime.timedelta(days=3650)


class DtlsIdentity:
    """Our certificate, and the settings of every association with it. One for each process."""

    def __init__(self, now: datetime.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trestle")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + _VALIDITY)
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = _digest(certificate, "sha-256")
        """By SHA-256, in upper-case hexadecimal with colons."""
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_min_proto_version(_DTLS_1_2)
        self.context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        self.context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        self.context.set_cipher_list(_CIPHERS)
        self.context.set_tlsext_use_srtp(
            ":".join(profile.dtls_name for profile in _DTLS_PROFILES).encode()
        )
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)


class DtlsState(Enum):
    """RFC 8842 has no closer words; WebRTC's RTCDtlsTransportState has these."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"
    """By either side's close_notify."""
    FAILED = "failed"


class DtlsAssociation:
    """One handshake and what follows it.

    `fingerprints` are those of `RemoteTransport`. Retransmission runs by OpenSSL's own clock:
    `next_timeout` tells when, and a call of `handle_timeout` before that does nothing.
    """

    def __init__(
        self, identity: DtlsIdentity, *, is_client: bool, fingerprints: Sequence[tuple[str, str]]
    ) -> None:
        self._is_client = is_client
        self._fingerprints = tuple(fingerprints)
        self._ssl = SSL.Connection(identity.context)
        self._ssl.set_ciphertext_mtu(MTU)
        if is_client:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()
        self.state = DtlsState.CONNECTING
        self.secure: SecureLeg | None = None
        """Set when connected."""
        self.error = ""
        """Why it failed, for people."""

    def connect(self) -> None:
        """The client's first flight; a server waits for it."""
        if self._is_client:
            self._shake_hands()

    def receive(self, datagram: bytes) -> None:
        """Anything may be in it; what is no DTLS is dropped by OpenSSL."""
        # OpenSSL takes an empty datagram for a mistake of ours.
        if not datagram or self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        self._ssl.bio_write(datagram)
        if self.state is DtlsState.CONNECTING:
            self._shake_hands()
        # Not "else": the last flight may come in one datagram with more.
        if self.state is DtlsState.CONNECTED:
            self._read_over()

    def handle_timeout(self) -> None:
        """Retransmits what is due; gives up after a dozen times."""
        if self.state is DtlsState.CONNECTING:
            try:
                self._ssl.DTLSv1_handle_timeout()
            except SSL.Error:
                self._fail("the peer does not answer the DTLS handshake")

    def next_timeout(self, now: float) -> float | None:
        if self.state is not DtlsState.CONNECTING:
            return None
        left = self._ssl.DTLSv1_get_timeout()
        return None if left is None else now + left

    def datagrams_to_send(self) -> Iterator[bytes]:
        """Records put together up to the MTU; what OpenSSL wrote is one stream of records."""
        try:
            data = self._ssl.bio_read(65_536)
        except SSL.Error:
            return
        start = end = 0
        while end < len(data):
            length = int.from_bytes(data[end + 11 : end + _RECORD_HEADER], "big")
            after = end + _RECORD_HEADER + length
            if after - start > MTU and end > start:
                yield data[start:end]
                start = end
            end = after
        yield data[start:]

    def close(self) -> None:
        """Says goodbye if there is anybody; `datagrams_to_send` has it."""
        if self.state is DtlsState.CONNECTED:
            self.state = DtlsState.CLOSED
            try:
                self._ssl.shutdown()
            except SSL.Error:
                return  # the peer need not hear it

    def _shake_hands(self) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._fail(f"the DTLS handshake failed: {_reason(error)}")
            return
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or not _matches(certificate, self._fingerprints):
            self._fail("the certificate is not the one of the session description's fingerprint")
            return
        name = self._ssl.get_selected_srtp_profile().decode()
        profile = next((one for one in _DTLS_PROFILES if one.dtls_name == name), None)
        if profile is None:
            self._fail("the peer does not do SRTP")
            return
        self.secure = self._keys(profile)
        self.state = DtlsState.CONNECTED

    def _keys(self, profile: SrtpProfile) -> SecureLeg:
        """RFC 5764, section 4.2: both keys, then both salts, the client's first."""
        key, salt = profile.key_length, profile.salt_length
        exported = self._ssl.export_keying_material(_EXPORTER, 2 * (key + salt))
        keys, salts = exported[: 2 * key], exported[2 * key :]
        client, server = keys[:key] + salts[:salt], keys[key:] + salts[salt:]
        ours, theirs = (client, server) if self._is_client else (server, client)
        return SecureLeg(SrtpSession.outbound(profile, ours), SrtpSession.inbound(profile, theirs))

    def _read_over(self) -> None:
        """Lets OpenSSL answer repeated flights and see the end."""
        try:
            while True:
                self._ssl.recv(16_384)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error as error:
            self._fail(f"the DTLS association broke: {_reason(error)}")

    def _fail(self, text: str) -> None:
        self.state = DtlsState.FAILED
        self.secure = None
        self.error = text


def _matches(certificate: x509.Certificate, fingerprints: Sequence[tuple[str, str]]) -> bool:
    """RFC 8122, section 5.1: by one of those that have the strongest hash, in any case."""
    for name in _HASHES:
        digests = {value.upper() for one, value in fingerprints if one.lower() == name}
        if digests:
            return _digest(certificate, name) in digests
    return False


def _digest(certificate: x509.Certificate, name: str) -> str:
    return certificate.fingerprint(_HASHES[name]()).hex(":").upper()


def _reason(error: SSL.Error) -> str:
    """OpenSSL's last word, such as "no shared cipher"."""
    queue = error.args[0] if error.args else ()
    return str(queue[-1][-1]) if queue else "no reason given"
