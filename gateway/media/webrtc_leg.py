"""An XMPP client's audio: one section on a WebRTC connection of its own."""

import asyncio
import logging
from collections.abc import Callable

from gateway.errors import Reason
from gateway.media.codecs import Encoder, encoder
from gateway.media.mixer import Frame
from gateway.media.rtcp import INTERVAL
from gateway.media.webrtc import AudioSection, WebRtcConnection
from gateway.ports import DigitPressed, LegFailed, MediaEvent, ParticipantId
from gateway.sdp import Codec, SessionDescription

log = logging.getLogger("trestle.media")


class WebRtcLeg:
    """Sends the mix and hears one stream."""

    def __init__(self, leg: ParticipantId, emit: Callable[[MediaEvent], None]) -> None:
        self.id = leg
        self._emit = emit
        self._connection = WebRtcConnection(leg, 1, self._press, self._end)
        self._codec: Codec | None = None
        self._encoder: Encoder | None = None
        self._next_report = 0.0

    async def answer(self, offer: SessionDescription) -> SessionDescription:
        """Raises `Refused`."""
        answer = await self._connection.answer(offer)
        section = self._section()
        if section is not None:
            log.info("%s WebRTC, %s", self.id, section.offer.codec.name)
        return answer

    def add_candidate(self, line: str) -> None:
        self._connection.add_candidate(line)

    def pull(self) -> Frame | None:
        section = self._section()
        return section.inlet.pull() if section is not None else None

    async def send(self, frame: Frame, tick: int) -> None:
        section = self._section()
        if section is None or not self._connection.hears(section):
            return
        if self._encoder is None or section.offer.codec != self._codec:
            self._codec = section.offer.codec
            self._encoder = encoder(section.offer.codec.name)
        await self._connection.send(section, self._encoder.encode(frame), tick)

    async def handle_timeout(self, now: float) -> None:
        self._connection.handle_timeout(now)
        if now >= self._next_report:
            self._next_report = now + INTERVAL
            await self._connection.report()

    def close(self) -> "asyncio.Task[None]":
        return self._connection.close()

    def _section(self) -> AudioSection | None:
        return next(self._connection.sections(), None)

    def _press(self, digit: str) -> None:
        log.debug("%s < digit %s", self.id, digit)
        self._emit(DigitPressed(self.id, digit))

    def _end(self, why: str) -> None:
        self._emit(LegFailed(self.id, Reason.CONNECTIVITY, why))
