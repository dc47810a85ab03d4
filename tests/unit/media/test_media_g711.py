import numpy as np
import pytest
from av import AudioFrame, CodecContext

from gateway.media.g711 import PCMA, PCMU, Law

ALL = np.arange(-32_768, 32_768, dtype=np.int16)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0x80, 32_124), (0x00, -32_124), (0xF0, 120)],
)
def test_mulaw_codes_stand_for_the_values_of_table_2(code: int, value: int) -> None:
    assert PCMU.decode(bytes((code,)))[0] == value


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xD5, 8), (0x55, -8), (0xD4, 24), (0xAA, 32_256), (0x2A, -32_256), (0xC5, 264)],
)
def test_alaw_codes_stand_for_the_values_of_table_1(code: int, value: int) -> None:
    assert PCMA.decode(bytes((code,)))[0] == value


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_every_code_survives_decoding_and_encoding(law: Law) -> None:
    codes = bytes(range(256))
    again = law.encode(law.decode(codes))
    # mu-law has two zeros; the negative one comes back as the positive one.
    assert again == (codes.replace(b"\x7f", b"\xff") if law is PCMU else codes)


@pytest.mark.parametrize("law", [PCMU, PCMA])
def test_encoding_errs_by_half_a_step_at_most(law: Law) -> None:
    error = np.abs(law.decode(law.encode(ALL)).astype(np.int32) - ALL)
    levels = np.unique(law.decode(bytes(range(256))).astype(np.int32))
    inside = (levels[0] <= ALL) & (levels[-1] >= ALL)
    # Where two segments meet, the decision value belongs to the wider steps.
    steps = np.diff(levels)
    steps = np.maximum(steps, np.maximum(np.r_[steps[1:], 0], np.r_[0, steps[:-1]]))
    step = steps[np.clip(np.searchsorted(levels, ALL), 1, len(levels) - 1) - 1]
    assert np.all(error[inside] <= step[inside] / 2)


@pytest.mark.parametrize(("law", "name"), [(PCMU, "pcm_mulaw"), (PCMA, "pcm_alaw")])
def test_decoding_agrees_with_ffmpeg(law: Law, name: str) -> None:
    frame = AudioFrame.from_ndarray(ALL[np.newaxis], format="s16", layout="mono")
    frame.sample_rate = 8000
    encoder = CodecContext.create(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    theirs = b"".join(bytes(packet) for packet in encoder.encode(frame))
    difference = law.decode(law.encode(ALL)).astype(np.int32) - law.decode(theirs)
    # FFmpeg rounds some decision values to the other side; nowhere is it more than one step.
    assert np.mean(difference != 0) < 0.02
    assert np.abs(difference).max() <= 1024


# --- the tables of the Recommendation, written out from their segments -----------------------

A_SEGMENTS = ((32, 2), (16, 4), (16, 8), (16, 16), (16, 32), (16, 64), (16, 128))
"""Table 1a: (intervals, size of each) from zero to the virtual decision value of 4096."""

MU_SEGMENTS = ((1, 1), (15, 2), *((16, 4 << exponent) for exponent in range(7)))
"""Table 2a: the same up to 8159."""


class Table:
    """One half of a law: `decisions` int32[129], `values` int32[128], in 16-bit samples."""

    def __init__(self, law: Law) -> None:
        is_alaw = law is PCMA
        segments, scale = (A_SEGMENTS, 8) if is_alaw else (MU_SEGMENTS, 4)
        sizes = np.concatenate([np.full(count, size) for count, size in segments])
        decisions = np.concatenate(([0], np.cumsum(sizes)))
        assert (len(sizes), decisions[-1]) == (128, 4096 if is_alaw else 8159)
        self.decisions = decisions * scale
        self.values = (self.decisions[:-1] + self.decisions[1:]) // 2
        if not is_alaw:
            self.values[0] = 0
        intervals = np.arange(128)
        self.positive = (0x80 | intervals) ^ 0x55 if is_alaw else 0xFF - intervals
        self.negative = intervals ^ 0x55 if is_alaw else 0x7F - intervals


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["mu-law", "A-law"])
def test_all_codes_stand_for_the_values_of_the_tables(law: Law) -> None:
    table = Table(law)
    assert (law.expand(table.positive.astype(np.uint8)) == table.values).all()
    assert (law.expand(table.negative.astype(np.uint8)) == -table.values).all()


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["mu-law", "A-law"])
def test_all_samples_between_two_decision_values_have_the_code_of_their_interval(law: Law) -> None:
    table = Table(law)
    sizes = np.abs(ALL.astype(np.int32))
    # Which side a decision value belongs to is left open; beyond the last one all is the same.
    inside = ~np.isin(sizes, table.decisions)
    interval = np.minimum(np.searchsorted(table.decisions, sizes, "right") - 1, 127)
    wanted = np.where(ALL < 0, table.negative[interval], table.positive[interval])
    assert (law.compress(ALL)[inside] == wanted[inside]).all()


@pytest.mark.parametrize(
    ("law", "codes", "overload"),
    [(PCMU, "1E0B0B1E9E8B8B9E", 3.17), (PCMA, "342121 34B4A1A1B4", 3.14)],
    ids=["mu-law", "A-law"],
)
def test_the_digital_milliwatt_is_a_tone_of_1_khz_and_0_dbm0(
    law: Law, codes: str, overload: float
) -> None:
    """Tables 5 and 6, and the theoretical load capacities of section 4."""
    sound = law.decode(bytes.fromhex(codes) * 100).astype(np.float64)
    table = Table(law)
    full = table.decisions[-1] / np.sqrt(2)
    level = 20 * np.log10(np.sqrt(np.mean(sound**2)) / full)
    assert level == pytest.approx(-overload, abs=0.02)
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() == 100  # of 800 samples: 1 kHz
    others = np.delete(spectrum, 100)
    assert 20 * np.log10(spectrum[100] / others.max()) > 35


@pytest.mark.parametrize("law", [PCMU, PCMA], ids=["mu-law", "A-law"])
@pytest.mark.parametrize(("dbm0", "least"), [(0, 35), (-10, 35), (-20, 35), (-30, 35), (-40, 29)])
def test_distortion_is_below_the_limits_of_g_712(law: Law, dbm0: int, least: float) -> None:
    """Signal to total distortion for a sine; G.712, as for an encoder and a decoder each."""
    peak = Table(law).decisions[-1] * 10 ** ((dbm0 - 3.17) / 20)
    sound = np.round(peak * np.sin(2 * np.pi * 1004 / 8000 * np.arange(8000))).astype(np.int16)
    error = law.decode(law.encode(sound)).astype(np.float64) - sound
    ratio = 10 * np.log10(np.mean(sound.astype(np.float64) ** 2) / np.mean(error**2))
    assert ratio > least
