from pathlib import Path

import pytest

from gateway.errors import TrestleError
from gateway.web.monitor_token import own_token


def test_is_made_once_and_kept_for_nobody_else_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    token = own_token(folder)
    assert len(token) == 32
    assert own_token(folder) == token
    kept = folder / "monitor-token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text() == f"{token}\n"


def test_two_gateways_have_two(tmp_path: Path) -> None:
    assert own_token(tmp_path / "a") != own_token(tmp_path / "b")


@pytest.mark.parametrize("cut", ["", "short", "x" * 31])
def test_what_cannot_be_a_token_is_replaced(tmp_path: Path, cut: str) -> None:
    (tmp_path / "monitor-token").write_text(cut)
    assert len(own_token(tmp_path)) == 32


def test_says_where_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "monitor-token").mkdir()
    with pytest.raises(TrestleError, match="monitor-token: Is a directory"):
        own_token(tmp_path)
