"""Tones: everyone in a test call hums one, so that what is heard tells who is heard.

Levels are in dB of full scale: a sine of amplitude 1.0 has 0 dB.
"""

import math
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
"""Mono sound, full scale is 1.0."""

TONES = (401, 491, 593, 709, 839, 1069, 1217, 1753)
"""Hz. No harmonic (to the 7th), sum or difference of two or three of them comes within 12 Hz of
another, so that a distorting path cannot pass one person off as somebody else."""

SILENCE_DB = -120.0
"""What `level` says when there is nothing at all."""

AUDIBLE_DB = -45.0
"""Below this nobody would call it heard, by however much it beats the rest."""


def level(sound: Samples, rate: int, hz: float) -> float:
    """How loud one tone is in a sound: Goertzel's bin, computed directly, with a Hann window."""
    if len(sound) == 0:
        return SILENCE_DB
    window = np.hanning(len(sound))
    turns = np.exp(-2j * np.pi * hz / rate * np.arange(len(sound)))
    amplitude = 2 * abs(np.dot(sound * window, turns)) / window.sum()
    return max(SILENCE_DB, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DB


def levels(sound: Samples, rate: int, tones: Iterable[int] = TONES) -> dict[int, float]:
    return {hz: level(sound, rate, hz) for hz in tones}


def longest_gap(sound: Samples, rate: int, hz: float, step: float = 0.02) -> float:
    """The longest time in seconds during which a tone could not be heard."""
    size = int(2.5 * step * rate)
    starts = range(0, max(1, len(sound) - size), int(step * rate))
    longest = current = 0
    for start in starts:
        heard = level(sound[start : start + size], rate, hz) > AUDIBLE_DB
        current = 0 if heard else current + 1
        longest = max(longest, current)
    return longest * step


def loudest(sound: Samples, rate: int) -> float:
    """The level in dB of the loudest tenth of a second, whatever it holds."""
    size = rate // 10
    if len(sound) < size:
        return SILENCE_DB
    power = (sound[: len(sound) // size * size].reshape(-1, size) ** 2).mean(axis=1).max()
    return max(SILENCE_DB, 10 * math.log10(power)) if power > 0 else SILENCE_DB


@dataclass(frozen=True, slots=True)
class Expected:
    """What a participant ought to hear."""

    own: int
    others: tuple[int, ...]
    margin_db: float = 20.0

    def missing(self, heard: Mapping[int, float]) -> str:
        """Empty if all is well; otherwise a sentence that says what is wrong."""
        floor = max(AUDIBLE_DB, heard[self.own] + self.margin_db)
        faint = [f"{hz} Hz at {heard[hz]:.0f} dB" for hz in self.others if heard[hz] < floor]
        strangers = [
            f"{hz} Hz at {db:.0f} dB"
            for hz, db in heard.items()
            if hz not in (*self.others, self.own) and db > AUDIBLE_DB
        ]
        faults = []
        if faint:
            own = f"own {self.own} Hz at {heard[self.own]:.0f} dB"
            faults.append(f"not heard: {', '.join(faint)} ({own})")
        if strangers:
            faults.append(f"heard though gone: {', '.join(strangers)}")
        return "; ".join(faults)


def write_tone(path: Path, hz: int, rate: int, seconds: int, amplitude: float = 0.1) -> None:
    """A mono WAV file; every tone has whole periods in a second, so that seconds join up."""
    one = amplitude * np.sin(2 * np.pi * hz / rate * np.arange(rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((one * 32767).astype("<i2").tobytes() * seconds)


def read_growing_wave(path: Path) -> tuple[Samples, int]:
    """Reads a mono 16-bit WAV file whose writer has not put its length into the header yet."""
    data = path.read_bytes()
    start = data.find(b"data") + 8
    if start < 8:
        return np.zeros(0), 8000
    rate = int.from_bytes(data[24:28], "little")
    body = data[start : start + (len(data) - start) // 2 * 2]
    return np.frombuffer(body, dtype="<i2").astype(np.float64) / 32768, rate
