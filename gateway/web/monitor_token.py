"""The secret that opens the monitor: the admin's, or one that is made once and kept."""

import os
import re
import secrets
from pathlib import Path

from gateway.errors import TrestleError

_SHAPE = re.compile(r"[A-Za-z0-9_-]{32,128}")


def own_token(state_dir: Path) -> str:
    """The one kept in `state_dir`, made if there is none. Raises `TrestleError`."""
    path = state_dir / "monitor-token"
    try:
        kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
        if _SHAPE.fullmatch(kept):
            return kept
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_urlsafe(24)
        _write(path, token)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ours"
        raise TrestleError(f"the monitor's token cannot be kept in {path}: {why}") from None
    return token


def _write(path: Path, token: str) -> None:
    """Nobody else can read it at any moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{token}\n")
    fresh.replace(path)
