"""The churn experiment in made-up time: the real conference, planner and repair; pure and seeded.

One source sends sound to thousands of receivers that relay. They fail, without a word, and come
back as new ones. Packets and messages take half of a round trip between places on a plane.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np

from gateway.conference.focus import Conference
from gateway.ports import (
    Attach,
    Detach,
    Edge,
    Kind,
    MediaKind,
    Participant,
    ParticipantId,
    RosterChanged,
    Standby,
    StreamKind,
)
from gateway.trees.failures import Distribution, victim
from gateway.trees.planner import TreePolicy
from gateway.trees.topology import Tree
from load.churn_peer import TICK, Peer, packet
from load.real_tree import deepest, real_tree
from load.stalls import PACKET, Hearing, Stalls

_SOURCE = "web-000000"


@dataclass(frozen=True)
class Churn:
    receivers: int
    failures: float
    """A second."""
    seconds: float
    distribution: Distribution = Distribution.UNIFORM
    noticed: float = 0.0
    """Seconds until the server knows of a failure, besides the way there: none where the
    operating system closes a killed browser's socket, 3 where only its reports are missing."""
    connecting: float = 0.1
    rejoins: bool = True
    seed: int = 1


@dataclass
class Outcome:
    stalls: Stalls
    depth: int = 0
    """The most at any failure."""
    uplinks: int = 0
    """The most streams that anybody sent at any failure."""
    moves: int = 0
    """Edges that were attached or taken, without those of newcomers."""
    starved: list[str] = field(default_factory=list)
    """Who had no stream in the end."""
    doubled: list[str] = field(default_factory=list)
    """Who was sent the stream more than once in the end."""


@dataclass
class _Receiver:
    peer: Peer
    place: tuple[float, float]
    hearing: Hearing = field(default_factory=Hearing)
    joined: float = 0.0


