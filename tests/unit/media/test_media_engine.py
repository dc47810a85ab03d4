"""Rooms of the engine over loopback sockets and an invented clock."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from gateway.media import opus
from gateway.media.datagrams import address_keys
from gateway.media.engine import FirstFrame
from gateway.media.formats import Format
from gateway.media.g711 import PCMA, PCMU
from gateway.media.intake import Digit
from gateway.media.rtp_rows import RtpRows
from gateway.media.transport import key_of
from support.lossy_call import HZ, tone
from support.table import EVENTS, START, TICK, Leg, Sounds, Table


@pytest.fixture
def table() -> Iterator[Table]:
    table = Table()
    yield table
    table.close()


def test_who_speaks_hears_the_others_bit_for_bit(table: Table) -> None:
    room = table.engine.open_room()
    legs = [table.leg(room, Format.PCMU) for _ in range(5)]
    sounds = [Sounds(number) for number in range(3)]
    for _ in range(10):
        frames = [PCMU.encode(sound.frame()) for sound in sounds]
        for leg, payload in zip(legs, frames, strict=False):
            table.say(leg, payload)
        table.mix()
        spoken = [PCMU.decode(payload).astype(int) for payload in frames]
        heard = [leg.hear()[12:] for leg in legs]
    for number, payload in enumerate(heard):
        naive = sum(s for other, s in enumerate(spoken) if other != number)
        assert payload == PCMU.encode(np.asarray(naive, np.int16))


def test_listeners_share_one_payload_and_have_their_own_headers(table: Table) -> None:
    room = table.engine.open_room()
    speaker, *listeners = [table.leg(room, Format.PCMU) for _ in range(4)]
    packets = []
    for _ in range(3):
        table.say(speaker, PCMU.encode(Sounds(1).frame()))
        table.mix()
        packets.append([leg.hear() for leg in listeners])
    assert len({packet[12:] for packet in packets[-1]}) == 1
    for leg, *sent in zip(listeners, *packets, strict=True):
        assert {int.from_bytes(packet[8:12], "big") for packet in sent} == {leg.ssrc}
        numbers = [int.from_bytes(packet[2:4], "big") for packet in sent]
        times = [int.from_bytes(packet[4:8], "big") for packet in sent]
        assert [b - a for a, b in itertools.pairwise(numbers)] == [1, 1]
        assert [b - a for a, b in itertools.pairwise(times)] == [160, 160]


def test_rooms_do_not_hear_each_other(table: Table) -> None:
    rooms = [table.engine.open_room() for _ in range(2)]
    speaker, _, stranger = (table.leg(room, Format.PCMU) for room in (rooms[0], rooms[0], rooms[1]))
    for _ in range(5):
        table.say(speaker, PCMU.encode(Sounds(1).frame()))
        table.mix()
        assert np.abs(stranger.samples()).max() < 100


def test_a_blocked_voice_is_missing_for_one_listener_alone(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob, cid, dan = (table.leg(room, Format.PCMU) for _ in range(4))
    table.engine.set_gains(room, {(cid.row, ana.row): 0.0})
    for _ in range(5):
        frames = [PCMU.encode(Sounds(n).frame()) for n in (1, 2)]
        table.say(ana, frames[0])
        table.say(bob, frames[1])
        table.mix()
        heard = {leg: leg.hear()[12:] for leg in (cid, dan)}
    spoken = [PCMU.decode(payload) for payload in frames]
    assert heard[cid] == PCMU.encode(spoken[1])
    assert heard[dan] == PCMU.encode(spoken[0] + spoken[1])


def test_a_muted_leg_is_not_heard(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.PCMU) for _ in range(2))
    table.engine.mute(ana.row, True)
    for _ in range(5):
        table.say(ana, PCMU.encode(Sounds(1).frame()))
        table.mix()
        assert np.abs(bob.samples()).max() < 100


def test_all_formats_meet_in_one_room(table: Table) -> None:
    room = table.engine.open_room()
    speaker = table.leg(room, Format.PCMA)
    listeners = [table.leg(room, format_) for format_ in Format]
    time = np.arange(160) / 8000
    for number in range(20):
        tone = 8000 * np.sin(2 * np.pi * 500 * (time + number * TICK))
        table.say(speaker, PCMA.encode(tone.astype(np.int16)))
        table.mix()
        packets = [leg.hear() for leg in listeners]
    decoded = np.zeros(320, np.int16)
    assert opus.Decoder().decode(np.frombuffer(packets[-1][12:], np.uint8), decoded) == 320
    assert [len(packet) for packet in packets[:3]] == [172] * 3
    assert np.abs(PCMU.decode(packets[0][12:])).max() > 6000


def test_opus_is_decoded_for_those_who_are_heard_alone(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.OPUS) for _ in range(2))
    encoder, payload = opus.Encoder(), np.zeros(400, np.uint8)
    for _ in range(5):
        size = encoder.encode(np.full(320, 1000, np.int16), payload)
        table.say(ana, payload[:size].tobytes(), level=20)
        table.say(bob, payload[:size].tobytes(), level=127)
        table.mix()
    assert set(table.engine._hearing._decoders) == {ana.row}


@pytest.mark.parametrize("milliseconds", [10, 30, 60])
def test_packets_of_other_lengths_are_heard(table: Table, milliseconds: int) -> None:
    room = table.engine.open_room()
    speaker, listener = (table.leg(room, Format.PCMU) for _ in range(2))
    samples = 8 * milliseconds
    levels: list[int] = []
    sent = 0
    for tick in range(60):
        while sent * milliseconds <= tick * 20:
            time = (np.arange(samples) + sent * samples) / 8000
            tone = (8000 * np.sin(2 * np.pi * 500 * time)).astype(np.int16)
            _say_at(table, speaker, sent, sent * samples, PCMU.encode(tone))
            sent += 1
        table.mix()
        levels.append(int(np.abs(listener.samples().astype(int)).max()))
    assert min(levels[20:]) > 6000


def _say_at(table: Table, leg: Leg, number: int, timestamp: int, payload: bytes) -> None:
    head = bytes((0x80, 96)) + number.to_bytes(2, "big") + timestamp.to_bytes(4, "big")
    data = head + (7).to_bytes(4, "big") + payload
    buffer = np.zeros((1, 2048), np.uint8)
    buffer[0, : len(data)] = np.frombuffer(data, np.uint8)
    packets = RtpRows.parse(buffer, np.array([len(data)], np.int32))
    arrival = np.array([START + table.tick * TICK])
    table.engine.receive(buffer, np.array([0]), packets, np.array([leg.row]), arrival)


def test_keys_are_told(table: Table) -> None:
    leg = table.leg(table.engine.open_room(), Format.PCMU)
    table.say(leg, bytes((5, 0x8A, 3, 0x20)), EVENTS)
    assert table.engine.events() == [Digit(leg.row, "5")]


def test_a_streams_first_frame_is_told_once(table: Table) -> None:
    seat = table.leg(table.engine.open_room(), Format.PCMU, is_leg=False)
    for _ in range(4):
        table.say(seat, PCMU.encode(Sounds(1).frame()))
        table.mix()
    assert table.engine.events() == [FirstFrame(seat.row)]


def test_an_opus_packet_goes_on_unchanged_to_a_browser_while_its_leg_speaks(table: Table) -> None:
    room = table.engine.open_room()
    ana, browser = table.leg(room, Format.OPUS), table.leg(room, Format.OPUS, is_leg=False)
    table.engine.forward(ana.row, browser.row)
    encoder, payload = opus.Encoder(), np.zeros(400, np.uint8)
    for _ in range(3):
        size = encoder.encode(Sounds(1)._random.integers(-9, 9, 320, np.int16), payload)
        table.say(ana, payload[:size].tobytes(), level=20)
        table.mix()
        assert browser.hear()[12:] == payload[:size].tobytes()
    for _ in range(40):
        table.say(ana, payload[:size].tobytes(), level=127)
        table.mix()
    while not browser.hears_nothing():
        pass
    table.mix()
    assert browser.hears_nothing()


@pytest.mark.parametrize("format_", [Format.PCMU, Format.G722])
def test_a_voice_that_is_mixed_and_sent_alone_is_decoded_once(
    table: Table, format_: Format
) -> None:
    room = table.engine.open_room()
    phone, _ = (table.leg(room, format_) for _ in range(2))
    browser = table.leg(room, Format.OPUS, is_leg=False)
    table.engine.forward(phone.row, browser.row)
    decoder, heard = opus.Decoder(), np.zeros((100, 320), np.int16)
    for payload, frame in zip(tone(format_, 2.0), heard, strict=True):
        table.say(phone, payload)
        table.mix()
        decoder.decode(np.frombuffer(browser.hear()[12:], np.uint8), frame)
    sound = heard[20:].ravel() / 32_768
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    is_tone = np.abs(np.fft.rfftfreq(len(sound), 1 / 16_000) - HZ) <= 20
    # 25 and 37 dB; what is decoded twice has 7.
    assert power[is_tone].sum() > 100 * power[~is_tone].sum()


def test_what_was_not_negotiated_is_dropped_and_counted(table: Table) -> None:
    leg = table.leg(table.engine.open_room(), Format.PCMU)
    table.say(leg, bytes(160), payload_type=33)
    assert table.engine.dropped == 1
    assert not table.engine.jitter.received[leg.row]


def test_a_closed_stream_leaves_nothing(table: Table) -> None:
    room = table.engine.open_room()
    ana, bob = (table.leg(room, Format.OPUS) for _ in range(2))
    table.mix()
    for leg in (ana, bob):
        table.engine.close_stream(leg.row)
    table.engine.close_room(room)
    assert len(table.engine.streams) == 0
    table.mix()


def test_addresses_survive_as_keys() -> None:
    rows = np.zeros((2, 32), np.uint8)
    rows[0, :8] = rows[1, :8] = np.frombuffer(
        key_of("127.0.0.1", 4000).to_bytes(8, "little"), np.uint8
    )
    assert address_keys(rows) == [key_of("127.0.0.1", 4000)] * 2
