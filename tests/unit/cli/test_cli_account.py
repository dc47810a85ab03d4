"""`trestle account add` as scripts call it: no terminal, as in cron or in a container."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(90)  # whole programs start here


def add_account(jid: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "account", "add", jid],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,  # or getpass would find our terminal
    )


def test_without_a_terminal_the_option_for_scripts_is_named() -> None:
    ended = add_account("alice@localhost")
    assert ended.returncode == 1
    assert ended.stderr == "trestle: no terminal: use --password-stdin\n"


def test_a_jid_of_another_domain_is_refused_before_the_password_is_asked_for() -> None:
    ended = add_account("alice@example.org")
    assert ended.returncode == 1
    assert "write name@localhost" in ended.stderr
