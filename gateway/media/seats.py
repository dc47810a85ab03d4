"""The seat in one room: which browsers' streams its legs hear, and which legs the browsers get.

Also what single legs make of a voice (`set_gain`), for the same reason: it is known here which
participant is which stream at present.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.errors import Refused
from gateway.media.connection import Connection, Section
from gateway.media.engine import Engine
from gateway.ports import SEAT, Edge, ParticipantId, StreamKind, Track
from gateway.sdp import SessionDescription

_LOUDEST = 4.0
"""12 dB; more would only be the limiter's."""

_STALE = 0.2
"""Seconds without a packet after which another parent of the same source is listened to."""


@dataclass(slots=True)
class Seat:
    """The connection with one browser; `name` is the browser's name for it."""

    name: str
    connection: Connection
    mids: dict[ParticipantId, list[str]] = field(default_factory=dict)

    def answer(
        self, offer: SessionDescription, tracks: Mapping[str, Track], now: float
    ) -> SessionDescription:
        """Raises `Refused`, and then everything is as it was."""
        before = self.mids
        self.set_tracks(tracks)
        try:
            return self.connection.answer(offer, now)
        except Refused:
            self.mids = before
            raise

    def set_tracks(self, tracks: Mapping[str, Track]) -> None:
        """From now on the sections carry these."""
        self.mids = {}
        for mid, track in tracks.items():
            if track.kind is StreamKind.AUDIO:
                self.mids.setdefault(track.source, []).append(mid)

    def receiving(self, source: ParticipantId) -> Section | None:
        """The section on which the browser sends `source`'s audio."""
        return self._first(source, self.connection.receiving)

    def sending(self, source: ParticipantId) -> Section | None:
        """The section on which the browser waits for `source`'s audio."""
        return self._first(source, self.connection.sending)

    def _first(
        self, source: ParticipantId, find: Callable[[str], Section | None]
    ) -> Section | None:
        found = (find(mid) for mid in self.mids.get(source, ()))
        return next((section for section in found if section is not None), None)


class Seats:
    """All seats of a room, and the edges that begin or end there."""

    def __init__(
        self, engine: Engine, number: int, leg_row: Callable[[ParticipantId], int | None]
    ) -> None:
        """`number` is the room's in the engine; `leg_row`: the stream of a leg of this room that
        has been admitted."""
        self._engine = engine
        self._number = number
        self._leg_row = leg_row
        self._seats: dict[ParticipantId, Seat] = {}
        self._edges: dict[Edge, bool] = {}
        """In order of attaching; whether the seat was told to receive them."""
        self._forwarded: set[tuple[int, int]] = set()
        self._gains: dict[tuple[ParticipantId, ParticipantId], float] = {}
        """(listener, source), where it is not as everybody hears it. By participant: a browser's
        stream moves from one section to another."""

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[tuple[ParticipantId, Seat]]:
        return iter(tuple(self._seats.items()))

    def get(self, peer: ParticipantId) -> Seat | None:
        return self._seats.get(peer)

    def add(self, peer: ParticipantId, seat: Seat) -> None:
        self._seats[peer] = seat

    def remove(self, peer: ParticipantId) -> None:
        """The connection alone; the edges wait for the browser's next one."""
        seat = self._seats.pop(peer, None)
        if seat is not None:
            for edge in self._edges:
                if edge.parent == peer:
                    self._edges[edge] = False
            self.apply()
            seat.connection.close()

    def attach(self, edge: Edge) -> None:
        """Attached again, an edge is the newest of its source's again."""
        self._edges.pop(edge, None)
        self._edges[edge] = False
        self.apply()

    def detach(self, edge: Edge) -> None:
        self._edges.pop(edge, None)
        self.apply()

    def set_gain(self, listener: ParticipantId, source: ParticipantId, gain: float) -> None:
        self._gains.pop((listener, source), None)
        gain = min(max(gain, 0.0), _LOUDEST)
        if gain != 1.0:
            self._gains[listener, source] = gain
        self.apply()

    def forget(self, gone: ParticipantId) -> None:
        """A participant has left, and its edges with it."""
        for pair in [pair for pair in self._gains if gone in pair]:
            del self._gains[pair]
        for edge in tuple(self._edges):
            if gone in (edge.source, edge.parent, edge.child):
                del self._edges[edge]
        self.apply()

    def first_frame(self, row: int) -> Edge | None:
        """A stream has begun: the edge that it is received by, if that was not told yet."""
        for edge, was_told in self._edges.items():
            if edge.child == SEAT and not was_told and self._row(edge) == row:
                self._edges[edge] = True
                self.apply()
                return edge
        return None

    def prefer_living(self, now: float) -> None:
        """Where a source comes from two parents, the one that still delivers is heard."""
        sources = [edge.source for edge in self._edges if edge.child == SEAT]
        if len(set(sources)) < len(sources):
            self._choose_sources(now)

    def apply(self) -> None:
        """Makes the engine do what edges, seats and tracks say now."""
        for edge, was_told in self._edges.items():
            row = self._row(edge) if edge.child == SEAT and not was_told else None
            if row is not None:
                self._engine.tell_first_frame(row)
        self._choose_sources(None)
        wanted = set(self._wanted_forwards())
        for source, target in self._forwarded - wanted:
            self._engine.stop_forwarding(source, target)
        for source, target in sorted(wanted - self._forwarded):
            self._engine.forward(source, target)
        self._forwarded = wanted
        self._engine.set_gains(self._number, self._wanted_gains())

    def _wanted_gains(self) -> dict[tuple[int, int], float]:
        """By rows. Of a browser's all that its stream comes on: another may be heard soon."""
        if not self._gains:
            return {}
        rows: dict[ParticipantId, set[int]] = {}
        for edge in self._edges:
            row = self._row(edge) if edge.child == SEAT else None
            if row is not None:
                rows.setdefault(edge.source, set()).add(row)
        gains = {}
        for (listener, source), gain in self._gains.items():
            ear, mouth = self._leg_row(listener), self._leg_row(source)
            for row in rows.get(source, set()) if mouth is None else {mouth}:
                if ear is not None:
                    gains[ear, row] = gain
        return gains

    def _choose_sources(self, now: float | None) -> None:
        """Each source once, from the newest parent that delivers it (make before break)."""
        chosen: dict[ParticipantId, int] = {}
        for edge in reversed(self._edges):
            row = self._row(edge) if edge.child == SEAT and self._edges[edge] else None
            if row is not None and edge.source not in chosen and self._lives(row, now):
                chosen[edge.source] = row
        heard = set(chosen.values())
        for seat in self._seats.values():
            for section in seat.connection.sections.values():
                self._engine.set_source(section.row, section.row in heard)

    def _lives(self, row: int, now: float | None) -> bool:
        return now is None or now - float(self._engine.streams.last_heard[row]) < _STALE

    def _wanted_forwards(self) -> Iterator[tuple[int, int]]:
        for edge in self._edges:
            seat = self._seats.get(edge.child)
            if edge.parent == SEAT and seat is not None:
                row, section = self._leg_row(edge.source), seat.sending(edge.source)
                if row is not None and section is not None:
                    yield row, section.row

    def _row(self, edge: Edge) -> int | None:
        seat = self._seats.get(edge.parent)
        section = seat.receiving(edge.source) if seat is not None else None
        return section.row if section is not None else None
