from gateway.conference.injection import Injection, Injector
from gateway.ports import Fault, FaultKind, ParticipantId, StreamKind
from gateway.trees.failures import Distribution
from gateway.trees.topology import Tree

NODES = [ParticipantId(f"web-{number}") for number in range(9)]
FOREST = {
    NODES[0]: Tree(
        NODES[0],
        NODES[0],
        {node: NODES[number // 2] for number, node in enumerate(NODES[1:])},
    )
}
FORESTS = {StreamKind.AUDIO: FOREST}


def injector(what: FaultKind = FaultKind.FREEZE, **more: object) -> Injector:
    order = {"rate": 2.0, "seconds": 3.0, "seed": 5, **more}
    fault = Fault(what, 1.0)
    return Injector(Injection(fault, Distribution.UNIFORM, **order), 10.0)  # type: ignore[arg-type]


def run(injector: Injector, mortal: list[ParticipantId] = NODES) -> list[tuple[float, str]]:
    """Who is struck when, asking whenever it wants to be asked."""
    struck: list[tuple[float, str]] = []
    now = 10.0
    while not injector.has_ended(now):
        now = injector.next_timeout()
        struck += [(now, who) for who in injector.victims(FORESTS, mortal, now)]
    return struck


def test_strikes_at_its_rate_until_its_time_is_over() -> None:
    times = [now for now, _ in run(injector())]
    assert times == [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]


def test_strikes_as_often_whatever_the_clock_says() -> None:
    for begins in (0.1 * tenths for tenths in range(1, 2000, 7)):
        fifth = Injector(
            Injection(Fault(FaultKind.FREEZE, 1.0), Distribution.BETA, 5, 1, 5), begins
        )
        assert len(fifth.victims(FORESTS, NODES, begins + 2.0)) == 5


def test_the_same_seed_strikes_the_same() -> None:
    assert run(injector()) == run(injector())
    assert run(injector(seconds=20.0)) != run(injector(seconds=20.0, seed=6))


def test_the_source_and_who_is_no_browser_are_spared() -> None:
    struck = {who for _, who in run(injector(seconds=60.0), NODES[:4])}
    assert struck == {*NODES[1:4]}


def test_after_a_pause_what_is_due_comes_at_once_and_nobody_is_killed_twice() -> None:
    late = injector(FaultKind.KILL, seconds=30.0)
    struck = late.victims(FORESTS, NODES, 25.0)
    assert sorted(struck) == sorted(NODES[1:])
    assert late.describe()["struck"] == 8


def test_a_source_without_a_tree_is_nobodys_fault() -> None:
    assert run(injector(source=NODES[3])) == []
    assert run(injector(kind=StreamKind.HIGH)) == []
