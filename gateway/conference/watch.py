"""What the monitor sees of one room: who is in, every edge, and how they say they do.

Only listens: to what the conference tells its legs, and to what these report. The entries are those
of docs/monitor.md: participants, edges, links (round trips between neighbours), the injection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10

from gateway.conference.journal import Entry, Journal, Key
from gateway.conference.report import Receiving, Report, Sending
from gateway.ports import SEAT, Edge, Participant, ParticipantId, Roster, StreamKind
from gateway.statistics import LegStatistics

REPORTS_APART = 1.8
"""Seconds between two reports of one participant of which the figures are kept, in small rooms."""

LARGE = 10
"""Participants above which they are kept less often, as their edges grow with the square."""

_INJECTION: Key = ("injection",)


@dataclass(slots=True)
class Totals:
    """Of all rooms since the gateway started."""

    moves: int = 0
    """A node got a stream that it had, or had lost, from another parent."""
    promotions: int = 0
    """Of those moves the ones that a child made by itself, to its standby parent."""
    stalls: int = 0
    """As participants report them."""
    stalled_ms: float = 0.0
    faults: int = 0
    """Injected."""


class Watch:
    """Of one room, from its first participant to its last."""

    def __init__(self, totals: Totals, now: float) -> None:
        self.journal = Journal(now)
        self._totals = totals
        self._fed_by: dict[tuple[StreamKind, ParticipantId, ParticipantId], ParticipantId] = {}
        """The last parent of each child, by kind and source."""
        self._stalls: dict[
            ParticipantId, dict[tuple[StreamKind, ParticipantId], tuple[int, float]]
        ] = {}
        """How often and for how long each participant's streams stood still, as it said last."""
        self._kept_at: dict[ParticipantId, float] = {}
        self._here: set[ParticipantId] = set()
        """The roster, and the seat while it takes part."""

    # --- what the conference tells ----------------------------------------------------------

    def roster(self, roster: Roster, now: float, *, seat: bool) -> None:
        """`seat`: whether the gateway takes part."""
        here = {one.id: _participant(one) for one in roster.participants}
        if seat:
            here[SEAT] = {"id": SEAT, "kind": "seat", "name": "Gateway"}
        gone = self._here - {*here}
        if gone:
            self._forget(gone, now)
        self._here = {*here}
        for who, entry in here.items():
            key = ("participant", who)
            known = self.journal.now.get(key, {})
            health = {name: known[name] for name in _HEALTH if name in known}
            self.journal.set(key, {**entry, **health}, now)

    def attached(self, edge: Edge, now: float) -> None:
        self._feeds(edge)
        if self._state(edge) != "live":
            self._set(edge, now, state="starting")

    def detached(self, edge: Edge, now: float) -> None:
        fed = (edge.kind, edge.source, edge.child)
        if self._fed_by.get(fed) == edge.parent:
            del self._fed_by[fed]  # it did not want the stream any more
        self.journal.remove(_edge_key(edge), now)

    def standby(self, edge: Edge, now: float, *, on: bool) -> None:
        state = self._state(edge)
        if on and state is None:
            self._set(edge, now, state="standby")
        elif not on and state == "standby":
            self.journal.remove(_edge_key(edge), now)

    def live(self, edge: Edge, now: float) -> None:
        """The child has the stream: by this edge, or by the standby edge that became one."""
        state = self._state(edge)
        if state == "standby":
            self._totals.promotions += 1
            self._feeds(edge)
        if state is not None:
            self._set(edge, now, state="live")

    # --- what participants report -----------------------------------------------------------

    def reported(self, who: ParticipantId, report: Report, now: float) -> None:
        """What is not of this room is passed over."""
        if who not in self._here:
            return
        stalled = self._count_stalls(who, report.receives or (), now)
        apart = REPORTS_APART * max(1.0, len(self._here) / LARGE)
        # A participant tells of edges with every second report: those are the ones to keep.
        due = now - self._kept_at.get(who, -apart) >= apart and report.receives is not None
        if not (due or stalled):
            return
        self._kept_at[who] = now
        self._set_health(who, now, _health(report))
        for received in report.receives or ():
            self._set(_edge_in(received, who), now, **_received(received))
        for sent in report.sends or ():
            self._set(_edge_out(sent, who), now, method=sent.method, sent=_round(sent.bitrate))
        self._set_links(who, report.round_trips, now)

    def measured(self, legs: Mapping[ParticipantId, LegStatistics], now: float) -> None:
        """Those whose media ends at the gateway."""
        for leg, one in legs.items():
            health: dict[str, object] = {
                "quality": one.quality,
                "loss": _round(one.missing),
                "codec": one.codec,
            }
            self._set_health(leg, now, health)
            trip = one.round_trip_ms
            self._set_links(leg, {} if trip is None else {SEAT: trip}, now)

    # --- experiments ------------------------------------------------------------------------

    def injecting(self, injection: Entry | None, now: float) -> None:
        """What is being injected, or nothing any more."""
        if injection is None:
            self.journal.remove(_INJECTION, now)
        else:
            self.journal.set(_INJECTION, injection, now)

    def struck(self) -> None:
        self._totals.faults += 1

    # --- inside -----------------------------------------------------------------------------

    def _feeds(self, edge: Edge) -> None:
        fed = (edge.kind, edge.source, edge.child)
        if self._fed_by.get(fed, edge.parent) != edge.parent:
            self._totals.moves += 1
        self._fed_by[fed] = edge.parent

    def _forget(self, gone: set[ParticipantId], now: float) -> None:
        """Nobody is told of the edges of those who have left."""
        for key in [key for key in self.journal.now if not gone.isdisjoint(key[1:])]:
            self.journal.remove(key, now)
        for fed in [fed for fed in self._fed_by if not gone.isdisjoint(fed[1:])]:
            del self._fed_by[fed]
        for who in gone:
            self._stalls.pop(who, None)
            self._kept_at.pop(who, None)
        for said in self._stalls.values():
            for stream in [stream for stream in said if stream[1] in gone]:
                del said[stream]

    def _count_stalls(self, who: ParticipantId, receives: Sequence[Receiving], now: float) -> bool:
        """Whether there were more since the last report."""
        said = self._stalls.setdefault(who, {})
        more = 0
        for one in receives:
            if _edge_key(_edge_in(one, who)) in self.journal.now:
                was = said.get((one.kind, one.source), _NO_STALLS)
                more += max(one.stalls - was[0], 0)
                self._totals.stalled_ms += max(one.stalled_ms - was[1], 0.0)
                said[one.kind, one.source] = (one.stalls, one.stalled_ms)
                if one.stalls > was[0]:
                    self._set(_edge_in(one, who), now, stalled_at=now)
        self._totals.stalls += more
        return more > 0

    def _state(self, edge: Edge) -> object:
        return self.journal.now.get(_edge_key(edge), {}).get("state")

    def _set(self, edge: Edge, now: float, **more: object) -> None:
        """Figures of an edge that is not there come late, and are passed over."""
        key = _edge_key(edge)
        known = self.journal.now.get(key)
        if known is None and "state" not in more:
            return
        if known is None:
            _, kind, source, parent, child = key
            known = {"kind": kind, "source": source, "parent": parent, "child": child}
        self.journal.set(key, {**known, **more}, now)

    def _set_health(self, who: ParticipantId, now: float, health: Mapping[str, object]) -> None:
        key = ("participant", who)
        known = self.journal.now.get(key)
        if known is not None:
            self.journal.set(key, {**known, **health}, now)

    def _set_links(
        self, who: ParticipantId, round_trips: Mapping[ParticipantId, float], now: float
    ) -> None:
        for other, trip in round_trips.items():
            if other in self._here:
                entry = {"from": who, "to": other, "round_trip_ms": _round(trip)}
                self.journal.set(("link", who, other), entry, now)


