"""What the embedded Prosody is given to read."""

import os
import stat
from pathlib import Path

from cryptography import x509

from xmppbridge.prosody_files import CONFIGURATION, ProsodyFiles, ProsodySettings, configuration

SETTINGS = ProsodySettings("example.org", "rooms.example.org", "0.0.0.0", 5222, 5347, 5280)


def test_the_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    files = ProsodyFiles(tmp_path / "a" / "prosody")
    secret = files.secret()
    assert len(secret) >= 32
    assert ProsodyFiles(tmp_path / "a" / "prosody").secret() == secret
    mode = stat.S_IMODE((tmp_path / "a" / "prosody" / "component-secret").stat().st_mode)
    assert mode == (0o640 if os.geteuid() == 0 else 0o600)


def test_nothing_is_readable_by_others(tmp_path: Path) -> None:
    files = ProsodyFiles(tmp_path / "prosody")
    files.write(SETTINGS)
    for path in (files.directory, *files.directory.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path


def test_the_certificate_names_both_domains_and_is_kept(tmp_path: Path) -> None:
    files = ProsodyFiles(tmp_path / "prosody")
    files.write(SETTINGS)
    first = files.certificate.read_bytes()
    names = x509.load_pem_x509_certificate(first).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["example.org", "rooms.example.org"]
    files.write(SETTINGS)
    assert files.certificate.read_bytes() == first


def test_another_domain_gets_another_certificate(tmp_path: Path) -> None:
    files = ProsodyFiles(tmp_path / "prosody")
    files.write(SETTINGS)
    first = files.certificate.read_bytes()
    files.write(ProsodySettings("example.net", "rooms.example.net", "0.0.0.0", 1, 2, 3))
    assert files.certificate.read_bytes() != first


def test_the_same_settings_give_the_same_configuration(tmp_path: Path) -> None:
    files = ProsodyFiles(tmp_path / "prosody")
    files.write(SETTINGS)
    first = (files.directory / CONFIGURATION).read_text()
    files.write(SETTINGS)
    assert (files.directory / CONFIGURATION).read_text() == first


def test_the_component_and_the_web_are_on_loopback_and_federation_is_off() -> None:
    text = configuration(SETTINGS, 'a"b\\c')
    assert 'component_interfaces = { "127.0.0.1" }' in text
    assert 'http_interfaces = { "127.0.0.1" }' in text
    assert 'modules_disabled = { "s2s" }' in text
    assert 'component_secret = "a\\"b\\\\c"' in text
