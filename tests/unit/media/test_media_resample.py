import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.media.resample import FACTOR, Downsampler, Upsampler
from support.tones import level

LOUD = 16_000


def tone(hz: int, rate: int, seconds: float = 1.0) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    time = np.arange(int(seconds * rate)) / rate
    return (LOUD * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def decibels(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", rate: int, hz: int) -> float:
    """Relative to the tone that went in."""
    return level(samples[rate // 10 :] / LOUD, rate, hz)


@pytest.mark.parametrize("hz", [300, 1000, 2500, 3400])
def test_speech_passes_upwards_flat_and_without_images(hz: int) -> None:
    out = Upsampler().convert(tone(hz, 8000))
    assert abs(decibels(out, 48_000, hz)) < 0.5
    for image in (8000 - hz, 8000 + hz, 16_000 - hz, 24_000 - hz):
        assert decibels(out, 48_000, image) < -65


@pytest.mark.parametrize("hz", [300, 1000, 2500, 3400])
def test_speech_passes_downwards_flat(hz: int) -> None:
    assert abs(decibels(Downsampler().convert(tone(hz, 48_000)), 8000, hz)) < 0.5


@pytest.mark.parametrize("hz", [4700, 6000, 7500, 9000, 15_000])
def test_what_a_telephone_cannot_carry_does_not_fold_back(hz: int) -> None:
    out = Downsampler().convert(tone(hz, 48_000))
    alias = abs((hz + 4000) % 8000 - 4000)
    assert decibels(out, 8000, alias) < -65


def test_blocks_join_without_a_seam() -> None:
    low, high = tone(440, 8000), tone(440, 48_000)
    whole, parts = Upsampler(), Upsampler()
    cut = [parts.convert(low[i : i + 80]) for i in range(0, len(low), 80)]
    assert furthest_apart(whole.convert(low), np.concatenate(cut)) <= 1
    whole_down, parts_down = Downsampler(), Downsampler()
    cut = [parts_down.convert(high[i : i + 960]) for i in range(0, len(high), 960)]
    assert furthest_apart(whole_down.convert(high), np.concatenate(cut)) <= 1


def furthest_apart(one: NDArray[np.int16], other: NDArray[np.int16]) -> int:
    """Not always 0: in which order a BLAS adds up depends on the block's size and the machine."""
    assert len(one) == len(other)
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_a_full_scale_square_wave_does_not_wrap() -> None:
    square = np.where(np.arange(800) // 20 % 2, 32_767, -32_768).astype(np.int16)
    up = Upsampler().convert(square).reshape(-1, FACTOR)
    middles = up[np.arange(100, 700) // 20 * 20 + 26][:, 3]
    expected = square[np.arange(100, 700) // 20 * 20 + 10]
    assert np.all(np.sign(middles.astype(int)) == np.sign(expected.astype(int)))


def test_an_empty_block_gives_nothing() -> None:
    assert len(Upsampler().convert(np.zeros(0, np.int16))) == 0
