"""A media worker: one engine in a process of its own, without an event loop.

It is started with one end of a socket pair as its standard input, reads its `Settings` there, and
lives until that end is closed: whatever kills the gateway closes it.
"""

import contextlib
import gc
import logging
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator

from gateway.errors import Reason, Refused
from gateway.media import dispatch
from gateway.media.control import (
    AcceptLeg,
    AnswerLeg,
    AnswerSeat,
    Asked,
    Happened,
    Message,
    OfferLeg,
    Reader,
    Ready,
    Reply,
    SendDigits,
    frame,
)
from gateway.media.metronome import Metronome
from gateway.media.settings import Settings
from gateway.media.switchboard import Switchboard
from gateway.ports import Answer, Measured, Offer
from gateway.statistics import EngineStatistics

log = logging.getLogger("trestle.media")

_CHUNK = 65_536
_SAY_INVENTORY = 0.5
"""Seconds; also the sign of life that `worker_process` waits for."""


class Gone(Exception):
    """The gateway has closed its end."""


class Control:
    """The worker's end of the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = Reader()

    def wait(self, seconds: float) -> Iterator[Message]:
        """The messages that come within the time; the first ends the waiting. Raises `Gone`."""
        readable, _, _ = select.select((self._sock,), (), (), max(0.0, seconds))
        if readable:
            data = self._sock.recv(_CHUNK)
            if not data:
                raise Gone
            yield from self._reader.feed(data)

    def has_room(self) -> bool:
        """Whether the gateway reads what it is told: three quarters of the buffer are free."""
        _, writable, _ = select.select((), (self._sock,), (), 0.0)
        return bool(writable)

    def say(self, message: Message) -> None:
        """Waits while the gateway does not read. Raises `Gone`."""
        try:
            self._sock.sendall(frame(message))
        except OSError:
            raise Gone from None


class Worker:
    """Runs one switchboard until the gateway goes."""

    def __init__(self, control: Control, switchboard: Switchboard, interval: float = 5.0) -> None:
        """`interval`: seconds between two statistics of the engine."""
        self._control = control
        self._switchboard = switchboard
        self._interval = interval
        self._next_inventory = self._next_statistics = 0.0
        self._metronome = Metronome(time.monotonic())

    def run(self) -> None:
        """Raises `Gone`."""
        # What is there now stays: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        metronome = self._metronome = Metronome(time.monotonic())
        while True:
            wait = metronome.due - time.monotonic()
            for message in self._control.wait(wait):
                self._take(message)
            now = time.monotonic()
            if now >= metronome.due:
                number, due = metronome.begin(now)
                self._switchboard.step(number, due)
                self._tell(now)

    def _take(self, message: Message) -> None:
        """A fault of ours ends no other call than the one in which it happens."""
        match message:
            case AnswerLeg() | OfferLeg() | AcceptLeg() | AnswerSeat() | SendDigits():
                self._answer(message)
            case Settings() | Reply() | Happened() | Ready():
                raise AssertionError(f"a worker was sent {message}")
            case _:
                try:
                    dispatch.tell(self._switchboard, message)
                except Exception:
                    log.exception("failed on %s", type(message).__name__)
        self._tell(time.monotonic())

    def _answer(self, request: Asked) -> None:
        result: Answer | Offer | None = None
        try:
            result = dispatch.ask(self._switchboard, request)
        except Refused as refused:
            self._control.say(Reply(request.number, None, refused.reason, refused.text))
        except Exception:
            log.exception("failed on %s", type(request).__name__)
            self._control.say(Reply(request.number, None, Reason.FAILURE, "a fault of the gateway"))
        else:
            self._control.say(Reply(request.number, result))

    def _tell(self, now: float) -> None:
        events = tuple(self._switchboard.events())
        if not events and now < self._next_inventory:
            return
        self._next_inventory = now + _SAY_INVENTORY
        statistics: EngineStatistics | None = None
        if self._control.has_room():
            if now >= self._next_statistics:
                self._next_statistics = now + self._interval
                statistics = self._switchboard.statistics(self._metronome)
        else:
            # The sound must not wait until somebody reads how it is.
            events = tuple(event for event in events if not isinstance(event, Measured))
        self._control.say(Happened(events, self._switchboard.inventory(), statistics))


def _set_up_logging(level: str) -> None:
    """As the gateway's own, with which it shares standard error."""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)-14s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
    )
    logging.getLogger("libav").setLevel(logging.WARNING)


def main() -> None:
    """The process's whole life."""
    # Two sockets for each phone: the usual limit would be reached by five hundred of them.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Ctrl-C in a terminal reaches the whole group; the gateway stops us in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=0) as sock, contextlib.suppress(Gone):
        control = Control(sock)
        settings = next(control.wait(10.0))
        assert isinstance(settings, Settings)
        _set_up_logging(settings.log_level)
        try:
            switchboard = Switchboard(settings, time.monotonic())
        except OSError as error:
            control.say(Ready(f"port {settings.ice_port} cannot be opened: {error.strerror}"))
            return
        try:
            control.say(Ready())
            Worker(control, switchboard, settings.report_interval).run()
        finally:
            switchboard.close()


if __name__ == "__main__":
    main()
