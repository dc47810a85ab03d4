"""One gateway for each state directory: two would change each other's Prosody and certificates."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import TrestleError


@contextmanager
def claimed(state_dir: Path) -> Iterator[None]:
    """Holds the directory for this process; the kernel lets it go if we are killed.

    `trestle account` claims nothing: it works beside a running gateway. Raises `TrestleError`.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise TrestleError(
            f"state_dir: nothing can be kept in {state_dir}: {error.strerror}"
        ) from None
    try:
        # Not inherited by children (PEP 446): a Prosody that is slow to die does not hold it.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrestleError(
                f"another gateway uses {state_dir}: stop it, or set state_dir to another directory"
            ) from None
        yield
    finally:
        os.close(descriptor)
