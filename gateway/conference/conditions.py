"""How everybody in a conference does, as far as planning needs to know; from their reports.

Says when something changed that plans hang on, which is seldom: most reports change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log2

from gateway.conference.health import Health
from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.conference.trust import Trust
from gateway.conference.uplink import capacities
from gateway.ports import SEAT, ParticipantId, StreamKind
from gateway.trees.planner import Node

BELIEVED = 4
"""So many times the usual share of streams is the most that anybody's uplink counts for: what
somebody claims beyond that is not needed, and if it is not true all are spared."""

FEWEST = 2
"""Who cannot send so many streams is no relay."""


@dataclass(slots=True)
class Conditions:
    """One conference's. Core shape: `receive`, `handle_timeout`, `next_timeout`."""

    _devices: dict[ParticipantId, Device] = field(default_factory=dict)
    _health: dict[ParticipantId, Health] = field(default_factory=dict)
    _round_trips: dict[ParticipantId, Mapping[ParticipantId, float]] = field(default_factory=dict)
    _trust: Trust = field(default_factory=Trust)

    def join(self, who: ParticipantId, device: Device) -> None:
        """It has not reported yet."""
        self._devices[who] = device

    def receive(self, who: ParticipantId, report: Report, now: float) -> bool:
        """Whether anybody's node in the plans is another one by this."""
        health = self._health.setdefault(who, Health())
        was = health.ability
        health.receive(report, now)
        if report.round_trips:
            # Of strangers there may be hundreds, and every plan would look at them.
            trips, known = report.round_trips.items(), {SEAT, *self._devices}
            self._round_trips[who] = {one: ms for one, ms in trips if one in known}
        distrusted = report.receives is not None and self._trust.receive(who, report.receives, now)
        return health.ability != was or distrusted

    def forget(self, leaver: ParticipantId) -> None:
        self._devices.pop(leaver, None)
        self._health.pop(leaver, None)
        self._round_trips.pop(leaver, None)
        self._trust.forget(leaver)

    def next_timeout(self) -> float | None:
        deadlines = [health.next_timeout() for health in self._health.values()]
        deadlines.append(self._trust.next_timeout())
        return min((one for one in deadlines if one is not None), default=None)

    def handle_timeout(self, now: float) -> bool:
        """Whether anybody's node in the plans is another one by this."""
        changed = self._trust.handle_timeout(now)
        for health in self._health.values():
            changed = health.handle_timeout(now) or changed
        return changed

    def knows(self, who: ParticipantId) -> bool:
        """Whether it has ever reported."""
        return who in self._health

    def is_online(self, who: ParticipantId) -> bool:
        return who not in self._health or self._health[who].ability.online

    def waits_since(self, who: ParticipantId, since: float) -> float | None:
        """From when on it can be asked why it was not ready; None while it is not there at all."""
        if not self.is_online(who):
            return None
        return max(since, self._health[who].online_since) if who in self._health else since

    def node(self, node: Node, kind: StreamKind, shares: Mapping[StreamKind, int]) -> Node:
        """`node` as its owner's device and reports make it for the trees of `kind`.

        `shares`: how many streams each peer has to send on average, for `kind` and those that are
        planned before it.
        """
        device = self._devices.get(node.id, ANY_DEVICE)
        node = replace(node, relays=node.relays and device.relays, mobile=device.mobile)
        health = self._health.get(node.id)
        if health is None:
            return node
        ability = health.ability
        strained = ability.strained and self._others_have_time()
        able = not ability.gone and not strained and not self._trust.distrusts(node.id)
        mobile, capacity = node.mobile or ability.low_battery, node.capacity
        if ability.uplink is not None:
            capacity = min(capacities(ability.uplink, shares)[kind], BELIEVED * shares[kind])
            slow = capacity < min(FEWEST, BELIEVED * shares[kind])
            able = able and not (slow and self._others_are_faster())
        return Node(node.id, node.relays and able, mobile, capacity)

    def _others_are_faster(self) -> bool:
        limited = sum(health.ability.uplink is not None for health in self._health.values())
        return 2 * limited <= len(self._health)

    def _others_have_time(self) -> bool:
        """Where most are pressed, sparing some would press the rest all the more."""
        pressed = sum(health.pressed for health in self._health.values())
        return 2 * pressed <= len(self._health)

    def round_trips(self) -> dict[frozenset[ParticipantId], float]:
        """In ms, by pair: the longer one of what the two say, so that nobody comes nearer by a lie.

        In steps of a half more each, since plans shall not hang on what wavers.
        """
        found: dict[frozenset[ParticipantId], float] = {}
        for who, told in self._round_trips.items():
            for neighbour, round_trip in told.items():
                pair = frozenset({who, neighbour})
                found[pair] = max(found.get(pair, 0.0), _coarse(round_trip))
        return found


def _coarse(ms: float) -> float:
    return float(2 ** (round(2 * log2(max(ms, 1.0))) / 2))
