"""The jitter buffers by an invented clock: a sender, a network and ticks, all in one loop."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from gateway.media.jitter import BLEND, CONCEAL, PLAY, SILENT, TICK, JitterBuffers

ROW = np.array([3])
SENT_AT = 100.0


@dataclass
class Stream:
    """Plays what a network did to a steady sender; a slot holds its packet's number."""

    buffers: JitterBuffers = field(default_factory=lambda: JitterBuffers(4))
    states: list[int] = field(default_factory=list)
    played: list[int] = field(default_factory=list)
    foretold: int = 0
    """Concealed ticks in which the next packet had come."""
    delays: list[float] = field(default_factory=list)
    quiet: bool = False
    clock_rate: int = 8000

    def __post_init__(self) -> None:
        self.buffers.open(3, 8000)

    def put(self, number: int, arrival: float, *, sequence: int = -1, ssrc: int = 7) -> None:
        payload = np.zeros((1, 160), np.uint8)
        payload[0, :4] = np.frombuffer(np.int32(number).tobytes(), np.uint8)
        self.buffers.put(
            ROW,
            np.array([(number if sequence < 0 else sequence) & 0xFFFF]),
            np.array([number * self.clock_rate // 50 & 0xFFFF_FFFF]),
            np.array([ssrc]),
            np.array([arrival]),
            payload,
            np.array([160], np.int16),
            np.array([30], np.uint8),
        )

    def tick(self, now: float) -> None:
        pulled = self.buffers.pull(ROW, np.array([self.quiet]), now)
        self.states.append(int(pulled.state[0]))
        self.foretold += self.states[-1] == CONCEAL and int(pulled.following[0]) >= 0
        if self.states[-1] in (PLAY, BLEND):
            octets = self.buffers.flat[pulled.place[0], :4].tobytes()
            number = int(np.frombuffer(octets, np.int32)[0])
            self.played.append(number)
            self.delays.append(now - SENT_AT - number * TICK)

    def run(self, arrivals: dict[int, float], seconds: float, phase: float = 0.0) -> None:
        """`arrivals` by packet number; ticks from `SENT_AT` on."""
        waiting = sorted((when, number) for number, when in arrivals.items())
        for tick in range(int(seconds / TICK)):
            now = SENT_AT + phase + tick * TICK
            while waiting and waiting[0][0] <= now:
                when, number = waiting.pop(0)
                self.put(number, when)
            self.tick(now)

    def count(self, state: int) -> int:
        return self.states.count(state)


def steady(
    packets: int, *, since: int = 0, jitter: float = 0.0, ppm: float = 0.0
) -> dict[int, float]:
    """Packets `since` to `packets` and when they arrive."""
    late = np.random.default_rng(1).random(packets) * jitter
    return {n: SENT_AT + n * TICK * (1 - ppm * 1e-6) + late[n] for n in range(since, packets)}


@pytest.mark.parametrize("phase", [0.001, 0.006, 0.012, 0.019])
def test_a_steady_sender_is_held_for_10_to_30_ms(phase: float) -> None:
    stream = Stream()
    stream.run(steady(500), 10, phase)
    assert stream.count(CONCEAL) == 0
    assert 0.010 <= min(stream.delays) <= max(stream.delays) <= 0.0301


def test_packets_are_put_into_order_across_the_wrap_of_their_numbers() -> None:
    stream = Stream()
    first = 65_534
    late = {n: SENT_AT + n * TICK + (0.030 if n % 5 == 0 else 0.0) for n in range(first + 200)}
    stream.run({n: when for n, when in late.items() if n >= first}, 4, phase=first * TICK)
    assert stream.played[-150:] == list(range(stream.played[-150], stream.played[-150] + 150))


def test_what_comes_twice_is_counted_and_played_once() -> None:
    stream = Stream()
    stream.put(1, SENT_AT)
    stream.put(1, SENT_AT + 0.001)
    assert stream.buffers.duplicate[3] == 1
    for tick in range(4):
        stream.tick(SENT_AT + tick * TICK)
    assert stream.played == [1]


def test_one_lost_packet_costs_20_ms_and_no_delay() -> None:
    stream = Stream()
    arrivals = steady(200)
    del arrivals[100]
    stream.run(arrivals, 3.9)
    assert stream.count(CONCEAL) == 1
    assert stream.buffers.lost(ROW)[0] == 1
    assert stream.delays[-1] == pytest.approx(stream.delays[0])


def test_jitter_is_covered_by_as_much_delay_as_it_takes() -> None:
    stream = Stream()
    stream.run(steady(3000, jitter=0.080), 60)
    assert stream.count(CONCEAL) < 30
    assert 0.060 < float(np.median(stream.delays)) < 0.120


def test_ten_seconds_after_jitter_has_gone_delay_has_fallen() -> None:
    stream = Stream(quiet=True)
    stream.run(steady(1000, jitter=0.080) | steady(2000, since=1000), 35)
    assert max(stream.delays[400:1000]) > 0.080
    assert max(stream.delays[1550:]) < 0.035
    assert stream.count(BLEND) > 0


def test_a_single_stall_makes_nobody_wait() -> None:
    stream = Stream()
    arrivals = steady(1000)
    arrivals |= {number: arrivals[505] for number in range(500, 505)}
    del arrivals[600]  # a chance to wait longer
    stream.run(arrivals, 19)
    assert max(stream.delays) < 0.0301
    assert stream.count(CONCEAL) <= 5 + 1


def test_stalls_that_come_back_are_waited_for() -> None:
    stream = Stream()
    arrivals = steady(3000)
    for start in range(200, 3000, 200):
        arrivals |= {number: arrivals[start + 3] for number in range(start, start + 3)}
    stream.run(arrivals, 59)
    assert CONCEAL not in stream.states[700:]
    assert max(stream.delays) < 0.120


def test_where_packets_get_lost_those_that_tell_of_the_last_one_are_waited_for() -> None:
    lossy = {number: when for number, when in steady(3000).items() if number % 20}
    stream, plain = Stream(), Stream()
    stream.buffers.open(3, 48_000, has_fec=True)
    stream.clock_rate = 48_000
    stream.run(lossy, 59, phase=0.013)
    plain.run(lossy, 59, phase=0.013)
    assert stream.foretold >= stream.count(CONCEAL) - 15
    assert plain.foretold == 0
    assert np.median(stream.delays) - np.median(plain.delays) == pytest.approx(TICK)


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_clocks_that_drift_apart_do_not_lengthen_the_delay(ppm: float) -> None:
    stream = Stream()
    stream.run(steady(7500, jitter=0.002, ppm=ppm), 148)
    drift = np.arange(len(stream.delays)) * TICK * ppm * 1e-6
    delays = np.array(stream.delays)[: len(drift)] + drift
    assert delays[-1000:].max() < 0.045
    assert stream.count(CONCEAL) < 20


def test_a_pause_of_the_sender_is_no_loss() -> None:
    stream = Stream()
    for number in range(50):
        stream.put(number, SENT_AT + number * TICK, sequence=number)
    for tick in range(60):
        stream.tick(SENT_AT + tick * TICK)
    stream.put(150, SENT_AT + 3.0, sequence=50)
    assert stream.buffers.lost(ROW)[0] == 0
    for tick in range(4):
        stream.tick(SENT_AT + 3.0 + tick * TICK)
    assert stream.played[-1] == 150
    assert stream.delays[-1] < 0.031


def test_a_new_ssrc_begins_anew() -> None:
    stream = Stream()
    stream.run(steady(50), 1)
    stream.put(9000, SENT_AT + 1.0, ssrc=8)
    for tick in range(3):
        stream.tick(SENT_AT + 1.0 + tick * TICK)
    assert stream.played[-1] == 9000


def test_a_jump_of_the_numbers_is_no_loss() -> None:
    stream = Stream()
    stream.run(steady(50), 1)
    stream.put(50, SENT_AT + 1.0, sequence=50 + 20_000)
    assert stream.buffers.lost(ROW)[0] == 0


def test_a_sender_whose_clock_jumps_back_is_heard_again_soon() -> None:
    stream = Stream()
    stream.run(steady(100), 2)
    for number in range(30):
        now = SENT_AT + 2.0 + number * TICK
        stream.put(50 + number, now, sequence=100 + number)
        stream.tick(now)
    assert stream.played[-1] >= 70
    assert stream.buffers.late[3] <= 10


def test_a_stream_that_stops_is_concealed_for_120_ms_and_then_silent() -> None:
    stream = Stream()
    stream.run(steady(50), 2)
    assert stream.count(CONCEAL) == 6
    assert stream.states[-1] == SILENT


def test_several_packets_of_one_row_may_come_at_once() -> None:
    buffers = JitterBuffers(2)
    buffers.open(0, 8000)
    buffers.open(1, 8000)
    rows = np.array([0, 1, 0, 0])
    numbers = np.array([1, 1, 2, 3])
    buffers.put(
        rows,
        numbers,
        numbers * 160,
        np.array([5, 6, 5, 5]),
        np.full(4, SENT_AT),
        np.zeros((4, 160), np.uint8),
        np.full(4, 160, np.int16),
        np.zeros(4, np.uint8),
    )
    assert buffers.received.tolist() == [3, 1]