class ChurnSimulation:
    """`run` tells how it went."""

    def __init__(self, policy: TreePolicy, churn: Churn) -> None:
        self._churn = churn
        self._random = random.Random(churn.seed)
        self._draws = np.random.default_rng(churn.seed)
        self._conference = Conference(policy, churn.receivers + 1)
        self._alive: dict[str, _Receiver] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._number = 0
        self._known = 0
        self._timer: float | None = None
        self._pauses: list[float] = []
        self._listened = 0.0
        self._outcome = Outcome(Stalls.of([], 0.0))
        self.now = 0.0

    def run(self) -> Outcome:
        churn = self._churn
        for _ in range(churn.receivers + 1):
            self._join()
            self._until(self.now + 0.01)
        self._after(0.0, self._speak)
        self._after(0.0, self._tick)
        self._until(self.now + 3.0)
        for receiver in self._alive.values():
            receiver.hearing.begin_anew()
        begin, failures = self.now, round(churn.failures * churn.seconds)
        for number in range(failures):
            self._until(begin + number / churn.failures)
            self._fail()
        self._until(begin + churn.seconds)
        self._until(self.now + 12.0)  # so that the last ones are mended
        self._look_at_the_end()
        for receiver in self._alive.values():
            self._listened += receiver.hearing.end(self.now)
            self._pauses += receiver.hearing.pauses
        self._outcome.stalls = Stalls.of(self._pauses, self._listened)
        return self._outcome

    # --- time -------------------------------------------------------------------------------

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (self.now + seconds, self._count, act))

    def _until(self, end: float) -> None:
        while self._queue and self._queue[0][0] <= end:
            self.now, _, act = heappop(self._queue)
            act()
        self.now = end

    def _way(self, one: _Receiver, other: _Receiver | None = None) -> float:
        """Seconds, one way; the server is in the middle of the plane."""
        x, y = one.place
        u, v = other.place if other else (50.0, 50.0)
        return (10 + ((x - u) ** 2 + (y - v) ** 2) ** 0.5) / 2000

    # --- participants -----------------------------------------------------------------------

    def _join(self) -> None:
        name = f"web-{self._known:06}"
        self._known += 1
        place = (self._random.uniform(0, 100), self._random.uniform(0, 100))
        peer = Peer(name, self._churn.connecting)
        peer.message({"type": "welcome", "you": name}, self.now)
        self._alive[name] = receiver = _Receiver(peer, place, joined=self.now)
        publishes = frozenset({MediaKind.AUDIO} if name == _SOURCE else ())
        participant = Participant(ParticipantId(name), Kind.WEB, name, publishes)

        def enter() -> None:
            self._conference.join(participant, native=True, now=self.now)
            self._drain()

        self._after(self._way(receiver), enter)

    def _fail(self) -> None:
        tree = self._real_tree()
        self._look(tree)
        name = victim([tree], tree.parent_of, self._churn.distribution, self._draws)
        if name is None:
            return
        gone = self._alive.pop(name)
        self._listened += gone.hearing.end(self.now)
        self._pauses += gone.hearing.pauses

        def notice() -> None:
            self._conference.leave(ParticipantId(name), self.now)
            self._drain()

        self._after(self._way(gone) + self._churn.noticed, notice)
        if self._churn.rejoins:
            # The room holds no more than it held, and the server has to see it go first.
            self._after(2 * self._way(gone) + self._churn.noticed, self._join)

    def _tick(self) -> None:
        self._after(TICK, self._tick)
        for receiver in list(self._alive.values()):
            receiver.peer.tick(self.now)
            self._flush(receiver)

    def _speak(self) -> None:
        self._after(PACKET, self._speak)
        self._number += 1
        data = packet(0, self._number, 80)
        source = self._alive[_SOURCE]
        for child in source.peer.passes_on(0, self.now):
            self._send(source, child, data)

    # --- the network ------------------------------------------------------------------------

    def _send(self, sender: _Receiver, to: str, data: bytes) -> None:
        receiver = self._alive.get(to)
        if receiver is not None:
            self._after(
                self._way(sender, receiver), lambda: self._arrive(sender, receiver, to, data)
            )

    def _arrive(self, sender: _Receiver, receiver: _Receiver, to: str, data: bytes) -> None:
        if to not in self._alive:
            return
        if data[0] >= 2:
            receiver.peer.control(sender.peer.id, data, self.now)
        else:
            before = receiver.peer.newest(0)
            for child in receiver.peer.media(sender.peer.id, data, self.now):
                self._send(receiver, child, data)
            if receiver.peer.newest(0) > before:
                receiver.hearing.packet(self.now)
        self._flush(receiver)

    def _flush(self, one: _Receiver) -> None:
        peer = one.peer
        if peer.sends:
            sends, peer.sends = peer.sends, []
            for to, data in sends:
                self._send(one, to, data)
        if peer.says:
            says, peer.says = peer.says, []
            for message in says:
                self._say(one, message)

    def _say(self, one: _Receiver, message: Mapping[str, Any]) -> None:
        def come() -> None:
            if message["type"] == "signal":
                self._tell(message["to"], {**message, "from": one.peer.id})
                return
            edge = [ParticipantId(message[end]) for end in ("source", "parent")]
            self._conference.ready(
                Edge(*edge, ParticipantId(one.peer.id), StreamKind(message["kind"])), self.now
            )
            self._drain()

        self._after(self._way(one), come)

    # --- the server -------------------------------------------------------------------------

    def _drain(self) -> None:
        for event in self._conference.events():
            match event:
                case RosterChanged(roster):
                    everyone = [{"id": one.id} for one in roster.participants]
                    for one in roster.participants:
                        self._tell(one.id, {"type": "roster", "participants": everyone})
                case Attach(edge):
                    self._outcome.moves += 1
                    self._tell_edge({"type": "attach"}, edge)
                case Detach(edge):
                    self._tell_edge({"type": "detach"}, edge)
                case Standby(edge, on):
                    self._tell_edge({"type": "standby", "on": on}, edge)
        due = self._conference.next_timeout()
        if due is not None and (self._timer is None or self._timer <= self.now):
            self._timer = max(due, self.now)
            self._after(self._timer - self.now, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._conference.handle_timeout(self.now)
        self._drain()

    def _tell_edge(self, message: dict[str, Any], edge: Edge) -> None:
        for end in (edge.parent, edge.child):
            self._tell(
                end,
                message
                | {
                    "source": edge.source,
                    "kind": edge.kind,
                    "parent": edge.parent,
                    "child": edge.child,
                },
            )

    def _tell(self, to: str, message: Mapping[str, Any]) -> None:
        receiver = self._alive.get(to)
        if receiver is None:
            return

        def come() -> None:
            receiver.peer.message(message, self.now)
            self._flush(receiver)

        self._after(self._way(receiver), come)

    # --- what is seen -----------------------------------------------------------------------

    def _real_tree(self) -> Tree:
        listening = {
            name: receiver.peer.parent(0)
            for name, receiver in self._alive.items()
            if name == _SOURCE or receiver.hearing.last is not None
        }
        return real_tree(_SOURCE, listening)

    def _look(self, tree: Tree) -> None:
        self._outcome.depth = max(self._outcome.depth, deepest(tree))
        sent = (len(one.peer.passes_on(0, self.now)) for one in self._alive.values())
        self._outcome.uplinks = max(self._outcome.uplinks, *sent)

    def _look_at_the_end(self) -> None:
        fed: dict[str, int] = {}
        for receiver in self._alive.values():
            for child in receiver.peer.passes_on(0, self.now):
                fed[child] = fed.get(child, 0) + 1
        for name, receiver in self._alive.items():
            if name == _SOURCE:
                continue
            last = receiver.hearing.last
            if last is None or self.now - last > 0.2:
                self._outcome.starved.append(name)
            if fed.get(name, 0) > 1:
                self._outcome.doubled.append(name)
