"""What the rooms need of the world around them: time, and what addresses mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.address import Address
from gateway.ports import RoomName


class Destination(Protocol):
    """Where the dial plan sends a call."""

    @property
    def room(self) -> RoomName: ...

    @property
    def open(self) -> bool:
        """Whether the call may open a room that nobody declared and nobody is in."""
        ...


class DialPlan(Protocol):
    """What an address means; implemented by `gateway.dialplan`."""

    def resolve(self, to: Address, caller: Address) -> Destination: ...

    def is_declared(self, room: RoomName) -> bool: ...

    def is_lab(self, room: RoomName) -> bool: ...


class Handle(Protocol):
    """Of a timer; asyncio's TimerHandle is one."""

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time, as the rooms see it: `clock` in seconds, `call_at` like the event loop's."""

    clock: Callable[[], float]
    call_at: Callable[[float, Callable[[], None]], Handle]
