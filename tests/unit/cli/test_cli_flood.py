"""What strangers can write into the log, through the machines that they reach."""

import logging
from collections.abc import Iterator

import pytest

from gateway.cli.flood import BURST, PERIOD_S, FloodGate
from support.sip_lab import Lab, message


class Log(logging.Handler):
    """The lines that get through, at a time that the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.lines: list[str] = []
        self.addFilter(self._at_my_time)
        self.addFilter(FloodGate())

    def _at_my_time(self, record: logging.LogRecord) -> bool:
        record.created = self.now
        return True

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def log() -> Iterator[Log]:
    handler, logger = Log(), logging.getLogger("trestle")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_of_a_flood_of_garbage_the_first_lines_are_told_and_then_a_count(log: Log) -> None:
    lab = Lab()
    for _ in range(1000):
        lab.receive(b"garbage")
    assert len(log.lines) == BURST
    assert all("message dropped" in line for line in log.lines)
    log.now += PERIOD_S
    for _ in range(1000):
        lab.receive(b"garbage")
    assert len(log.lines) == BURST + 1
    assert log.lines[-1].endswith(f"(and {1000 - BURST} more lines like it)")
    assert lab.agent.dropped == 2000


def test_another_kind_of_line_is_told_all_the_same(log: Log) -> None:
    lab = Lab()
    for _ in range(1000):
        lab.receive(b"garbage")
    for _ in range(1000):
        lab.receive(message(cseq_method="BYE"))
    assert len([line for line in log.lines if "refused: 400" in line]) == BURST


def test_what_no_stranger_causes_is_never_held_back(log: Log) -> None:
    for number in range(1000):
        logging.getLogger("trestle.conference").info("%d joined", number)
    assert len(log.lines) == 1000
