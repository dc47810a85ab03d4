"""Prompts: which files they are, and that those we ship are what they should be."""

import logging
from pathlib import Path

import numpy as np
import pytest
import yaml

from gateway.config import SOUNDS
from gateway.media.playing import Sound
from gateway.media.prompts import PROMPTS, find, load, missing, read
from support.sound_files import write_prompt
from support.tones import TONES, level

RATE = 16_000


def test_english_is_whole_small_and_has_its_words_beside_it() -> None:
    files = find("en", None)
    assert files.keys() == set(PROMPTS)
    assert sum(file.stat().st_size for file in files.values()) < 200_000
    assert not [file for file in (SOUNDS / "en").iterdir() if file not in files.values()]
    words = yaml.safe_load((SOUNDS / "en.yaml").read_text())
    assert words.keys() == set(PROMPTS) - {"join", "leave"}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_is_short_and_no_louder_than_people(name: str) -> None:
    sound = load("en", None)[name]
    assert 0.2 <= len(sound) * 0.02 <= 5
    loudest = np.abs(sound.wide.astype(int)).max()
    assert (1000 if name in ("join", "leave") else 4000) < loudest < 8000


@pytest.mark.parametrize("name", ["join", "leave"])
def test_the_tones_are_quiet_and_are_nobodys_in_a_test_call(name: str) -> None:
    around = np.zeros(4160)
    sound = np.concatenate([around, read(SOUNDS / "en" / f"{name}.opus"), around]) / 32_768
    window = sound[: round(0.7 * RATE)]
    assert level(window, RATE, 659) > -55
    assert level(window, RATE, 988) > -55
    assert all(level(window, RATE, hz) < -60 for hz in TONES)


def test_join_goes_up_and_leave_goes_down() -> None:
    for name, first, second in (("join", 659, 988), ("leave", 988, 659)):
        sound = read(SOUNDS / "en" / f"{name}.opus") / 32_768
        half = round(0.09 * RATE)
        assert level(sound[:half], RATE, first) > level(sound[:half], RATE, second) + 10
        later = sound[half : 2 * half]
        assert level(later, RATE, second) > level(later, RATE, first) + 10


def test_a_folder_of_the_admins_own_comes_first(tmp_path: Path) -> None:
    write_prompt(tmp_path, "join", 593, 1)
    files = find("en", tmp_path)
    assert files["join"] == tmp_path / "en" / "join.wav"
    assert files["leave"] == SOUNDS / "en" / "leave.opus"
    assert level(read(files["join"]) / 32_768, RATE, 593) > -25


def test_what_a_language_lacks_is_said_in_english_and_the_log_says_so_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tlh").mkdir()
    (tmp_path / "tlh" / "goodbye.opus").write_bytes((SOUNDS / "en" / "goodbye.opus").read_bytes())
    lacking = tuple(name for name in PROMPTS if name != "goodbye")
    assert missing("tlh", tmp_path) == lacking
    with caplog.at_level(logging.WARNING):
        assert load("tlh", tmp_path).keys() == set(PROMPTS)
    assert caplog.messages == [f"no tlh prompts for {', '.join(lacking)}: English is played"]


def test_a_broken_file_is_named_and_costs_only_its_prompt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "en").mkdir()
    broken = tmp_path / "en" / "join.wav"
    broken.write_bytes(b"RIFFrubbish")
    with pytest.raises(ValueError, match="is no sound file"):
        read(broken)
    assert load("en", tmp_path).keys() == set(PROMPTS) - {"join"}
    assert str(broken) in caplog.text


def test_a_sound_is_there_for_both_rates() -> None:
    time = np.arange(8100) / RATE
    sound = Sound.of(np.rint(8000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16))
    assert sound.wide.shape == (26, 320)
    assert sound.narrow.shape == (26, 160)
    for frames, rate in ((sound.wide, 16_000), (sound.narrow, 8000)):
        whole = frames[:25].reshape(-1) / 32_768
        assert level(whole, rate, 500) == pytest.approx(-12.2, abs=0.5)
