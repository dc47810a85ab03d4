"""The seat's connection with one browser: it hears talkers there and gives it legs' streams."""

import asyncio
from collections.abc import Callable, Mapping

from gateway.errors import Refused
from gateway.media.rtcp import INTERVAL
from gateway.media.webrtc import AudioSection, WebRtcConnection
from gateway.media.webrtc_negotiation import MAX_AUDIO_SECTIONS
from gateway.ports import MediaKind, ParticipantId, Track
from gateway.sdp import SessionDescription


class Seat:
    """One RTCPeerConnection of a browser, `name` is the browser's name for it."""

    def __init__(self, peer: ParticipantId, name: str, on_end: Callable[[str], None]) -> None:
        self.peer = peer
        self.name = name
        self.fail = on_end
        """Gives the connection up; the argument says why."""
        self.connection = WebRtcConnection(peer, MAX_AUDIO_SECTIONS, lambda _: None, on_end)
        self._mids: dict[ParticipantId, list[str]] = {}
        self._next_report = 0.0

    async def answer(
        self, offer: SessionDescription, tracks: Mapping[str, Track]
    ) -> SessionDescription:
        """Raises `Refused`, and then everything is as it was."""
        before = self._mids
        # At once: while we gather candidates, newer tracks may come, and they shall stay.
        self.set_tracks(tracks)
        try:
            return await self.connection.answer(offer)
        except Refused:
            self._mids = before
            raise

    def set_tracks(self, tracks: Mapping[str, Track]) -> None:
        """From now on the sections carry these."""
        self._mids = {}
        for mid, track in tracks.items():
            if track.kind is MediaKind.AUDIO:
                self._mids.setdefault(track.source, []).append(mid)

    def receiving(self, source: ParticipantId) -> AudioSection | None:
        """The section on which the browser sends `source`'s audio."""
        for mid in self._mids.get(source, ()):
            section = self.connection.section(mid)
            if section is not None and section.offer.sends:
                return section
        return None

    def sending(self, source: ParticipantId) -> AudioSection | None:
        """The section on which the browser waits for `source`'s audio."""
        for mid in self._mids.get(source, ()):
            section = self.connection.section(mid)
            if section is not None and self.connection.hears(section):
                return section
        return None

    async def handle_timeout(self, now: float) -> None:
        if now >= self._next_report:
            self._next_report = now + INTERVAL
            await self.connection.report()

    def close(self) -> "asyncio.Task[None]":
        return self.connection.close()
