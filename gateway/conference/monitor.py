"""What the monitor sees of all rooms; listens to them and never speaks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.conference.focus import ConferenceEvent
from gateway.conference.report import Report
from gateway.conference.watch import Totals, Watch
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    ParticipantId,
    RoomName,
    RosterChanged,
    Standby,
    StreamKind,
)
from gateway.statistics import LegStatistics
from gateway.trees.topology import Forest, neighbours


@dataclass(frozen=True, slots=True)
class TreeFigures:
    """Of all rooms together, for Prometheus."""

    trees: Mapping[StreamKind, int] = field(default_factory=dict)
    edges: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """That stand or stand by, by kind and state."""
    methods: Mapping[str, int] = field(default_factory=dict)
    """Of the edges of which a parent told it."""
    depth: int = 0
    """Of the deepest tree."""
    neighbours: int = 0
    """Of the participant with the most."""
    totals: Totals = field(default_factory=Totals)


class Monitor:
    """One `Watch` for each room that somebody is in."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.watches: dict[RoomName, Watch] = {}

    def told(self, room: RoomName, event: ConferenceEvent, now: float, *, seat: bool) -> None:
        """What the conference said; `seat`: whether the gateway takes part in it."""
        watch = self.watches.get(room)
        if watch is None:
            if not isinstance(event, RosterChanged):
                return
            watch = self.watches[room] = Watch(self.totals, now)
        match event:
            case RosterChanged(roster):
                watch.roster(roster, now, seat=seat)
            case Attach(edge):
                watch.attached(edge, now)
            case Detach(edge):
                watch.detached(edge, now)
            case Standby(edge, on):
                watch.standby(edge, now, on=on)

    def ready(self, room: RoomName, edge: Edge, now: float) -> None:
        """The edge's child says that the stream has come."""
        if room in self.watches:
            self.watches[room].live(edge, now)

    def reported(self, room: RoomName, who: ParticipantId, report: Report, now: float) -> None:
        if room in self.watches:
            self.watches[room].reported(who, report, now)

    def measured(
        self, room: RoomName, legs: Mapping[ParticipantId, LegStatistics], now: float
    ) -> None:
        if room in self.watches:
            self.watches[room].measured(legs, now)

    def closed(self, room: RoomName) -> None:
        """Nobody is in it any more."""
        self.watches.pop(room, None)

    def figures(self, rooms: Iterable[Mapping[StreamKind, Forest]]) -> TreeFigures:
        """`rooms`: the planned forests of each."""
        trees: Counter[StreamKind] = Counter()
        depth = most = 0
        for forests in rooms:
            met: dict[ParticipantId, set[ParticipantId]] = {}
            for kind, forest in forests.items():
                trees[kind] += len(forest)
                deepest = (tree.depth(node) for tree in forest.values() for node in tree.parent_of)
                depth = max(depth, max(deepest, default=0))
                for node, others in neighbours(forest).items():
                    met.setdefault(node, set()).update(others)
            most = max([most, *(len(others) for others in met.values())])
        edges: Counter[tuple[str, str]] = Counter()
        methods: Counter[str] = Counter()
        for watch in self.watches.values():
            for key, entry in watch.journal.now.items():
                if key[0] == "edge":
                    edges[key[1], str(entry["state"])] += 1
                    if "method" in entry:
                        methods[str(entry["method"])] += 1
        return TreeFigures(trees, edges, methods, depth, most, self.totals)
