"""Pauses that a sender announces (RFC 3389, Opus DTX): no loss, no speech, and not dead either."""

from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media import opus
from gateway.media.formats import Format
from gateway.media.g711 import PCMU
from gateway.media.jitter import COMFORT, CONCEAL, PLAY, REST, TICK, JitterBuffers
from gateway.media.mixer import background_noise
from gateway.media.repacking import Repacker
from gateway.media.streams import Receiving
from support.table import Leg, Sounds, Table

NOISE = 13
ROW = np.array([0])


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


@pytest.fixture
def buffers() -> JitterBuffers:
    buffers = JitterBuffers(1)
    buffers.open(0, 8000)
    return buffers


def put(buffers: JitterBuffers, sequence: int, slot: int, length: int, level: int = 30) -> None:
    buffers.put(
        ROW,
        np.array([sequence]),
        np.array([slot * 160]),
        np.array([7]),
        np.array([100 + slot * TICK]),
        np.zeros((1, 160), np.uint8),
        np.array([length], np.int16),
        np.array([level], np.uint8),
    )


def pull(buffers: JitterBuffers, tick: int) -> int:
    return int(buffers.pull(ROW, np.array([False]), 100.011 + tick * TICK).state[0])


@pytest.mark.parametrize("length", [COMFORT, 1, 2])
def test_an_announced_pause_conceals_nothing_and_speech_after_it_is_whole(
    buffers: JitterBuffers, length: int
) -> None:
    states = []
    for tick in range(100):
        if tick < 10:
            put(buffers, tick, tick, 160)
        elif tick in (10, 40):
            put(buffers, 10 + tick // 40, tick, length, 55)
        elif tick >= 80:
            put(buffers, 12 + tick - 80, tick, 160)
        states.append(pull(buffers, tick))
    assert CONCEAL not in states
    assert states.count(PLAY) >= 29
    assert set(states[12:80]) == {REST}
    assert buffers.noise[0] == 55
    assert (buffers.concealed[0], buffers.lost(ROW)[0]) == (0, 0)


def test_a_packet_without_sound_is_not_missing(buffers: JitterBuffers) -> None:
    put(buffers, 65_535, 1, 160)
    buffers.pass_over(0, 0)
    buffers.pass_over(0, 1)
    put(buffers, 2, 2, 160)
    assert (buffers.received[0], buffers.expected[0]) == (4, 4)


def test_a_pause_is_as_loud_as_it_is_said_to_be_but_never_loud() -> None:
    def dbov(level: int) -> float:
        noise = background_noise(level, 1, 320).astype(float)
        return float(20 * np.log10(noise.std() / 32_768))

    assert dbov(50) == pytest.approx(-50, abs=1)
    assert dbov(0) == pytest.approx(-36, abs=1)


def _talk_then_pause(table: Table, speaker: Leg, listener: Leg) -> list[float]:
    """How loud each tick is: 10 of speech, comfort noise, 40 without any packet."""
    levels = []
    for tick in range(50):
        if tick < 10:
            table.say(speaker, PCMU.encode(Sounds(tick).frame()))
        if tick == 10:
            table.say(speaker, bytes((48,)), NOISE)
        table.mix()
        levels.append(float(listener.samples().astype(float).std()))
    return levels


def test_a_phones_comfort_noise_is_heard_after_its_speech_and_is_no_speech(table: Table) -> None:
    room = table.engine.open_room()
    speaker, listener = (table.leg(room, Format.PCMU) for _ in range(2))
    table.engine.receive_on(speaker.row, Receiving(96, noise_type=NOISE))
    levels = _talk_then_pause(table, speaker, listener)
    assert table.engine.dropped == 0
    said = 32_768 * 10 ** (-48 / 20)
    assert np.mean(levels[13:25]) == pytest.approx(said, rel=0.15)
    assert max(levels[-5:]) < said / 4, "the room's own noise, since nobody speaks"
    assert table.engine.jitter.concealed[speaker.row] == 0


def test_without_its_payload_type_it_is_dropped(table: Table) -> None:
    room = table.engine.open_room()
    speaker, listener = (table.leg(room, Format.PCMU) for _ in range(2))
    _talk_then_pause(table, speaker, listener)
    assert table.engine.dropped == 1


def test_an_empty_opus_packet_is_a_pause(table: Table) -> None:
    room = table.engine.open_room()
    speaker, listener = (table.leg(room, Format.OPUS) for _ in range(2))
    encoder, payload = opus.Encoder(), np.zeros(400, np.uint8)
    for tick in range(60):
        if tick < 20:
            sound = Sounds(tick)._random.integers(-3000, 3000, 320, np.int16)
            size = encoder.encode(sound, payload)
            table.say(speaker, payload[:size].tobytes(), level=20)
        elif tick == 20:
            table.say(speaker, bytes((payload[0],)), level=127)
        table.mix()
        listener.hear()
    assert table.engine.jitter.concealed[speaker.row] == 0
    assert not table.engine._speakers.heard[speaker.row]


def test_a_pause_between_packets_of_30_ms_is_no_loss() -> None:
    class Silence:
        def decode(self, payload: object, out: object) -> int:
            return 480

    repacker, payload = Repacker(Silence(), 8000), np.zeros(240, np.uint8)
    frames = [
        frame for number in range(2) for frame in repacker.receive(number, number * 240, payload)
    ]
    assert [frame.sequence for frame in frames] == [1, 2, 3]
    assert repacker.pause(2, 480) == (4, 4 * 160)
    later = next(iter(repacker.receive(3, 640 + 50 * 160, payload)))
    assert (later.sequence, later.timestamp) == (5, (5 + 50) * 160)
