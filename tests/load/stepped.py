"""Processor time of a mixing process on a machine that has no time to spare.

On a busy machine real callers are too late, less gets mixed, and the figures flatter. Here the
clock waits for the work instead: the callers send 5 ms of packets, the switchboard makes one step,
and only the processor time of that step counts. The code, the sockets and the packets are the same
as in `make bench-media`; the control socket and the waiting between steps are left out.

`python -m load.stepped [--legs N] [--profile FILE]`
"""

import argparse
import cProfile
import json
import os
import pstats
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Self

from gateway.media import datagrams, switchboard
from gateway.media.metronome import STEP
from gateway.media.switchboard import Switchboard
from gateway.media.worker_process import ENVIRONMENT
from gateway.ports import Offer, ParticipantId, RoomName
from load.generator import Job
from load.plane import SETTINGS, far_end, plain_offer, port_in, rooms_of, secure_offer, talking_in
from load.process import resident_bytes

_WARM_UP = 3.0
_SECONDS = 4.0
_RUNS = 3
_AT_ONCE = 40


class _Clock:
    """Stands in for the module `time`."""

    def __init__(self, wall: float | None = None) -> None:
        self.now = 1000.0
        self._wall = wall

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time() if self._wall is None else self._wall


class Mixing:
    """A switchboard and its callers, step by step."""

    def __init__(self, job: Job, rooms: Sequence[int]) -> None:
        self._clock = _Clock()
        # Against a wall clock at zero no arrival time of the kernel's makes sense: it is "now".
        self._arrival_clock = _Clock(wall=0.0)
        switchboard.time = self._clock  # type: ignore[assignment, attr-defined]
        datagrams.time = self._arrival_clock  # type: ignore[assignment, attr-defined]
        self._number = 0
        self.cpu = 0.0
        """Seconds of all steps with callers."""
        self._board = Switchboard(SETTINGS, self._clock.now)
        self._process = subprocess.Popen(
            (sys.executable, "-m", "load.generator"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._before = resident_bytes(os.getpid())
        self._legs = len(rooms)
        self._join(job, rooms)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._board.close()

    def run(self, seconds: float) -> tuple[float, float]:
        """Microseconds for each second of a leg, and packets that each leg got per second."""
        before = self.cpu
        first = said = self._ask("step")
        for _ in range(round(seconds / STEP)):
            said = self._ask("step")
            start = time.process_time()
            self._step()
            self.cpu += time.process_time() - start
        leg_seconds = seconds * self._legs
        received = said["received"] - first["received"]
        return (self.cpu - before) * 1e6 / leg_seconds, received / leg_seconds

    @property
    def leg_kb(self) -> float:
        return (resident_bytes(os.getpid()) - self._before) / self._legs / 1000

    def _join(self, job: Job, rooms: Sequence[int]) -> None:
        said = self._ask(str(job))
        if not job.secure:
            offer = plain_offer(said["ports"][0], job.codec)
            answers = [self._answer(leg, room, offer) for leg, room in enumerate(rooms)]
            self._ask(json.dumps({"plain": [port_in(answer) for answer in answers]}))
            return
        for start in range(0, len(rooms), _AT_ONCE):
            far = [
                far_end(self._answer(leg, rooms[leg], secure_offer(leg, said["fingerprint"])))
                for leg in range(start, min(start + _AT_ONCE, len(rooms)))
            ]
            self._tell(json.dumps({"secure": far}))
            assert self._process.stdout is not None
            while not select.select((self._process.stdout,), (), (), STEP)[0]:
                self._step()
            json.loads(self._process.stdout.readline())

    def _answer(self, leg: int, room: int, offer: str) -> str:
        participant = ParticipantId(f"leg-{leg}")
        answer = self._board.answer(RoomName(f"room-{room}"), participant, Offer(offer))
        self._board.confirm(participant)
        return answer.sdp

    def _step(self) -> None:
        self._number += 1
        self._clock.now = self._arrival_clock.now = 1000.0 + self._number * STEP
        self._board.step(self._number, self._clock.now)
        self._board.events()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _ask(self, line: str) -> dict[str, Any]:
        self._tell(line)
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said


CASES = (
    ("G.711, all talk", "PCMU", False, 10, 0),
    ("G.711, all talk", "PCMU", False, 50, 0),
    ("G.711, 3 talk", "PCMU", False, 10, 3),
    ("G.711, 3 talk", "PCMU", False, 50, 3),
    ("Opus + DTLS-SRTP, 3 talk", "opus", True, 10, 3),
    ("Opus + DTLS-SRTP, 3 talk", "opus", True, 50, 3),
)


def _as_a_worker() -> None:
    """Starts anew in a worker's environment, which cannot be had later on."""
    wanted = {**ENVIRONMENT, **os.environ}
    if wanted != dict(os.environ):
        os.execve(sys.executable, (sys.executable, "-m", "load.stepped", *sys.argv[1:]), wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", type=int, default=500)
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="only this one")
    parser.add_argument("--profile", help="file for the functions' shares")
    chosen = parser.parse_args()
    _as_a_worker()
    for number, (name, codec, secure, size, most) in enumerate(CASES):
        if chosen.case not in (None, number):
            continue
        rooms = rooms_of(chosen.legs, size)
        with Mixing(Job(codec, secure, talking_in(rooms, most)), rooms) as mixing:
            mixing.run(_WARM_UP)
            if chosen.profile:
                profile = cProfile.Profile(time.process_time)
                profile.runcall(mixing.run, _SECONDS)
                with open(chosen.profile, "w") as file:
                    pstats.Stats(profile, stream=file).sort_stats("tottime").print_stats(45)
                continue
            runs = [mixing.run(_SECONDS) for _ in range(_RUNS)]
            figures = [round(1e6 / cpu) for cpu, _ in runs]
            sys.stdout.write(
                f"{name:<25} {size:>3} {chosen.legs:>5} "
                f"{statistics.median(cpu for cpu, _ in runs):>7.0f} "
                f"{round(statistics.median(figures)):>6} {min(figures)}-{max(figures)} "
                f"{statistics.median(heard for _, heard in runs):>5.1f} {mixing.leg_kb:>5.0f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