_NO_STALLS = (0, 0.0)

_HEALTH = ("uplink", "cpu", "battery", "quality", "loss", "codec")
"""What a participant's entry has by reports and measurements, and keeps when the roster changes."""


def _participant(one: Participant) -> Entry:
    return {
        "id": one.id,
        "kind": one.kind,
        "name": one.name,
        "publishes": sorted(one.publishes),
        "muted": {"audio": one.muted.audio, "video": one.muted.video},
        "online": one.online,
    }


def _health(report: Report) -> Entry:
    uplink = None if report.uplink is None else _round(report.uplink)
    return {"uplink": uplink, "cpu": report.cpu, "battery": report.battery}


def _received(one: Receiving) -> dict[str, object]:
    return {
        "bitrate": _round(one.bitrate),
        "loss": _round(one.loss),
        "stalls": one.stalls,
        "stalled_ms": round(one.stalled_ms),
    }


def _edge_in(one: Receiving, child: ParticipantId) -> Edge:
    return Edge(one.source, one.parent, child, one.kind)


def _edge_out(one: Sending, parent: ParticipantId) -> Edge:
    return Edge(one.source, parent, one.child, one.kind)


def _edge_key(edge: Edge) -> Key:
    return ("edge", edge.kind, edge.source, edge.parent, edge.child)


def _round(value: float) -> float:
    """To two digits: what changes less is no news, and takes no room in the journal."""
    return round(value, 1 - floor(log10(value))) if value > 0 else 0.0
