"""What a room asks of a leg, whatever its media travel over."""

from typing import Protocol

from gateway.media.mixer import Frame
from gateway.ports import ParticipantId


class MediaLeg(Protocol):
    """One legacy participant's audio."""

    @property
    def id(self) -> ParticipantId: ...

    def pull(self) -> Frame | None:
        """What it said in the last 20 ms; None: nothing."""
        ...

    async def send(self, frame: Frame, tick: int) -> None:
        """What it hears in the next 20 ms. Never waits."""
        ...

    async def handle_timeout(self, now: float) -> None:
        """Once a tick; `now` is the loop's time."""
        ...
