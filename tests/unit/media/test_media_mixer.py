"""Sums, the limiter and the choice of speakers, against loops that anybody can follow."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.mixer import comfort_noise, limit, room_sums
from gateway.media.speakers import SILENCE, Speakers


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 1000))
@settings(max_examples=50)
def test_each_room_is_the_sum_of_its_own(rooms: list[int], seed: int) -> None:
    ordered = np.array(sorted(rooms))
    pcm = np.random.default_rng(seed).integers(-32_768, 32_768, (len(rooms), 160), dtype=np.int16)
    sums = room_sums(pcm, ordered, 5)
    for room in range(5):
        naive = [0] * 160
        for place, frame in zip(ordered, pcm.tolist(), strict=True):
            if place == room:
                naive = [a + b for a, b in zip(naive, frame, strict=True)]
        assert sums[room].tolist() == naive


def test_quiet_sums_pass_the_limiter_untouched() -> None:
    sums = np.array([[24_576, -24_576, 0, 1]], np.int32)
    assert limit(sums).tolist() == sums.tolist()


def test_loud_sums_are_neither_wrapped_nor_cut_flat() -> None:
    sums = np.array([np.arange(-100_000, 100_000, 500), np.zeros(400)], np.int32)
    limited = limit(sums)[0].astype(int)
    assert (np.diff(limited) >= 0).all()
    assert 32_000 < limited.max() <= 32_767
    assert len(np.unique(limited[(sums[0] > 24_576) & (sums[0] < 50_000)])) > 40


def test_a_silent_line_is_not_dead() -> None:
    noise = comfort_noise(17, 160).astype(float)
    assert -75 < 20 * np.log10(noise.std() / 32_768) < -65
    assert (comfort_noise(18, 160) != comfort_noise(17, 160)).any()


ROWS, ROOM = np.arange(8), np.zeros(8, np.intp)


def levels(*dbov: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(dbov, np.float32)


def test_the_loudest_few_are_heard() -> None:
    heard = Speakers(8).choose(ROWS, ROOM, levels(-20, -50, -30, -90, -25, -40, -35, -45), 4)
    assert np.flatnonzero(heard).tolist() == [0, 2, 4, 6]


def test_each_room_has_its_own_loudest() -> None:
    rooms = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    heard = Speakers(8).choose(ROWS, rooms, levels(-20, -21, -22, -23, -50, -51, -52, -53), 2)
    assert np.flatnonzero(heard).tolist() == [0, 1, 4, 5]


def test_a_little_louder_is_not_enough_to_take_a_speakers_place() -> None:
    speakers = Speakers(8)
    quiet = [SILENCE] * 6
    assert speakers.choose(ROWS, ROOM, levels(-30, -32, *quiet), 1)[0]
    assert speakers.choose(ROWS, ROOM, levels(-30, -27, *quiet), 1)[0]
    assert speakers.choose(ROWS, ROOM, levels(-30, -20, *quiet), 1)[1]


def test_who_falls_silent_stays_heard_for_a_while() -> None:
    speakers = Speakers(8)
    speakers.choose(ROWS, ROOM, levels(-30, *[SILENCE] * 7), 4)
    silence = levels(*[SILENCE] * 8)
    heard = [bool(speakers.choose(ROWS, ROOM, silence, 4)[0]) for _ in range(30)]
    assert heard == [True] * 19 + [False] * 11


def test_noise_alone_is_no_speech() -> None:
    assert not Speakers(8).choose(ROWS, ROOM, levels(*[-70] * 8), 4).any()
