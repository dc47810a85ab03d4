"""What is told about recordings is true of the one that is running."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.media import recording_file
from gateway.media.engine import Engine
from gateway.media.recorders import Recorders
from gateway.ports import RecordingStopped, RoomName

ROOM = RoomName("demo")
NOW, DATE = 100.0, datetime(2026, 11, 20, tzinfo=UTC)


class SlowFile(recording_file.RecordingFile):
    """Its disk answers when it is told to."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.may_answer = threading.Event()
        made.append(self)
        super().__init__(folder, stem)

    def _open(self) -> int:
        self.may_answer.wait(10)
        raise OSError(5, "Input/output error")


made: list[SlowFile] = []


@pytest.fixture
def recorders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorders]:
    made.clear()
    monkeypatch.setattr("gateway.media.recorders.RecordingFile", SlowFile)
    yield Recorders(Engine(4, random.Random(1).getrandbits), tmp_path)
    for file in made:
        file.may_answer.set()
        file.join(5)


def test_the_failure_of_an_earlier_recording_does_not_end_the_one_after_it(
    recorders: Recorders,
) -> None:
    number = recorders._engine.open_room()
    recorders.start(ROOM, number, NOW, DATE)
    recorders.stop(ROOM, NOW + 1)
    recorders.start(ROOM, number, NOW + 6, DATE)
    made[0].may_answer.set()
    made[0].join(5)
    recorders.handle_timeout(NOW + 7)
    assert recorders.events() == []
    assert ROOM in recorders
    made[1].may_answer.set()
    made[1].join(5)
    for later in (8, 9):
        recorders.handle_timeout(NOW + later)
    (event,) = recorders.events()
    assert isinstance(event, RecordingStopped)
    assert "Input/output error" in event.why
