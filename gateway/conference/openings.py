"""Legs on their way in: their media is being negotiated, and they are in no roster yet."""

from gateway.errors import Reason, Refused
from gateway.ports import Answer, Leg, MediaPlane, Offer, ParticipantId, RoomName


class Openings:
    """One offer and answer for each leg; it ends in `take`, in `abandon`, or is refused."""

    def __init__(self, plane: MediaPlane) -> None:
        self._plane = plane
        self._legs: dict[ParticipantId, tuple[RoomName, Leg]] = {}

    def __len__(self) -> int:
        return len(self._legs)

    def leg(self, leg: ParticipantId) -> Leg | None:
        return self._legs[leg][1] if leg in self._legs else None

    async def answer(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        """To the peer's offer. Raises `Refused`, and then nothing is left behind."""
        self._legs[leg.id] = (room, leg)
        try:
            answer = await self._plane.answer(room, leg.id, offer)
        except BaseException:
            self.abandon(leg.id)
            raise
        self._check_still_here(leg.id)
        return answer

    async def offer(self, room: RoomName, leg: Leg) -> Offer:
        """Our own; `accept` is next. Raises `Refused`, and then nothing is left behind."""
        self._legs[leg.id] = (room, leg)
        try:
            return await self._plane.offer(room, leg.id)
        except BaseException:
            self.abandon(leg.id)
            raise

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        """The peer's answer to our offer. Raises `Refused`, and then nothing is left behind."""
        if leg not in self._legs:
            raise _gone()
        try:
            await self._plane.accept(leg, answer)
        except BaseException:
            self.abandon(leg)
            raise
        self._check_still_here(leg)

    def take(self, leg: ParticipantId) -> tuple[RoomName, Leg] | None:
        """Whoever has confirmed goes on into this room; None: it has gone."""
        return self._legs.pop(leg, None)

    def abandon(self, leg: ParticipantId) -> None:
        self._legs.pop(leg, None)
        self._plane.close(leg)

    def _check_still_here(self, leg: ParticipantId) -> None:
        """Raises `Refused` if the leg has left while its media was being negotiated."""
        if leg not in self._legs:
            self._plane.close(leg)
            raise _gone()


def _gone() -> Refused:
    return Refused(Reason.CANCELLED, "the caller has gone")
