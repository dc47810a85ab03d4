"""A recording is true in time, whatever the ticks did, and its file never stops the mixer."""

import errno
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.media.recorders import file_stem
from gateway.media.recording import Recording
from gateway.media.recording_file import RecordingFile
from support.sound_files import heard_in, read

START = 5_000
"""Ticks; any number but 0."""


def tone(tick: int, hz: int = 440, rate: int = 16_000) -> NDArray[np.int16]:
    samples = rate // 50
    time = (np.arange(samples) + samples * tick) / rate
    return np.rint(8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def recorded(path: Path, play: Callable[[Recording], None]) -> list[int]:
    """Writes a file; gives the lengths of the pages."""
    pages: list[bytes] = []
    play(Recording(START, 1, {"TITLE": "demo"}, pages.append))
    path.write_bytes(b"".join(pages))
    return [len(page) for page in pages]


def test_ticks_that_were_left_out_are_silence_of_their_length(tmp_path: Path) -> None:
    def play(recording: Recording) -> None:
        for tick in (*range(100), *range(250, 350)):
            recording.write(START + tick, tone(tick))
        recording.end(START + 400)

    recorded(tmp_path / "x.opus", play)
    sound = read(tmp_path / "x.opus")
    assert len(sound) / 48_000 == pytest.approx(8.0, abs=0.01)
    assert heard_in(sound, 440, 0.1, 1.9) > -15
    assert heard_in(sound, 440, 2.5, 4.9) < -80
    assert heard_in(sound, 440, 5.2, 6.9) > -15
    assert heard_in(sound, 440, 7.3, 8.0) < -80


def test_a_recording_without_any_tick_is_silence(tmp_path: Path) -> None:
    recorded(tmp_path / "x.opus", lambda recording: recording.end(START + 100))
    assert len(read(tmp_path / "x.opus")) / 48_000 == pytest.approx(2.0, abs=0.01)


def test_ticks_of_the_past_are_not_heard_twice(tmp_path: Path) -> None:
    def play(recording: Recording) -> None:
        recording.reach(START + 50)
        for tick in range(-10, 50):
            recording.write(START + tick, tone(tick))
        recording.end(START + 50)

    recorded(tmp_path / "x.opus", play)
    sound = read(tmp_path / "x.opus")
    assert len(sound) / 48_000 == pytest.approx(1.0, abs=0.01)
    assert heard_in(sound, 440, 0.0, 1.0) < -80


def test_a_room_may_go_from_8_to_16_khz_and_back(tmp_path: Path) -> None:
    def play(recording: Recording) -> None:
        for tick in range(150):
            rate = 16_000 if 50 <= tick < 100 else 8000
            recording.write(START + tick, tone(tick, rate=rate))
        recording.end(START + 150)

    recorded(tmp_path / "x.opus", play)
    sound = read(tmp_path / "x.opus")
    for second in range(3):
        assert heard_in(sound, 440, second + 0.1, second + 0.9) > -15


def test_what_is_lost_when_the_process_dies_is_one_second_and_the_rest_can_be_played(
    tmp_path: Path,
) -> None:
    pages: list[bytes] = []
    recording = Recording(START, 1, {}, pages.append)
    for tick in range(199):
        recording.write(START + tick, tone(tick))
    whole = b"".join(pages)
    for cut in (len(whole), len(whole) - 40):  # a page may be torn, too
        (tmp_path / "x.opus").write_bytes(whole[:cut])
        assert len(read(tmp_path / "x.opus")) / 48_000 > (2.9 if cut == len(whole) else 1.9)


def test_a_file_holds_what_was_put_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    file = RecordingFile(folder, "demo")
    for page in (b"one", b"two"):
        file.put(page)
    file.close()
    file.join(5)
    assert file.is_closed
    assert file.path == folder / "demo.opus"
    assert file.path.read_bytes() == b"onetwo"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_no_file_is_written_over(tmp_path: Path) -> None:
    names = []
    for content in (b"1", b"2", b"3"):
        file = RecordingFile(tmp_path, "demo")
        file.put(content)
        file.close()
        file.join(5)
        assert file.path is not None
        names.append(file.path.name)
    assert names == ["demo.opus", "demo-2.opus", "demo-3.opus"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"1", b"2", b"3"]


def test_a_folder_that_cannot_be_made_is_a_problem_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = RecordingFile(tmp_path / "file" / "recordings", "demo")
    file.join(5)
    assert file.problem == f"{tmp_path / 'file' / 'recordings'}: Not a directory"
    file.put(b"ignored")
    file.close()


def test_a_file_that_is_removed_meanwhile_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, really_write = tmp_path / "demo.opus", os.write

    def write(descriptor: int, data: bytes) -> int:
        path.unlink()
        return really_write(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    file = RecordingFile(tmp_path, "demo")
    file.put(b"one")
    file.put(b"two")
    file.join(5)
    assert file.problem == f"{path}: it was removed"


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)
    file = RecordingFile(tmp_path, "demo")
    file.put(b"page")
    file.join(5)
    assert file.problem == f"{tmp_path / 'demo.opus'}: No space left on device"


def test_a_disk_that_does_not_answer_stops_nobody_and_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    really = os.write

    def write(descriptor: int, data: bytes) -> int:
        go_on.wait(10)
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    file = RecordingFile(tmp_path, "demo")
    for _ in range(40):
        file.put(b"page")
    assert file.problem == "the disk is too slow: 30 s wait for it"
    assert not file.is_closed
    file.close()
    go_on.set()
    file.join(5)
    assert file.is_closed


@pytest.mark.parametrize(
    ("room", "stem"),
    [
        ("demo", "demo-20261121T093005Z"),
        ("Team Room", "team_room-20261121T093005Z"),
        ("../../etc/passwd", "_.._etc_passwd-20261121T093005Z"),
        ("...", "room-20261121T093005Z"),
        ("x" * 300, "x" * 64 + "-20261121T093005Z"),
    ],
)
def test_a_files_name_tells_room_and_time_and_leads_nowhere_else(room: str, stem: str) -> None:
    assert file_stem(room, datetime(2026, 11, 21, 9, 30, 5, tzinfo=UTC)) == stem
