"""What a conference makes of its participants' reports, and how it comes to rest."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_conference_wiring import ALL, AUDIO, POLICIES, World

from gateway.conference.conditions import BELIEVED, Conditions
from gateway.conference.health import (
    GONE_AFTER,
    LIMITED_AFTER,
    MOST_RETURNS,
    OFFLINE_AFTER,
    STRAINED_AFTER,
)
from gateway.conference.report import ANY_DEVICE, Device, Pressure, Receiving, Report
from gateway.conference.settling import MOVES, QUIET
from gateway.ports import Edge, Kind, Participant, ParticipantId, StreamKind
from gateway.trees.planner import Membership, Node, TreePolicy
from gateway.trees.policies.sparse import Sparse
from gateway.trees.topology import Forest, neighbours, uplinks

FINE = Report(cpu=Pressure.NOMINAL)
HOT = Report(cpu=Pressure.CRITICAL)


class Reported(World):
    """A world whose browsers report, and whose clock goes."""

    def reports(self, name: str, report: Report = FINE) -> None:
        self.conference.report(ParticipantId(name), report, self.now)
        self.drain()

    def passes(self, seconds: float, silent: Collection[str] = ()) -> None:
        """Everybody but the `silent` reports once a second; all that is attached gets ready."""
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            for name in sorted(self.native.difference(silent)):
                self.reports(name)
            self.rings()
            while ready := [edge for edge in self.unready if edge.child not in silent]:
                self.say_ready(ready[0])

    def rings(self) -> None:
        """The timer, if it is time."""
        deadline = self.conference.next_timeout()
        if deadline is not None and deadline <= self.now:
            self.conference.handle_timeout(self.now)
            self.drain()

    def relays(self, name: str) -> bool:
        """Whether trees of others go through it by the plan."""
        return any(e.parent == name != e.source for e in self.planned())

    def online(self, name: str) -> bool:
        return next(p.online for p in self.conference.roster.participants if p.id == name)


def room(names: str, policy: TreePolicy = POLICIES[1]) -> Reported:
    world = Reported(policy)
    for name in names:
        world.join(name, Kind.WEB)
        world.settle()
        world.reports(name)
    return world


def test_who_falls_silent_is_a_leaf_and_shown_so_until_it_reports_again() -> None:
    world = room("abcdefgh")
    assert world.relays("c")
    world.passes(2.0, silent={"c"})
    assert world.online("c")
    world.passes(OFFLINE_AFTER - 2.0, silent={"c"})
    assert not world.online("c")
    world.passes(GONE_AFTER - OFFLINE_AFTER, silent={"c"})
    assert not world.relays("c")
    world.passes(30.0, silent={"c"})
    assert {e.child for e in world.planned() if e.source == "c"} == set("abdefgh")
    assert {e.source for e in world.planned() if e.child == "c"} == set("abdefgh")
    world.reports("c")
    assert world.online("c")
    world.passes(1.0)
    for name in "efgh":
        world.leave(name)
    for name in "ijklm":
        world.join(name, Kind.WEB)
        world.settle()
    # Its silence was no fault of its own: it may relay again.
    assert world.relays("c")
    assert world.edges == world.planned()


def test_without_reports_nobody_is_offline_and_nothing_waits() -> None:
    world = Reported(POLICIES[1])
    for name in "ab":
        world.join(name, Kind.WEB)
        world.settle()
    world.now = QUIET
    world.rings()
    assert world.conference.next_timeout() is None
    assert world.online("a")


def test_most_reports_change_nothing_at_all() -> None:
    world = room("abcdefgh")
    version, forests = world.conference.roster.version, world.conference.forests
    for _ in range(2):
        for name in "abcdefgh":
            assert not world.conference.report(ParticipantId(name), FINE, world.now)
    assert world.conference.roster.version == version
    assert world.conference.forests == forests
    assert world.conference.events() == []


@pytest.mark.parametrize(
    "report", [HOT, Report(battery=0.1), Report(uplink=30_000)], ids=["hot", "low battery", "slow"]
)
def test_the_weak_relay_nothing(report: Report) -> None:
    world = room("abcdefgh")
    assert world.relays("c")
    world.reports("c", report)
    world.now += STRAINED_AFTER
    world.reports("c", report)
    world.settle()
    assert not world.relays("c")
    assert world.edges == world.planned()


def test_where_most_are_strained_all_go_on_relaying() -> None:
    world = room("abcdefgh")
    for _ in range(2):
        for name in "abcdef":
            world.reports(name, HOT)
        world.now += STRAINED_AFTER
    for name in "abcdef":
        world.reports(name, HOT)
    world.settle()
    assert any(world.relays(name) for name in "abcdef")


@pytest.mark.parametrize("device", [Device(mobile=True), Device(relays=False)], ids=str)
def test_who_joins_as_a_leaf_is_one(device: Device) -> None:
    world = room("abdefgh")
    phone = Participant(ParticipantId("c"), Kind.WEB, "c", AUDIO)
    world.native.add(phone.id)
    world.conference.join(phone, native=True, now=world.now, device=device)
    world.drain()
    world.settle()
    world.reports("c")
    assert not world.relays("c")
    assert world.edges == world.planned()


def test_an_uplink_counts_in_streams_and_for_no_more_than_is_believable() -> None:
    conditions, node = Conditions(), Node(ParticipantId("a"))
    shares = {StreamKind.AUDIO: 9, StreamKind.HIGH: 9}
    for now in (0.0, LIMITED_AFTER):
        conditions.receive(node.id, Report(uplink=360_000 + 5 * 1_200_000), now)
    assert conditions.node(node, StreamKind.AUDIO, shares).capacity == BELIEVED * 9
    assert conditions.node(node, StreamKind.HIGH, shares).capacity == 5
    for now in (1.0 + LIMITED_AFTER, 1.0 + 2 * LIMITED_AFTER):
        conditions.receive(node.id, Report(uplink=10e9), now)
    assert conditions.node(node, StreamKind.HIGH, shares).capacity == BELIEVED * 9


def test_round_trips_are_the_longer_of_two_claims() -> None:
    a, b = ParticipantId("a"), ParticipantId("b")
    conditions = Conditions()
    for who in (a, b):
        conditions.join(who, ANY_DEVICE)
    conditions.receive(a, Report(round_trips={b: 16.0, ParticipantId("nobody"): 1.0}), 0.0)
    conditions.receive(b, Report(round_trips={a: 63.0}), 0.0)
    assert conditions.round_trips() == {frozenset({a, b}): 64.0}
    conditions.forget(b)
    assert conditions.round_trips() == {frozenset({a, b}): 16.0}


def test_a_liar_about_its_uplink_ends_as_a_leaf_and_nobody_else_does() -> None:
    """It takes what it is given and passes nothing on: its children stand still."""
    world = room("abcdefgh")
    liar = ParticipantId("c")
    world.reports("c", Report(uplink=10e9))
    assert world.relays("c")
    stalls: Counter[Edge] = Counter()
    for _ in range(4):
        world.now += 2.0
        for name in "abdefgh":
            told = []
            for edge in sorted(world.planned(), key=str):
                if edge.child == name:
                    stalls[edge] += edge.parent == liar != edge.source
                    told.append(
                        Receiving(
                            edge.source, edge.kind, edge.parent, 4e4, 0.0, stalls[edge], 900.0
                        )
                    )
            world.reports(name, Report(receives=tuple(told)))
        world.reports("c", Report(uplink=10e9))
        world.settle()
    assert not world.relays("c")
    assert all(world.relays(name) for name in "abdefgh")
    assert world.edges == world.planned()


def test_two_liars_cannot_make_leaves_of_those_whom_they_have_no_edges_with() -> None:
    world = room("abcdefgh", Sparse(2, direct=0))
    liars, honest = "ab", "cdefgh"
    near = neighbours(world.conference.forests[StreamKind.AUDIO])
    relays = [n for n in honest if world.relays(n) and not near[ParticipantId(n)] & {*liars}]
    assert relays, "somebody relays, and for neither of the two"
    for stalls in range(10):
        world.now += 2.0
        for liar in liars:
            told = [
                Receiving(
                    ParticipantId(s), StreamKind.AUDIO, ParticipantId(p), 0.0, 1.0, stalls, 1e3
                )
                for s in "cdefgh"
                for p in relays
            ]
            world.reports(liar, Report(receives=tuple(told)))
        for name in honest:
            world.reports(name)
        world.settle()
    assert all(world.relays(name) for name in relays)


reports = st.builds(
    Report,
    uplink=st.none() | st.floats(0, 1e8),
    limited=st.booleans(),
    cpu=st.none() | st.sampled_from(Pressure),
    battery=st.none() | st.floats(0, 1),
)
actions = st.lists(
    st.tuples(
        st.sampled_from(["web", "web", "leave", "report", "report", "wait", "silence"]),
        st.integers(0, 99),
        reports,
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(actions, st.sampled_from(POLICIES))
def test_whatever_is_reported_everybody_hears_everybody(
    script: list[tuple[str, int, Report]], policy: TreePolicy
) -> None:
    world, inside = Reported(policy), list[str]()
    for number, (action, choice, report) in enumerate(script):
        if action == "web" and len(inside) < 12:
            inside.append(f"web-{number}")
            world.join(inside[-1], Kind.WEB, ALL if choice % 2 else AUDIO)
        elif action == "leave" and inside:
            world.leave(inside.pop(choice % len(inside)))
        elif action == "report" and inside:
            world.reports(inside[choice % len(inside)], report)
        elif action == "wait":
            world.passes(choice % 15)
        elif action == "silence" and inside:
            world.passes(choice % 15, silent={inside[choice % len(inside)]})
    silent = {name for name in inside if not world.online(name)}
    world.passes(GONE_AFTER * (1 << MOST_RETURNS), silent)
    world.settle()
    assert world.edges == world.received == world.planned()
    assert not any(world.relays(name) for name in silent)
    for name in inside:
        others = frozenset(ParticipantId(other) for other in inside) - {name}
        assert world.conference.hears(ParticipantId(name)) == others


def test_a_room_comes_to_rest_step_by_step_and_then_needs_no_timer() -> None:
    names = [f"web-{n:02}" for n in range(10)]
    world = Reported(Sparse(2))
    for name in names:
        world.join(name, Kind.WEB)
        world.settle()
    for number in range(20):
        world.leave(names.pop(number * 7 % len(names)))
        names.append(f"new-{number:02}")
        world.join(names[-1], Kind.WEB)
        world.settle()
    for name in names:
        world.view(name, {})
    steps = 0
    while (deadline := world.conference.next_timeout()) is not None:
        assert deadline == world.now + QUIET
        world.now = deadline
        before = world.planned()
        world.rings()
        assert len(world.planned() - before) <= MOVES
        world.settle()
        steps += 1
        assert steps < 20
    forest = world.conference.forests[StreamKind.AUDIO]
    assert max(len(near) for near in neighbours(forest).values()) <= 5
    assert max(uplinks(forest).values()) <= 9


@dataclass
class Patient:
    """`Sparse`, counting how often it was asked for better trees."""

    asked: int = 0

    def plan(self, members: Membership, current: Forest) -> Forest:
        return Sparse(2).plan(members, current)

    def rebalance(self, members: Membership, current: Forest, moves: int) -> Forest:
        self.asked += 1
        return Sparse(2).rebalance(members, current, moves)


def test_nothing_is_rebalanced_while_something_changes() -> None:
    policy = Patient()
    world = room("abcdefghij", policy)
    for number in range(8):
        world.passes(QUIET - 1)
        world.leave(sorted(world.native)[0])
        world.join(f"k{number}", Kind.WEB)
        world.settle()
    assert policy.asked == 0
    world.passes(3 * QUIET)
    assert policy.asked > 0
