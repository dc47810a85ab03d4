"""The recordings of one engine, from the wish to the file that is whole."""

import logging
import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.media.engine import TICK, Engine
from gateway.media.recording import Recording
from gateway.media.recording_file import RecordingFile
from gateway.ports import MediaEvent, RecordingStarted, RecordingStopped, RoomName

log = logging.getLogger("trestle.media")

_PATIENCE: Final = 1.0
"""Seconds after which a tick that did not come is time without sound."""

_LAST_WORDS: Final = 2.0
"""Seconds that all disks together have at the end of the process."""


@dataclass(slots=True)
class _Recorder:
    room: RoomName
    number: int
    recording: Recording
    file: RecordingFile
    was_told: bool = False

    @property
    def path(self) -> str:
        return str(self.file.path or "")


class Recorders:
    """At most one for each room. Trouble with a file ends its recording and nothing else."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._running: dict[RoomName, _Recorder] = {}
        self._closing: list[_Recorder] = []
        self._events: list[MediaEvent] = []

    def __contains__(self, room: RoomName) -> bool:
        return room in self._running

    def start(self, room: RoomName, number: int, now: float, date: datetime) -> None:
        """`date` in UTC. A room that is recorded already goes on as it is."""
        if room in self._running:
            return
        file = RecordingFile(self._folder, file_stem(room, date))
        tags = {"TITLE": room, "DATE": date.isoformat(timespec="seconds")}
        recording = Recording(_tick(now), secrets.randbits(32), tags, file.put)
        self._running[room] = _Recorder(room, number, recording, file)
        self._engine.record(number, recording.write)

    def stop(self, room: RoomName, now: float) -> None:
        recorder = self._running.pop(room, None)
        if recorder is not None:
            self._engine.record(recorder.number, None)
            recorder.recording.end(_tick(now))
            recorder.file.close()
            self._closing.append(recorder)

    def handle_timeout(self, now: float) -> None:
        """A few times in a second."""
        for recorder in tuple(self._running.values()):
            recorder.recording.reach(_tick(now - _PATIENCE))
            if recorder.file.problem:
                self.stop(recorder.room, now)
            elif recorder.file.path is not None and not recorder.was_told:
                recorder.was_told = True
                log.info("%s is recorded in %s", recorder.room, recorder.path)
                self._events.append(RecordingStarted(recorder.room, recorder.path))
        for recorder in [one for one in self._closing if one.file.is_closed or one.file.problem]:
            self._closing.remove(recorder)
            ended = self._ended(recorder)
            # Of one that goes on under the same name nobody may think that it has stopped.
            if recorder.room not in self._running:
                self._events.append(ended)

    def events(self) -> list[MediaEvent]:
        drained, self._events = self._events, []
        return drained

    def close(self, now: float) -> None:
        """Every file is finished, as far as its disk lets us."""
        for room in tuple(self._running):
            self.stop(room, now)
        deadline = time.monotonic() + _LAST_WORDS
        for recorder in self._closing:
            recorder.file.join(max(0.0, deadline - time.monotonic()))
            self._ended(recorder)

    def _ended(self, recorder: _Recorder) -> RecordingStopped:
        problem = recorder.file.problem
        if problem:
            log.error("the recording of %s has failed: %s", recorder.room, problem)
        else:
            log.info("the recording of %s is whole: %s", recorder.room, recorder.path)
        return RecordingStopped(recorder.room, recorder.path, problem)


def file_stem(room: str, date: datetime) -> str:
    """A file's name without its end: the room and the time, free of what paths could misread."""
    safe = re.sub(r"[^a-z0-9._-]", "_", room.lower()).lstrip(".")[:64] or "room"
    return f"{safe}-{date:%Y%m%dT%H%M%SZ}"


def _tick(now: float) -> int:
    return round(now / TICK)
