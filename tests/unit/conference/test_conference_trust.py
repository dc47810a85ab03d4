"""A parent whose children go short becomes a leaf, and nobody else does."""

from gateway.conference.report import Receiving
from gateway.conference.trust import FIRST_BAN, Trust
from gateway.ports import ParticipantId, StreamKind

LIAR = ParticipantId("liar")


class Told:
    """Children that report, every two seconds."""

    def __init__(self) -> None:
        self.trust = Trust()
        self.now = 0.0
        self.stalls: dict[tuple[str, str, str], int] = {}

    def reports(self, edges: dict[str, dict[str, str]], *, bad: set[tuple[str, str]]) -> None:
        """By child, which parent sends which source; `bad`: parents with children they fail."""
        self.now += 2.0
        for child, parents in edges.items():
            told = []
            for source, parent in parents.items():
                key = (child, source, parent)
                self.stalls[key] = self.stalls.get(key, 0) + ((parent, child) in bad)
                told.append(receiving(source, parent, stalls=self.stalls[key]))
            self.trust.receive(ParticipantId(child), told, self.now)


def receiving(source: str, parent: str, *, loss: float = 0.0, stalls: int = 0) -> Receiving:
    who, above = ParticipantId(source), ParticipantId(parent)
    return Receiving(who, StreamKind.AUDIO, above, 40_000, loss, stalls, 400.0 * stalls)


CHILDREN = {
    "a": {"x": "liar", "y": "y"},
    "b": {"x": "liar", "y": "y"},
    "c": {"x": "x", "y": "y"},
}
FAILED = {("liar", "a"), ("liar", "b")}


def test_two_children_that_go_short_again_and_again_are_believed() -> None:
    told = Told()
    for _ in range(3):
        assert not told.trust.distrusts(LIAR)
        told.reports(CHILDREN, bad=FAILED)
    told.reports(CHILDREN, bad=FAILED)
    assert told.trust.distrusts(LIAR)
    assert not any(told.trust.distrusts(ParticipantId(other)) for other in "abcxy")


def test_loss_counts_as_standing_still_does() -> None:
    trust = Trust()
    for second in range(3):
        for child in "ab":
            told = [receiving("x", "liar", loss=0.3), receiving("y", "y")]
            trust.receive(ParticipantId(child), told, float(second))
    assert trust.distrusts(LIAR)


def test_one_child_alone_is_not_believed_however_often_it_complains() -> None:
    told = Told()
    for _ in range(50):
        told.reports(CHILDREN, bad={("liar", "a")})
    assert not told.trust.distrusts(LIAR)


def test_two_of_five_children_are_not_believed() -> None:
    told = Told()
    five = {name: {"x": "liar", "y": "y"} for name in "abcde"}
    for _ in range(50):
        told.reports(five, bad=FAILED)
    assert not told.trust.distrusts(LIAR)


def test_a_stall_now_and_then_is_nobodys_fault() -> None:
    told = Told()
    for number in range(60):
        told.reports(CHILDREN, bad=FAILED if number % 3 == 0 else set())
    assert not told.trust.distrusts(LIAR)


def test_a_child_whose_own_network_is_bad_blames_nobody() -> None:
    told = Told()
    everybody = {(parent, child) for parent in ("liar", "x", "y") for child in "abc"}
    for _ in range(50):
        told.reports(CHILDREN, bad=everybody)
    assert not any(told.trust.distrusts(ParticipantId(one)) for one in ("liar", "x", "y"))


def test_the_fault_is_looked_for_where_it_begins() -> None:
    """`top` fails `liar` and `c`; `liar` can pass on no more than it gets."""
    told = Told()
    edges = {
        "liar": {"x": "top", "y": "y"},
        "a": {"x": "liar", "y": "y"},
        "b": {"x": "liar", "y": "y"},
        "c": {"x": "top", "y": "y"},
    }
    for _ in range(5):
        told.reports(edges, bad={("top", "liar"), ("top", "c"), *FAILED})
    assert told.trust.distrusts(ParticipantId("top"))
    assert not told.trust.distrusts(LIAR)


def test_who_gets_everything_badly_is_no_relay_either() -> None:
    """Its claim that all its parents fail it does not excuse it before its children."""
    told = Told()
    edges = {"liar": {"x": "x", "y": "y"}, **CHILDREN}
    for _ in range(5):
        told.reports(edges, bad={("x", "liar"), ("y", "liar"), *FAILED})
    assert told.trust.distrusts(LIAR)


def test_a_ban_ends_and_the_next_one_is_twice_as_long() -> None:
    told = Told()
    for _ in range(4):
        told.reports(CHILDREN, bad=FAILED)
    first = told.trust.next_timeout()
    assert first is not None
    assert first - told.now <= FIRST_BAN
    told.trust.handle_timeout(first)
    assert not told.trust.distrusts(LIAR)
    assert told.trust.next_timeout() is None
    told.now = first
    for _ in range(4):
        told.reports(CHILDREN, bad=FAILED)
    second = told.trust.next_timeout()
    assert second is not None
    assert second - first > 1.9 * FIRST_BAN


def test_who_has_left_is_forgotten() -> None:
    told = Told()
    for _ in range(4):
        told.reports(CHILDREN, bad=FAILED)
    told.trust.forget(LIAR)
    assert not told.trust.distrusts(LIAR)
    assert told.trust.next_timeout() is None
