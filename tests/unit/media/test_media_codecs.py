"""Opus and G.722 through their libraries, and the filters between the rates."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.media import g722, opus
from gateway.media.half_band import Downsampler, Upsampler
from gateway.media.waveform import Waveforms, blend

LANE = np.array([1])


def tone(hz: float, rate: int, frames: int, amplitude: int = 10_000) -> NDArray[np.int16]:
    """int16[frames, rate / 50]."""
    time = np.arange(frames * rate // 50) / rate
    sound = (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.int16)
    return sound.reshape(frames, rate // 50)


def snr(sent: NDArray[np.int16], heard: NDArray[np.int16]) -> float:
    """dB, at the delay that fits best."""
    best = -100.0
    for delay in range(400):
        part = heard[3200 + delay : 6400 + delay].astype(float)
        wanted = sent[3200:6400].astype(float)
        error = part - wanted * (part @ wanted) / (wanted @ wanted)
        best = max(best, 10 * np.log10((part @ part + 1) / (error @ error + 1)))
    return best


@pytest.mark.parametrize(("codec", "least"), [(opus, 15.0), (g722, 25.0)], ids=["opus", "g722"])
def test_what_is_encoded_is_heard(codec: object, least: float) -> None:
    encoder, decoder = codec.Encoder(), codec.Decoder()  # type: ignore[attr-defined]
    payload, heard = np.zeros(opus.MAX_PAYLOAD, np.uint8), []
    sent = tone(440, 16_000, 30)
    for frame in sent:
        out = np.zeros(320, np.int16)
        assert decoder.decode(payload[: encoder.encode(frame, payload)], out) == 320
        heard.append(out)
    assert snr(sent.ravel(), np.concatenate(heard)) > least


def test_a_forked_opus_encoder_goes_on_as_if_nothing_had_happened() -> None:
    sent = tone(440, 16_000, 40)
    shared, payloads = opus.Encoder(), np.zeros((2, opus.MAX_PAYLOAD), np.uint8)
    for frame in sent[:20]:
        shared.encode(frame, payloads[0])
    own = shared.fork()
    for frame in sent[20:]:
        lengths = [shared.encode(frame, payloads[0]), own.encode(frame, payloads[1])]
        assert lengths[0] == lengths[1]
        assert (payloads[0, : lengths[0]] == payloads[1, : lengths[1]]).all()


def test_rows_are_coded_like_single_frames() -> None:
    sent = np.stack((tone(440, 16_000, 20), tone(700, 16_000, 20)), axis=1)
    alone, together = ([opus.Encoder(), opus.Encoder()] for _ in range(2))
    hearing, listening = ([opus.Decoder(), opus.Decoder()] for _ in range(2))
    for frames in sent:
        payloads, expected = np.zeros((2, 200), np.uint8), np.zeros((2, 200), np.uint8)
        lengths = opus.Encoder.encode_rows(together, frames, payloads)
        single = zip(alone, frames, expected, strict=True)
        assert lengths == [one.encode(frame, out) for one, frame, out in single]
        assert (payloads == expected).all()
        heard, wanted = np.zeros((3, 320), np.int16), np.zeros((3, 320), np.int16)
        opus.Decoder.decode_rows(hearing, payloads, [1, 0], lengths[::-1], heard, [2, 0])
        listening[0].decode(payloads[1, : lengths[1]], wanted[2])
        listening[1].decode(payloads[0, : lengths[0]], wanted[0])
        assert (heard == wanted).all()
    with pytest.raises(ValueError, match="without gaps"):
        opus.Encoder.encode_rows(together, sent[0, :, ::2], payloads)


def test_rubbish_is_decoded_to_nothing() -> None:
    out = np.zeros(320, np.int16)
    rubbish = np.frombuffer(b"\xff\xfe\xfd", np.uint8)
    assert opus.Decoder().decode(rubbish, out) == 0
    assert g722.Decoder().decode(np.zeros(0, np.uint8), out) == 0


def test_the_first_octet_tells_packets_of_20_ms() -> None:
    wideband_20_ms, wideband_60_ms, celt_10_ms_twice = 9 << 3, 11 << 3, (30 << 3) | 1
    assert opus.IS_20_MS[[wideband_20_ms, wideband_60_ms, celt_10_ms_twice]].tolist() == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("hz", [300, 1000, 3400])
def test_speech_passes_both_ways_flat(hz: int) -> None:
    up, down, heard, wide = Upsampler(2), Downsampler(2), [], []
    for frame in tone(hz, 8000, 20):
        wide.append(up.convert(LANE, frame[np.newaxis]))
        heard.append(down.convert(LANE, wide[-1])[0])
    level = np.sqrt(np.mean(np.concatenate(heard)[800:].astype(float) ** 2))
    assert level == pytest.approx(10_000 / np.sqrt(2), rel=0.02)
    spectrum = np.abs(np.fft.rfft(np.concatenate(wide, axis=1)[0, 3200:] * np.hanning(3200)))
    image = spectrum[int((8000 - hz) / 5) - 3 : int((8000 - hz) / 5) + 4].max()
    assert 20 * np.log10(spectrum.max() / image) > 45


def test_lanes_are_apart() -> None:
    up = Upsampler(3)
    loud, silence = tone(1000, 8000, 1), np.zeros((1, 160), np.int16)
    up.convert(np.array([0]), loud)
    assert not up.convert(np.array([2]), silence).any()


def test_a_lost_frame_of_a_tone_is_not_heard() -> None:
    waveforms, row, heard = Waveforms(2), np.array([1]), []
    for number, frame in enumerate(tone(440, 8000, 20)):
        if number == 10:
            heard.append(waveforms.conceal(1, 160, 8000))
        else:
            block = frame[np.newaxis].copy()
            waveforms.heard(row, block, 8000)
            heard.append(block[0])
    sound = np.concatenate(heard).astype(float)
    steepest = 10_000 * 2 * np.pi * 440 / 8000
    assert np.abs(np.diff(sound)).max() < 1.1 * steepest
    lost = sound[1600:1760]
    assert np.sqrt(np.mean(lost**2)) > 0.7 * 10_000 / np.sqrt(2)


def test_what_has_no_period_repeats_without_a_seam() -> None:
    noise = np.random.default_rng(2).normal(0, 20_000, (50, 327))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, 8, axis=1).mean(axis=2)
    for sound in smooth.astype(np.int16):
        waveforms = Waveforms(1)
        for frame in sound.reshape(2, 1, 160):
            waveforms.heard(np.array([0]), frame.copy(), 8000)
        concealed = waveforms.conceal(0, 160, 8000).astype(int)
        assert np.abs(np.diff(concealed)).max() < 1.5 * np.abs(np.diff(sound.astype(int))).max()


def test_a_long_loss_fades_away() -> None:
    waveforms = Waveforms(1)
    for frame in tone(440, 8000, 5):
        waveforms.heard(np.array([0]), frame[np.newaxis].copy(), 8000)
    frames = [waveforms.conceal(0, 160, 8000) for _ in range(6)]
    levels = [np.abs(frame.astype(int)).max() for frame in frames]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 0


def test_blending_begins_with_the_one_and_ends_with_the_other() -> None:
    first, second = np.full(160, 1000, np.int16), np.full(160, -1000, np.int16)
    blended = blend(first, second)
    assert (blended[0], blended[-1]) == (1000, -1000)
