"""What an embedded Prosody reads: its configuration, its certificate, our shared secret.

Everything lies in one private directory and is written by us alone. When we run as root, Prosody
runs as nobody: it may read these files and write to `data/`, so a Prosody that was taken over
cannot change its configuration or lead us to write elsewhere.

The directory may lie where nobody has no access to the parents (root's home). So Prosody gets it
as an open descriptor and finds it under /proc, whose path comes in the environment.
"""

import datetime
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOBODY = 65534
"""User and group of Linux for who owns nothing."""

BASE = "TRESTLE_PROSODY"
"""The environment variable with the directory's path, as Prosody sees it."""

CONFIGURATION = "prosody.cfg.lua"
_CERTIFICATE = "certificate.pem"
_KEY = "key.pem"
_SECRET = "component-secret"
_DATA = "data"

_VALID = datetime.timedelta(days=3650)
"""Clients pin a self-signed certificate by hand: a new one every year would annoy them."""

_TEMPLATE = """\
-- Written by Trestle at every start: changes here are lost.
local base = os.getenv({base})
daemonize = false
pidfile = base .. "/data/prosody.pid"
data_path = base .. "/data"
certificates = base
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}

interfaces = {{ {listen} }}
c2s_ports = {{ {c2s_port} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ }}
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http_port} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ }}
http_default_host = {domain}
-- Both are on the loopback interface only.
consider_websocket_secure = true
consider_bosh_secure = true

modules_enabled = {{
  "roster"; "saslauth"; "tls"; "disco"; "ping"; "posix"; "carbons"; "pep"; "smacks"; "mam";
  "csi_simple"; "blocklist"; "vcard_legacy"; "limits"; "bosh"; "websocket";
}}
-- Federation is not ours to open.
modules_disabled = {{ "s2s" }}
allow_registration = false
authentication = "internal_hashed"
storage = "internal"
archive_expires_after = "1w"
c2s_require_encryption = true
limits = {{ c2s = {{ rate = "1mb/s"; burst = "2s" }} }}
ssl = {{ certificate = base .. "/certificate.pem", key = base .. "/key.pem" }}

VirtualHost {domain}
  disco_items = {{ {{ {component}, "Conferences" }} }}
Component {component}
  component_secret = {secret}
"""


@dataclass(frozen=True, slots=True)
class ProsodySettings:
    """What one embedded server is configured with."""

    domain: str
    component: str
    listen: str
    c2s_port: int
    component_port: int
    http_port: int


class ProsodyFiles:
    """The private directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.expanduser().absolute()
        self._as_root = os.geteuid() == 0

    @property
    def certificate(self) -> Path:
        """PEM, self-signed; for clients that are to trust it."""
        return self.directory / _CERTIFICATE

    def secret(self) -> str:
        """Between Prosody and the component; made once."""
        self._make_directories()
        path = self.directory / _SECRET
        if not path.exists():
            self._write(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def write(self, settings: ProsodySettings) -> None:
        """All that Prosody needs; the certificate only where there is no fitting one yet."""
        secret = self.secret()
        self._write(self.directory / CONFIGURATION, configuration(settings, secret))
        names = [settings.domain, settings.component]
        if not self._has_certificate(names):
            certificate, key = self_signed(names)
            self._write(self.directory / _KEY, key)
            self._write(self.certificate, certificate)

    def _has_certificate(self, names: list[str]) -> bool:
        if not self.certificate.exists() or not (self.directory / _KEY).exists():
            return False
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
        return (
            set(names) <= set(covered.get_values_for_type(x509.DNSName))
            and certificate.not_valid_after_utc > soon
        )

    def _make_directories(self) -> None:
        data = self.directory / _DATA
        if data.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700)
        if self._as_root:
            os.chown(data, NOBODY, NOBODY)
            os.chown(self.directory, 0, NOBODY)
        self.directory.chmod(0o750)

    def _write(self, path: Path, text: str) -> None:
        """Never readable by others, not even for a moment; replaces the old file whole."""
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            if self._as_root:
                os.fchown(descriptor, 0, NOBODY)
                os.fchmod(descriptor, 0o640)
        new.replace(path)


def configuration(settings: ProsodySettings, secret: str) -> str:
    return _TEMPLATE.format(
        base=_lua(BASE),
        listen=_lua(settings.listen),
        c2s_port=settings.c2s_port,
        component_port=settings.component_port,
        http_port=settings.http_port,
        domain=_lua(settings.domain),
        component=_lua(settings.component),
        secret=_lua(secret),
    )


def self_signed(names: list[str]) -> tuple[str, str]:
    """Certificate and key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _lua(text: str) -> str:
    """A Lua string; JSON's escapes of ASCII text are Lua's, but for the slash and \\u."""
    assert text.isascii()
    assert text.isprintable()
    return json.dumps(text)
