"""Runs an I/O-free protocol machine on asyncio: the only place where time passes.

A machine is fed by whoever owns the socket, the connection or the client: give it the input and
`now()`, then call `drain()`. What leaves the machine is a value of its own (a datagram with its
destination, a message with its flow, a stanza), so one driver serves datagrams and streams alike.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

Output = TypeVar("Output")
Event = TypeVar("Event")
Output_co = TypeVar("Output_co", covariant=True)
Event_co = TypeVar("Event_co", covariant=True)


class Machine(Protocol[Output_co, Event_co]):
    """What every sans-I/O core offers beside its `receive_*` methods."""

    def handle_timeout(self, now: float) -> None:
        """Does what is due at `now`; harmless when nothing is."""
        ...

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout` next, or None for never."""
        ...

    def messages_to_send(self, now: float) -> Iterable[Output_co]:
        """What shall go out, each once."""
        ...

    def events(self) -> Iterable[Event_co]:
        """What has happened, each once."""
        ...


class Driver(Generic[Output, Event]):
    """Sends what a machine has to send, tells what happened, and wakes it at its deadline."""

    def __init__(
        self,
        machine: Machine[Output, Event],
        send: Callable[[Output], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._machine = machine
        self._send = send
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._closed = False

    def now(self) -> float:
        """The machine's clock: seconds, monotonic."""
        return self._loop.time()

    def drain(self) -> None:
        """Call after every input to the machine: str0m's rule, one input, then drain.

        An event's receiver may give the machine new input and drain again: the outermost call
        goes on until nothing is left, so messages and events keep their order.
        """
        if self._draining or self._closed:
            return
        self._draining = True
        try:
            while self._drain_once():
                pass
        finally:
            # Also after an error: one bad event must not stop every other call's timers.
            self._draining = False
            self._rearm()

    def close(self) -> None:
        """No more timers; what the machine still wants to say is not said."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _drain_once(self) -> bool:
        busy = False
        for message in self._machine.messages_to_send(self.now()):
            self._send(message)
            busy = True
        for event in self._machine.events():
            self._on_event(event)
            busy = True
        return busy

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._machine.next_timeout()
        if deadline is not None and not self._closed:
            self._timer = self._loop.call_at(deadline, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        # asyncio may fire a clock tick early; the machine would then find nothing due.
        self._machine.handle_timeout(max(self.now(), deadline))
        self.drain()
