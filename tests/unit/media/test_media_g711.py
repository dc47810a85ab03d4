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
