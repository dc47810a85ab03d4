"""What the gateway says: sound files by language and name.

A language is a folder. One that the admin keeps comes before ours, and what a language lacks is
said in English. `scripts/make-sounds` made ours; what they say stands in `sounds/<language>.yaml`.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from gateway.config import SOUNDS
from gateway.media import opus
from gateway.media.playing import Sound

log = logging.getLogger("trestle.media")

PROMPTS: Final = (
    *("you-are-alone", "conference-full", "goodbye"),
    *("enter-pin", "wrong-pin"),
    *("recording-started", "recording-stopped"),
    *("muted", "unmuted"),
    *("join", "leave"),
    *"0123456789",
)
"""All that can be played. `join` and `leave` are tones, the digits are words."""

ENGLISH: Final = "en"

_SUFFIXES = (".opus", ".ogg", ".flac", ".wav")


def find(language: str, own: Path | None) -> Mapping[str, Path]:
    """The file of each prompt in that language, whatever is missing in English."""
    found = {}
    for name in PROMPTS:
        file = next(_candidates(name, language, own), None)
        if file is not None:
            found[name] = file
    return found


def missing(language: str, own: Path | None) -> tuple[str, ...]:
    """The prompts that are said in English though another language is wanted."""
    files = find(language, own)
    return tuple(name for name in PROMPTS if _language(files.get(name)) != language)


@cache
def load(language: str, own: Path | None) -> Mapping[str, Sound]:
    """Every prompt's sound. What cannot be read is left out, and the log says so."""
    english = missing(language, own)
    if english:
        log.warning("no %s prompts for %s: English is played", language, ", ".join(english))
    sounds = {}
    for name, path in find(language, own).items():
        try:
            sounds[name] = Sound.of(read(path))
        except (OSError, ValueError) as error:
            log.error("prompt %s cannot be played: %s", name, error)
    return sounds


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """The first sound track of a file as int16[samples] at 16 kHz.

    Raises `OSError` and `ValueError` for a file that is none, with its path.
    """
    resampler = AudioResampler(format="s16", layout="mono", rate=opus.RATE)
    blocks = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                assert isinstance(frame, AudioFrame)
                blocks += resampler.resample(frame)
            blocks += resampler.resample(None)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} is no sound file ({error})") from None
    return np.concatenate([np.zeros(0, np.int16), *(block.to_ndarray()[0] for block in blocks)])


def _candidates(name: str, language: str, own: Path | None) -> Iterator[Path]:
    for wanted in dict.fromkeys((language, ENGLISH)):
        for folder in (own, SOUNDS):
            if folder is not None:
                files = (folder / wanted / f"{name}{suffix}" for suffix in _SUFFIXES)
                yield from (file for file in files if file.is_file())


def _language(file: Path | None) -> str:
    return file.parent.name if file is not None else ""
