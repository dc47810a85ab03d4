import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.mixer import FRAME, SILENCE, Frame, limit, mix_minus


def noise(seed: int, loudness: int = 3000) -> Frame:
    return np.random.default_rng(seed).integers(-loudness, loudness, FRAME).astype(np.int16)


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.integers(0, 4))
def test_each_leg_hears_exactly_the_sum_of_all_others(speaks: list[bool], browsers: int) -> None:
    loudness = 2000  # 12 of them stay below the limiter's knee
    legs = {n: noise(n, loudness) if is_speaking else None for n, is_speaking in enumerate(speaks)}
    others = [noise(100 + n, loudness) for n in range(browsers)]
    mixed = mix_minus(legs, others)
    for leg, heard in mixed.items():
        wanted = np.zeros(FRAME, int)
        for other, frame in legs.items():
            if other != leg and frame is not None:
                wanted += frame
        for frame in others:
            wanted += frame
        assert np.array_equal(heard, wanted)


def test_a_room_where_nobody_speaks_is_silent() -> None:
    assert np.array_equal(mix_minus({"a": None, "b": None}, [])["a"], SILENCE)


def test_who_speaks_alone_hears_silence() -> None:
    mixed = mix_minus({"a": noise(1), "b": None}, [])
    assert not mixed["a"].any()
    assert np.array_equal(mixed["b"], noise(1))


def test_quiet_sums_pass_the_limiter_untouched() -> None:
    quiet = np.arange(-24_576, 24_577, dtype=np.int32)
    assert np.array_equal(limit(quiet), quiet)


def test_loud_sums_are_neither_wrapped_nor_cut_flat() -> None:
    loud = np.arange(-120_000, 120_001, 16, dtype=np.int32)
    out = limit(loud).astype(int)
    assert np.all(np.diff(out) >= 0), "louder in is never quieter out"
    assert np.abs(out).max() <= 32_767
    near_full_scale = np.abs(loud) < 40_000
    assert np.all(np.diff(out[near_full_scale]) > 0), "nothing is cut flat near full scale"
    assert np.array_equal(out, -out[::-1]), "both halves of the wave alike"
