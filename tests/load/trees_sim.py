"""A conference of any size without browsers: the real planner, made-up peers, churn from a seed."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.ports import SEAT, ParticipantId
from gateway.trees.planner import Membership, Node, Stream, TreePolicy
from gateway.trees.topology import Forest, Tree, edges, neighbours, uplinks


@dataclass(frozen=True)
class Scenario:
    peers: int
    publishers: int
    """Those who came first, among those who are there; the others listen."""
    events: int
    """Leaves and joins in turn, after the room has filled one by one."""
    phones: int = 0
    mobile: float = 0.0
    """This part of the peers relays nothing."""
    fanout: int = 2
    seed: int = 1
    rebalance: int = 10
    """Moves in each step of rebalancing; steps until nothing is to be gained."""


@dataclass
class Outcome:
    """What was seen after the room had filled; all of it after settling, but where it says else."""

    uplinks_vs_mesh: float = 0.0
    """The busiest peer's, right after planning or after settling, whichever is more."""
    neighbours_mean: float = 0.0
    neighbours_max: int = 0
    neighbours_unsettled: int = 0
    depth_excess: int = 0
    """Over the depth of the shallowest tree of that fanout; also right after planning."""
    moves: dict[str, list[int]] = field(default_factory=lambda: {"join": [], "leave": []})
    """By event: new edges beyond those that cannot be avoided, without rebalancing."""
    settling: list[int] = field(default_factory=list)
    """Edges moved by rebalancing after each event."""
    plan_ms: list[float] = field(default_factory=list)
    """Processor time of each plan."""


class Simulation:
    """One room; `run` tells how it went."""

    def __init__(self, policy: TreePolicy, scenario: Scenario) -> None:
        self._policy = policy
        self._scenario = scenario
        self._random = random.Random(scenario.seed)
        self._names = (f"web-{number:06}" for number in range(10**6))
        self._nodes: list[Node] = []
        self._where: dict[ParticipantId, tuple[float, float]] = {}
        self._forest: Forest = {}

    def run(self) -> Outcome:
        scenario, outcome = self._scenario, Outcome()
        for _ in range(scenario.peers):
            self._join()
            self._forest = self._policy.plan(self._members(), self._forest)
        self._settle()
        for event in range(scenario.events):
            self._happens(("leave", "join")[event % 2], outcome)
        if not scenario.events:
            self._look(outcome)
        return outcome

    def fresh(self) -> Outcome:
        """The whole room planned at once, from nothing."""
        outcome = Outcome()
        for _ in range(self._scenario.peers):
            self._join()
        self._plan(outcome)
        self._look(outcome)
        return outcome

    def _happens(self, event: str, outcome: Outcome) -> None:
        before, who = self._forest, self._join() if event == "join" else self._leave()
        self._plan(outcome)
        self._look(outcome, settled=False)
        new = edges(self._forest) - edges(before)
        outcome.moves[event].append(len(new) - self._unavoidable(event, who, before))
        outcome.settling.append(self._settle())
        self._look(outcome)

    def _unavoidable(self, event: str, who: ParticipantId, before: Forest) -> int:
        if event == "join":
            return sum(who in (e.source, e.child) for e in edges(self._forest))
        begun = self._forest.keys() - before.keys()  # Somebody publishes in the leaver's place.
        orphans = sum(e.parent == who != e.source for e in edges(before))
        return orphans + sum(len(self._forest[source].parent_of) for source in begun)

    def _join(self) -> ParticipantId:
        who = ParticipantId(next(self._names))
        mobile = self._random.random() < self._scenario.mobile
        self._nodes.append(Node(who, mobile=mobile))
        self._where[who] = (self._random.uniform(0, 100), self._random.uniform(0, 100))
        return who

    def _leave(self) -> ParticipantId:
        return self._nodes.pop(self._random.randrange(len(self._nodes))).id

    def _members(self) -> Membership:
        scenario = self._scenario
        streams = [Stream(node.id, node.id) for node in self._nodes[: scenario.publishers]]
        streams += [Stream(ParticipantId(f"sip-{n}"), SEAT) for n in range(scenario.phones)]
        seat = (Node(SEAT, relays=False),) if scenario.phones else ()
        return Membership((*self._nodes, *seat), tuple(streams), self._round_trips())

    def _round_trips(self) -> dict[frozenset[ParticipantId], float]:
        """Measured between neighbours only, as in life: milliseconds on a plane."""
        found = {}
        for edge in edges(self._forest):
            if SEAT not in (edge.parent, edge.child):
                (x, y), (u, v) = self._where[edge.parent], self._where[edge.child]
                far = ((x - u) ** 2 + (y - v) ** 2) ** 0.5
                found[frozenset({edge.parent, edge.child})] = 10 + far
        return found

    def _plan(self, outcome: Outcome) -> None:
        members = self._members()
        start = time.process_time()
        self._forest = self._policy.plan(members, self._forest)
        outcome.plan_ms.append(1000 * (time.process_time() - start))

    def _settle(self) -> int:
        """How many edges it took."""
        members, moved = self._members(), 0
        while True:
            better = self._policy.rebalance(members, self._forest, self._scenario.rebalance)
            step = len(edges(better) - edges(self._forest))
            if not step:
                return moved
            moved += step
            self._forest = better

    def _look(self, outcome: Outcome, *, settled: bool = True) -> None:
        peers = [node.id for node in self._nodes]
        sent, near = uplinks(self._forest), neighbours(self._forest)
        ratio = max(sent[peer] for peer in peers) / self._members().mesh_uplinks
        outcome.uplinks_vs_mesh = max(outcome.uplinks_vs_mesh, ratio)
        counts = [len(near.get(peer, set()) - {SEAT}) for peer in peers]
        most = max(counts)
        outcome.neighbours_unsettled = max(outcome.neighbours_unsettled, most)
        if settled:
            outcome.neighbours_max = max(outcome.neighbours_max, most)
            outcome.neighbours_mean = sum(counts) / len(counts)
        best = least_depth(len(peers), self._scenario.fanout)
        deep = max(depth for tree in self._forest.values() for depth in depths(tree))
        outcome.depth_excess = max(outcome.depth_excess, deep - best)


def depths(tree: Tree) -> Iterator[int]:
    """Of all nodes but the seat."""
    known = {tree.root: 0}
    for node in tree.parent_of:
        path = []
        above = node
        while above not in known:
            path.append(above)
            above = tree.parent_of[above]
        for step, below in enumerate(reversed(path), known[above] + 1):
            known[below] = step
        if node != SEAT:
            yield known[node]


def least_depth(nodes: int, fanout: int) -> int:
    """Of a tree over so many nodes, the root among them."""
    depth, room = 0, 1
    while room < nodes:
        depth += 1
        room += fanout**depth
    return depth
