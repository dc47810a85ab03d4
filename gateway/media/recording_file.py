"""A recording's file, written by a thread of its own.

Files know no "would block": a disk that is slow, or far away, stops whoever writes. That must not
be the mixer, so pages wait in a queue, and a disk that lags by half a minute is given up before
memory is. Every page is handed to the kernel at once: whatever kills the process, the file can be
played up to the last second.
"""

import os
import queue
import threading
from pathlib import Path
from typing import Final

_WAITING: Final = 30
"""Pages, which are seconds."""

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
"""What was said in a conference is for the gateway's own user."""

_SAME_SECOND = 1000


class RecordingFile:
    """Open from its making; nothing here waits but `join`."""

    def __init__(self, folder: Path, stem: str) -> None:
        """Makes the folder where it is missing. No file is ever written over."""
        self.path: Path | None = None
        """None until it is there."""
        self.problem = ""
        """Why it cannot go on; for people."""
        self._folder = folder
        self._stem = stem
        self._pages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # A disk that never answers must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def put(self, page: bytes) -> None:
        if self._pages.qsize() >= _WAITING:
            self.problem = self.problem or f"the disk is too slow: {_WAITING} s wait for it"
        if not self.problem:
            self._pages.put(page)

    def close(self) -> None:
        """After what was put so far."""
        self._pages.put(None)

    @property
    def is_closed(self) -> bool:
        return not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Waits until it is closed, but not longer than that."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            descriptor = self._open()
            try:
                while (page := self._pages.get()) is not None:
                    if not os.fstat(descriptor).st_nlink:
                        raise FileNotFoundError(None, "it was removed", str(self.path))
                    while page:
                        page = page[os.write(descriptor, page) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.problem = f"{error.filename or self.path}: {error.strerror}"

    def _open(self) -> int:
        self._folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        for number in range(1, _SAME_SECOND):
            tail = f"-{number}" if number > 1 else ""
            path = self._folder / f"{self._stem}{tail}.opus"
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(path, flags, _FILE_MODE)
            except FileExistsError:
                continue
            self.path = path
            return descriptor
        raise FileExistsError(None, "a file of that name exists", str(path))
