"""Prompts in the mixes: who hears what, bit for bit."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.media.engine import EngineEvent
from gateway.media.formats import Format
from gateway.media.g711 import PCMU
from gateway.media.playing import PlayingEnded, Sound
from support.table import Leg, Sounds, Table

LOUD = 1000


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


def sound(frames: int, seed: int = 9) -> Sound:
    """Random, so that a frame cannot be taken for another one."""
    pcm = np.random.default_rng(seed).integers(-3000, 3000, (frames, 320), dtype=np.int16)
    return Sound(pcm, pcm[:, :160])


def loudness(leg: Leg) -> int:
    return int(np.abs(leg.samples().astype(int)).max())


def tick(table: Table, *speaking: Leg) -> dict[Leg, bytes]:
    """All who speak say a new frame of their own; gives what they said."""
    said = {leg: PCMU.encode(Sounds(1000 * leg.row + table.tick).frame()) for leg in speaking}
    for leg, payload in said.items():
        table.say(leg, payload)
    table.mix()
    return said


def ended(table: Table) -> list[EngineEvent]:
    return [event for event in table.engine.events() if isinstance(event, PlayingEnded)]


def test_a_room_hears_a_prompt_on_top_of_the_voices_and_speakers_hear_it_too(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob, cid = (table.leg(room, Format.PCMU) for _ in range(3))
    for _ in range(5):
        tick(table, ana, bob)
        assert all(leg.hear() for leg in (ana, bob, cid))
    prompt = sound(3)
    table.engine.play(room, None, [prompt])
    for frame in prompt.narrow:
        spoken = {leg: PCMU.decode(payload) for leg, payload in tick(table, ana, bob).items()}
        assert ana.hear()[12:] == PCMU.encode(spoken[bob] + frame)
        assert bob.hear()[12:] == PCMU.encode(spoken[ana] + frame)
        assert cid.hear()[12:] == PCMU.encode(spoken[ana] + spoken[bob] + frame)
    assert ended(table) == []
    spoken = {leg: PCMU.decode(payload) for leg, payload in tick(table, ana, bob).items()}
    assert ana.hear()[12:] == PCMU.encode(spoken[bob])
    assert ended(table) == [PlayingEnded(room, None)]


def test_who_hears_a_prompt_alone_costs_the_others_nothing(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob, cid, dan = (table.leg(room, Format.PCMU) for _ in range(4))
    for _ in range(5):
        tick(table, ana)
        assert all(leg.hear() for leg in (ana, bob, cid, dan))
    prompt = sound(2)
    table.engine.play(room, bob.row, [prompt])
    for frame in prompt.narrow:
        spoken = PCMU.decode(tick(table, ana)[ana])
        assert bob.hear()[12:] == PCMU.encode(spoken + frame)
        assert cid.hear()[12:] == dan.hear()[12:] == PCMU.encode(spoken)
        ana.hear()
    tick(table)
    assert ended(table) == [PlayingEnded(room, bob.row)]


def test_a_prompt_and_a_block_go_together(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob, cid = (table.leg(room, Format.PCMU) for _ in range(3))
    table.engine.set_gains(room, {(cid.row, ana.row): 0.0})
    for _ in range(5):
        tick(table, ana, bob)
        cid.hear()
    prompt = sound(1)
    table.engine.play(room, cid.row, [prompt])
    spoken = {leg: PCMU.decode(payload) for leg, payload in tick(table, ana, bob).items()}
    assert cid.hear()[12:] == PCMU.encode(spoken[bob] + prompt.narrow[0])


def test_a_silent_room_hears_a_prompt_in_wideband_and_narrowband(table: Table) -> None:
    rooms = [table.engine.open_room() for _ in range(2)]
    narrow, wide = table.leg(rooms[0], Format.PCMU), table.leg(rooms[1], Format.PCMU)
    table.leg(rooms[1], Format.OPUS)
    time = np.arange(16_000) / 16_000
    tone = Sound.of(np.rint(8000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16))
    for room in rooms:
        table.engine.play(room, None, [tone])
    for _ in range(5):
        tick(table)
        loud = loudness(narrow), loudness(wide)
    assert min(loud) > 6000


def test_sounds_follow_each_other_and_what_comes_later_waits(table: Table) -> None:
    room = table.engine.open_room()
    ana = table.leg(room, Format.PCMU)
    one, two = sound(1, seed=1), sound(1, seed=2)
    table.engine.play(room, ana.row, [one, two])
    table.engine.play(room, ana.row, [one])
    for prompt in (one, two, one):
        tick(table)
        heard = ana.samples()
        assert np.corrcoef(heard, prompt.narrow[0])[0, 1] > 0.99
    tick(table)
    assert loudness(ana) < LOUD
    assert ended(table) == [PlayingEnded(room, ana.row)]


def test_stopped_it_fades_within_a_frame_and_nothing_follows(table: Table) -> None:
    room = table.engine.open_room()
    ana = table.leg(room, Format.PCMU)
    table.engine.play(room, None, [sound(50), sound(50)])
    for _ in range(3):
        tick(table)
        assert loudness(ana) > LOUD
    table.engine.stop_playing(room, None)
    tick(table)
    fading = np.abs(ana.samples().astype(int))
    assert fading[:40].max() > LOUD
    assert fading[-8:].max() < LOUD / 4
    tick(table)
    assert loudness(ana) < LOUD
    assert ended(table) == [PlayingEnded(room, None)]


def test_a_leg_that_is_not_sent_to_yet_misses_nothing(table: Table) -> None:
    room = table.engine.open_room()
    ana = table.leg(room, Format.PCMU)
    sending = table.engine.streams.sending[ana.row]
    table.engine.send_on(ana.row, None)
    table.engine.play(room, ana.row, [sound(2)])
    for _ in range(5):
        tick(table)
    assert ended(table) == []
    table.engine.send_on(ana.row, sending)
    for _ in range(2):
        tick(table)
        assert loudness(ana) > LOUD


def test_what_has_not_begun_can_be_stopped(table: Table) -> None:
    room = table.engine.open_room()
    ana = table.leg(room, Format.PCMU)
    table.engine.send_on(ana.row, None)
    table.engine.play(room, ana.row, [sound(2)])
    table.engine.stop_playing(room, ana.row)
    assert ended(table) == [PlayingEnded(room, ana.row)]
    table.engine.stop_playing(room, ana.row)
    assert ended(table) == []


def test_with_its_leg_or_its_room_a_prompt_is_forgotten(table: Table) -> None:
    room = table.engine.open_room()
    ana = table.leg(room, Format.PCMU)
    for row in (ana.row, None):
        table.engine.play(room, row, [sound(50)])
    table.engine.close_stream(ana.row)
    table.engine.close_room(room)
    again = table.engine.open_room()
    bob = table.leg(again, Format.PCMU)
    assert (again, bob.row) == (room, ana.row)
    tick(table)
    assert loudness(bob) < LOUD


def test_a_tap_takes_the_mix_of_every_tick_also_where_nobody_listens(table: Table) -> None:
    room = table.engine.open_room()
    web = table.leg(room, Format.OPUS, is_leg=False)
    taken: list[tuple[int, int]] = []

    def take(tick: int, mix: NDArray[np.int16]) -> None:
        taken.append((tick, len(mix)))
        assert not mix.any(), "silence is silence on disk, not comfort noise"

    table.engine.record(room, take)
    for _ in range(3):
        tick(table)
    table.engine.record(room, None)
    tick(table)
    assert [length for _, length in taken] == [320] * 3
    assert [number - taken[0][0] for number, _ in taken] == [0, 1, 2]
    assert web.hears_nothing()


def test_a_tap_takes_all_who_speak_and_what_is_played_to_all(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.PCMU) for _ in range(2))
    taken: list[NDArray[np.int16]] = []
    table.engine.record(room, lambda _, mix: taken.append(mix.copy()))
    for _ in range(5):
        tick(table, ana, bob)
    prompt = sound(1)
    table.engine.play(room, None, [prompt])
    table.engine.play(room, bob.row, [sound(1, seed=3)])
    spoken = [PCMU.decode(payload) for payload in tick(table, ana, bob).values()]
    assert (taken[-1] == spoken[0] + spoken[1] + prompt.narrow[0]).all()
    table.engine.play(room, None, [prompt])
    for _ in range(40):
        tick(table)
    assert not taken[-1].any()
