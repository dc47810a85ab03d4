"""The gateway's part in one room: its seat in the trees, and those whose media ends at it.

What the conference and its announcements decide of them is told to the media plane here.
"""

from collections.abc import Iterable, Mapping

from gateway.conference.announcements import Announcements, Play, StopPlaying
from gateway.conference.seat_signal import SeatSignal
from gateway.ports import (
    Attach,
    Detach,
    LegEvent,
    MediaKind,
    MediaPlane,
    Participant,
    ParticipantId,
    RoomName,
)


class Seat:
    """The media plane, as far as it is this room's."""

    def __init__(self, room: RoomName, plane: MediaPlane, announcements: Announcements) -> None:
        self._room = room
        self._plane = plane
        self._announcements = announcements
        self._hushed: dict[ParticipantId, bool] = {}
        """All legs on the mix, and whether nobody hears them: muted, or without the word."""

    def joined(self, leg: ParticipantId, now: float, *, native: bool) -> None:
        if not native:
            self._hushed[leg] = False
        self._announcements.joined(leg, now, listens=not native)

    def left(self, leg: ParticipantId, now: float) -> None:
        if self._hushed.pop(leg, None) is None:
            self._plane.drop_peer(self._room, leg)
        else:
            self._plane.close(leg)
        self._announcements.left(leg, now)

    def heed(self, participant: Participant) -> None:
        """The mixer leaves out who muted itself, and who may not speak."""
        hushed = participant.muted.audio or MediaKind.AUDIO not in participant.publishes
        if self._hushed.get(participant.id, hushed) != hushed:
            self._hushed[participant.id] = hushed
            self._plane.mute(participant.id, hushed)

    def block(self, listener: ParticipantId, source: ParticipantId, blocked: bool) -> None:
        """Of those on the mix; the others' trees do it."""
        if listener in self._hushed:
            self._plane.set_gain(listener, source, 0.0 if blocked else 1.0)

    def notify(self, event: LegEvent) -> None:
        match event:
            case Attach(edge):
                self._plane.attach(self._room, edge)
            case Detach(edge):
                self._plane.detach(self._room, edge)

    async def receive(
        self, browser: ParticipantId, message: SeatSignal
    ) -> Mapping[str, object] | None:
        """Gives the message to send back, if there is one. Raises `Refused` (media)."""
        room, connection = self._room, message.connection
        if message.candidate is not None:
            self._plane.seat_candidate(room, browser, connection, message.candidate)
        if message.offer is None:
            if message.tracks is not None:
                self._plane.seat_tracks(room, browser, connection, message.tracks)
            return None
        answer = await self._plane.seat_answer(
            room, browser, connection, message.offer, message.tracks or {}
        )
        return message.reply(answer)

    def drop(self, browsers: Iterable[ParticipantId]) -> None:
        """Closes the connections with these."""
        for browser in browsers:
            self._plane.drop_peer(self._room, browser)

    def record(self) -> None:
        self._plane.record(self._room)

    def stop_recording(self) -> None:
        self._plane.stop_recording(self._room)

    def recorded(self, recorded: bool) -> None:
        """The room is, or is not any more, and has to hear of it."""
        self._announcements.recorded(recorded)

    def announce(self) -> None:
        """Plays what is to be said now."""
        for said in self._announcements.events():
            match said:
                case Play(to, prompts):
                    self._plane.play(self._room, to, prompts)
                case StopPlaying(to):
                    self._plane.stop_playing(self._room, to)

    def next_timeout(self) -> float | None:
        return self._announcements.next_timeout()

    def handle_timeout(self, now: float) -> None:
        self._announcements.handle_timeout(now)
