"""The certificate for browsers on other machines.

Browsers give camera and microphone only to https (or to localhost). Without a certificate of the
admin's we make one and keep it, so that a browser that was told to trust it goes on doing so.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import TrestleError

VALIDITY = timedelta(days=365)
RENEWAL = timedelta(days=14)
"""A certificate that ends so soon is made anew."""


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """The TLS side of a listener. Without `key`, it stands in the same file."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = certificate if key is None else f"{certificate} and {key}"
        raise TrestleError(
            f"{files} cannot be used for https (web.certificate, web.key): {error}"
        ) from None
    return context


def own_certificate(state_dir: Path, now: datetime) -> Path:
    """One file with key and certificate, made if there is none that lasts for a while."""
    path = state_dir / "web-tls.pem"
    try:
        if not _lasts(path, now):
            state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(path, _make(own_names(), now))
    except OSError as error:
        raise TrestleError(
            f"the certificate cannot be kept in {state_dir} (state_dir): {error.strerror}"
        ) from None
    return path


def own_names() -> list[str]:
    """The names and addresses by which browsers most likely reach this machine."""
    names = ["localhost", "127.0.0.1", "::1"]
    if socket.gethostname().isascii():
        names.append(socket.gethostname())
    for family, probe in ((socket.AF_INET, "198.51.100.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as prober:
                # Sends nothing: asks the kernel for the route to a documentation address.
                prober.connect((probe, 9))
                names.append(str(prober.getsockname()[0]))
        except OSError:
            continue
    return list(dict.fromkeys(names))


def _lasts(path: Path, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWAL


def _make(names: Iterable[str], now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trestle")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes) -> None:
    """Key and certificate change together, and nobody else can read them at any moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
