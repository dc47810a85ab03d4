"""Sound files as a player reads them, by FFmpeg."""

from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from support.tones import Samples, level, write_tone

RATE = 48_000
"""Hz, of what is read."""


def read(path: Path) -> Samples:
    """All that can be played of an Opus file."""
    blocks = [np.zeros(0)]
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            assert frame.sample_rate == RATE
            blocks.append(frame.to_ndarray()[0].astype(np.float64))
    return np.concatenate(blocks)


def is_whole(path: Path) -> bool:
    """Whether the last page of an Ogg file says that it is the last; RFC 3533, section 6."""
    data = path.read_bytes()
    return bool(data[data.rindex(b"OggS") + 5] & 4)


def heard_in(sound: Samples, hz: int, start: float, stop: float) -> float:
    """The level of a tone between two times in seconds."""
    return level(sound[round(start * RATE) : round(stop * RATE)], RATE, hz)


def write_prompt(folder: Path, name: str, hz: int, seconds: int) -> None:
    """A tone in place of an English prompt: what is heard tells what is played."""
    (folder / "en").mkdir(exist_ok=True)
    write_tone(folder / "en" / f"{name}.wav", hz, 16_000, seconds)
