"""One WebRTC connection and the audio streams on it; we answer, the peer offers.

Serves XMPP legs, with one audio section, and browsers at the seat, with one for each stream.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterator

from gateway.errors import Reason, Refused
from gateway.media.inlet import Inlet
from gateway.media.mixer import FRAME, RATE
from gateway.media.rtcp import Reports
from gateway.media.rtp import RtpPacket
from gateway.media.telephone_event import TelephoneEvents
from gateway.media.transport import RemoteTransport
from gateway.media.webrtc_negotiation import (
    AudioOffer,
    WebRtcOffer,
    describe_answer,
    read_offer,
)
from gateway.media.webrtc_transport import WebRtcTransport
from gateway.ports import ParticipantId
from gateway.sdp import SessionDescription

log = logging.getLogger("trestle.media")

_CNAME = "trestle"


class AudioSection:
    """One m-section: what comes in is an `Inlet`, what goes out is one RTP stream."""

    def __init__(self, offer: AudioOffer) -> None:
        self.ssrc = secrets.randbits(32)
        self.inlet = Inlet(offer.codec)
        self.events = TelephoneEvents()
        self.reports = Reports(self.ssrc, _CNAME)
        self._sequence = secrets.randbits(15)
        self._epoch = secrets.randbits(32)
        self.offer = offer

    def update(self, offer: AudioOffer) -> None:
        """A later offer about the same mid."""
        if offer.codec != self.offer.codec or (offer.sends and not self.offer.sends):
            self.inlet = Inlet(offer.codec)
        self.offer = offer

    def packet(self, payload: bytes, tick: int) -> RtpPacket:
        """The next packet; timestamps follow the room's clock, also over pauses."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        samples = FRAME * self.offer.codec.clock_rate // RATE
        timestamp = (self._epoch + tick * samples) & 0xFFFF_FFFF
        packet = RtpPacket(
            self.offer.codec.payload_type,
            self._sequence,
            timestamp,
            self.ssrc,
            payload,
            mid=self.offer.mid,
        )
        self.reports.sent(packet)
        return packet


class WebRtcConnection:
    """Ends once, by `close` or by `on_end`."""

    def __init__(
        self,
        owner: ParticipantId,
        max_audio: int,
        on_digit: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        self._owner = owner
        self._max_audio = max_audio
        self._on_digit = on_digit
        self._transport = WebRtcTransport(owner, self._receive, on_end)
        self._remote: RemoteTransport | None = None
        self._sections: dict[str, AudioSection] = {}
        self._by_ssrc: dict[int, AudioSection] = {}
        self._session_id = secrets.randbits(62)
        self._version = 0

    async def answer(self, offer: SessionDescription) -> SessionDescription:
        """The first offer starts the connection, a later one changes the sections.

        Raises `Refused`, and then everything is as it was.
        """
        taken = read_offer(offer, self._max_audio)
        self._check_transport(taken.remote)
        local = await self._transport.gather()
        self._take(taken)
        if self._remote is None:
            self._remote = taken.remote
            self._transport.start(taken.remote)
        self._version += 1
        ssrcs = {audio.index: self._sections[audio.mid].ssrc for audio in taken.sections}
        return describe_answer(offer, taken, local, ssrcs, self._session_id, self._version)

    def section(self, mid: str) -> AudioSection | None:
        return self._sections.get(mid)

    def sections(self) -> Iterator[AudioSection]:
        yield from self._sections.values()

    def add_candidate(self, line: str) -> None:
        self._transport.add_candidate(line)

    def hears(self, section: AudioSection) -> bool:
        """Whether it makes sense to send now."""
        return section.offer.receives and self._transport.is_connected

    async def send(self, section: AudioSection, payload: bytes, tick: int) -> None:
        if payload and self.hears(section):
            packet = section.packet(payload, tick)
            await self._transport.send(packet.serialize(section.offer.mid_extension))

    async def report(self) -> None:
        """Sends one RTCP report for each section."""
        for section in self._sections.values():
            await self._transport.send(section.reports.report(time.time()))

    def handle_timeout(self, now: float) -> None:
        for section in self._sections.values():
            for digit in section.events.handle_timeout(now):
                self._on_digit(digit)

    def close(self) -> "asyncio.Task[None]":
        return self._transport.close()

    def _check_transport(self, remote: RemoteTransport) -> None:
        before = self._remote
        if before is not None and (before.ufrag, before.password) != (
            remote.ufrag,
            remote.password,
        ):
            raise Refused(Reason.MEDIA, "ICE cannot be restarted: make a new connection")

    def _take(self, taken: WebRtcOffer) -> None:
        before, self._sections, self._by_ssrc = self._sections, {}, {}
        for audio in taken.sections:
            section = before.get(audio.mid)
            if section is None:
                section = AudioSection(audio)
            else:
                section.update(audio)
            self._sections[audio.mid] = section
            self._by_ssrc.update(dict.fromkeys(audio.ssrcs, section))

    def _receive(self, data: bytes) -> None:
        """A decrypted RTP packet."""
        extension = next((s.offer.mid_extension for s in self._sections.values()), 0)
        try:
            packet = RtpPacket.parse(data, extension)
        except ValueError as error:
            log.debug("%s < RTP dropped: %s", self._owner, error)
            return
        section = self._route(packet)
        if section is None or not section.offer.sends:
            return
        events = section.offer.events
        if events is not None and packet.payload_type == events.payload_type:
            now = asyncio.get_running_loop().time()
            for digit in section.events.receive(packet.payload, packet.timestamp, now):
                self._on_digit(digit)
        elif packet.payload_type == section.offer.codec.payload_type:
            section.reports.received(packet)
            section.inlet.receive(packet)

    def _route(self, packet: RtpPacket) -> AudioSection | None:
        """RFC 9143, section 9.2: by MID, by known SSRC, by a payload type of one section only."""
        if packet.mid in self._sections:
            section = self._sections[packet.mid]
            self._remember(packet.ssrc, section)
            return section
        known = self._by_ssrc.get(packet.ssrc)
        if known is not None:
            return known
        using = [s for s in self._sections.values() if s.offer.sends]
        return using[0] if len(using) == 1 else None

    def _remember(self, ssrc: int, section: AudioSection) -> None:
        # A peer that makes up SSRCs without end is told apart by its MIDs all the same.
        if len(self._by_ssrc) < 4 * len(self._sections) + 64:
            self._by_ssrc[ssrc] = section
