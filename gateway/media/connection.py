"""One connection on the shared ICE port: a Jingle client's, or a browser's with the seat.

We answer, the peer offers. Each audio section that is taken is a stream of the engine.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import Reason, Refused
from gateway.media.dtls_negotiation import check_unchanged
from gateway.media.engine import Engine
from gateway.media.formats import format_of
from gateway.media.ice_port import Carried, IcePort
from gateway.media.reports import Reporter
from gateway.media.streams import Receiving, Sending
from gateway.media.transport import LocalTransport, RemoteTransport
from gateway.media.webrtc_negotiation import (
    AudioOffer,
    WebRtcOffer,
    describe_answer,
    read_offer,
)
from gateway.sdp import SessionDescription


@dataclass(slots=True)
class Section:
    """An m-section and its stream."""

    row: int
    ssrc: int
    """Of what we send."""
    offer: AudioOffer


class Connection:
    """From its first offer to `close`."""

    def __init__(
        self,
        room: int,
        engine: Engine,
        port: IcePort,
        reporter: Reporter,
        on_failed: Callable[[str], None],
        on_sending: Callable[[], None],
        *,
        is_leg: bool,
        max_audio: int,
    ) -> None:
        """`on_sending`: what can be sent has changed."""
        self.sections: dict[str, Section] = {}
        self._room = room
        self._engine = engine
        self._port = port
        self._is_leg = is_leg
        self._max_audio = max_audio
        self._on_sending = on_sending
        self._reporter = reporter
        self._carried = Carried(self._connected, on_failed, self._take_rtcp)
        self.number: int | None = None
        """On the port, from the first offer that was taken."""
        self._remote: RemoteTransport | None = None
        self._local: LocalTransport | None = None
        self._session_id = secrets.randbits(62)
        self._version = 0

    def answer(self, offer: SessionDescription, now: float) -> SessionDescription:
        """Raises `Refused`, and then everything is as it was."""
        taken = read_offer(offer, self._max_audio)
        self._check_transport(taken.remote)
        self._check_room(taken)
        if self._local is None:
            try:
                self.number, self._local = self._port.add(self._carried, taken.remote, now)
            except IndexError:
                raise _full() from None
            self._remote = taken.remote
        self._take(taken)
        self._version += 1
        ssrcs = {audio.index: self.sections[audio.mid].ssrc for audio in taken.sections}
        return describe_answer(offer, taken, self._local, ssrcs, self._session_id, self._version)

    def close(self) -> None:
        if self.number is not None:
            self._port.remove(self.number)
        for section in self.sections.values():
            self._end(section)
        self.sections = {}

    def receiving(self, mid: str) -> Section | None:
        """The section, if the peer sends there."""
        section = self.sections.get(mid)
        return section if section is not None and section.offer.sends else None

    def sending(self, mid: str) -> Section | None:
        """The section, if the peer can hear us there now."""
        section = self.sections.get(mid)
        return section if section is not None and self._can_send(section) else None

    def report(self, wall_clock: float) -> None:
        """Sends one RTCP report for each section."""
        if self.number is not None and self._carried.secure is not None:
            for section in self.sections.values():
                packet = self._reporter.report(section.row, section.ssrc, wall_clock)
                self._port.send_rtcp(self.number, packet)

    def _take_rtcp(self, packet: bytes) -> None:
        ours = {section.ssrc: section.row for section in self.sections.values()}
        if ours:
            self._reporter.receive(ours, packet, time.time())

    def _end(self, section: Section) -> None:
        self._reporter.forget(section.row)
        self._engine.close_stream(section.row)

    def _check_transport(self, remote: RemoteTransport) -> None:
        if self._remote is not None:
            check_unchanged(self._remote, remote)

    def _check_room(self, taken: WebRtcOffer) -> None:
        new = sum(audio.mid not in self.sections for audio in taken.sections)
        if new > self._engine.streams.free:
            raise _full()

    def _take(self, taken: WebRtcOffer) -> None:
        before, self.sections = self.sections, {}
        carried = self._carried
        carried.row_of_ssrc.clear()
        carried.row_of_mid.clear()
        for audio in taken.sections:
            section = before.pop(audio.mid, None)
            self.sections[audio.mid] = section = self._section(audio, section)
            if audio.sends:
                carried.row_of_mid[audio.mid] = section.row
                carried.row_of_ssrc.update(dict.fromkeys(audio.ssrcs, section.row))
                carried.mid_number = audio.mid_extension or carried.mid_number
        for section in before.values():
            self._end(section)
        senders = [s.row for s in self.sections.values() if s.offer.sends]
        carried.only_row = senders[0] if len(senders) == 1 else -1
        if self.number is not None:
            self._port.set_direct(self.number, carried.only_row)
        self._connected()

    def _section(self, audio: AudioOffer, section: Section | None) -> Section:
        engine = self._engine
        if section is None:
            row = engine.open_stream(self._room, format_of(audio.codec), is_leg=self._is_leg)
            section = Section(row, secrets.randbits(32), audio)
        elif audio.codec != section.offer.codec or (audio.sends and not section.offer.sends):
            engine.set_format(section.row, format_of(audio.codec))
        section.offer = audio
        receiving = None
        if audio.sends:
            events = audio.events.payload_type if audio.events is not None else -1
            noise = audio.noise.payload_type if audio.noise is not None else -1
            receiving = Receiving(audio.codec.payload_type, events, audio.level_extension, noise)
        engine.receive_on(section.row, receiving)
        return section

    def _connected(self) -> None:
        for section in self.sections.values():
            self._engine.send_on(section.row, self._sending(section))
        self._on_sending()

    def _can_send(self, section: Section) -> bool:
        return section.offer.receives and self._carried.secure is not None

    def _sending(self, section: Section) -> Sending | None:
        carried, audio = self._carried, section.offer
        if carried.secure is None or carried.sock is None or not audio.receives:
            return None
        return Sending(
            audio.codec.payload_type,
            section.ssrc,
            carried.sock,
            carried.address,
            carried.secure.tx,
            audio.mid.encode(),
            audio.mid_extension,
            audio.events.payload_type if audio.events is not None else -1,
            audio.events.clock_rate if audio.events is not None else 8000,
        )


def _full() -> Refused:
    return Refused(Reason.OVERLOADED, "no more streams: the media plane is full")
