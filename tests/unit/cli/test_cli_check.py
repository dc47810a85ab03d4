"""trestle check: what the admin is told about prompts and rooms."""

from pathlib import Path

import pytest

from gateway.cli import main
from support.sound_files import write_prompt


def check(tmp_path: Path, text: str) -> int:
    (tmp_path / "gateway.yaml").write_text(text)
    return main(["check", "--config", str(tmp_path / "gateway.yaml")])


def test_all_is_good_without_a_word_about_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_prompt(tmp_path, "join", 593, 1)
    assert check(tmp_path, "media: {sounds: .}\n") == 0
    assert capsys.readouterr().out == "The configuration and the dial plan are good.\n"


def test_a_sound_file_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "join.wav").write_text("la la la")
    assert check(tmp_path, "media: {sounds: .}\n") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"trestle: {tmp_path / 'en' / 'join.wav'} is no sound file (")


def test_what_a_language_lacks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "de").mkdir()
    assert check(tmp_path, "media: {sounds: ., language: de}\n") == 0
    assert "Said in English, not in de: you-are-alone, " in capsys.readouterr().out


def test_a_room_where_nobody_could_ever_publish_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.yaml").write_text("version: 1\nrooms: {lecture: {publishing: moderators}}\n")
    assert check(tmp_path, "conference: {moderator: nobody}\ndialplan: plan.yaml\n") == 1
    assert "only moderators publish in room 'lecture', and nobody can" in capsys.readouterr().err
    assert check(tmp_path, "dialplan: plan.yaml\n") == 0
