"""The driver of every sans-I/O machine: sends, tells, wakes; here with a machine that counts."""

import asyncio
from collections.abc import Iterable

import pytest

from gateway.drive import Driver


class Ticker:
    """Says how often it was woken, and is due again until it was woken three times."""

    def __init__(self) -> None:
        self.wakes: list[float] = []
        self.deadline: float | None = None
        self.outbox: list[str] = []
        self.told: list[str] = []

    def handle_timeout(self, now: float) -> None:
        self.wakes.append(now)
        self.told.append(f"wake {len(self.wakes)}")
        self.deadline = now + 0.01 if len(self.wakes) < 3 else None

    def next_timeout(self) -> float | None:
        return self.deadline

    def messages_to_send(self, now: float) -> Iterable[str]:
        outbox, self.outbox = self.outbox, []
        return outbox

    def events(self) -> Iterable[str]:
        told, self.told = self.told, []
        return told


async def test_a_machine_is_woken_at_each_deadline_and_never_early() -> None:
    ticker, told, done = Ticker(), list[str](), asyncio.Event()

    def on_event(event: str) -> None:
        told.append(event)
        if len(told) == 3:
            done.set()

    driver = Driver(ticker, lambda message: None, on_event)
    first = ticker.deadline = driver.now() + 0.01
    driver.drain()
    async with asyncio.timeout(2):
        await done.wait()
    assert told == ["wake 1", "wake 2", "wake 3"]
    assert ticker.wakes[0] >= first


async def test_input_from_an_event_keeps_its_order() -> None:
    ticker, log = Ticker(), list[str]()

    def on_event(event: str) -> None:
        log.append(event)
        if event == "first":
            ticker.outbox.append("answer to first")
            driver.drain()
            log.append("first done")

    driver = Driver(ticker, log.append, on_event)
    ticker.told = ["first", "second"]
    driver.drain()
    assert log == ["first", "first done", "second", "answer to first"]


async def test_an_error_in_one_event_leaves_the_timers_running() -> None:
    ticker, woken = Ticker(), asyncio.Event()

    def on_event(event: str) -> None:
        if event == "bad":
            raise ZeroDivisionError
        woken.set()

    driver = Driver(ticker, lambda message: None, on_event)
    ticker.deadline = driver.now()
    ticker.told = ["bad"]
    with pytest.raises(ZeroDivisionError):
        driver.drain()
    async with asyncio.timeout(2):
        await woken.wait()


async def test_a_closed_driver_says_nothing_more() -> None:
    ticker, log = Ticker(), list[str]()
    driver = Driver(ticker, log.append, log.append)
    ticker.deadline = driver.now()
    driver.drain()
    driver.close()
    ticker.told = ["late"]
    driver.drain()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log == []
    assert ticker.wakes == []
