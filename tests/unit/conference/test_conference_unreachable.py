from gateway.conference.focus import Conference
from gateway.ports import (
    Attach,
    Edge,
    Kind,
    MediaKind,
    Participant,
    ParticipantId,
    Standby,
    StreamKind,
)
from gateway.trees.policies.sparse import Sparse

ANA, BEN, EVA = (ParticipantId(f"web-{name}") for name in ("ana", "ben", "eva"))
AUDIO = frozenset({MediaKind.AUDIO})


def conference() -> Conference:
    """Three browsers, each of which sends to the other two."""
    conference = Conference(Sparse(2), 10)
    for who in (ANA, BEN, EVA):
        conference.join(Participant(who, Kind.WEB, who, AUDIO), native=True, now=0.0)
    return conference


def edges_between(conference: Conference, one: ParticipantId, other: ParticipantId) -> int:
    trees = conference.forests[StreamKind.AUDIO].values()
    pairs = [{edge.parent, edge.child} for tree in trees for edge in tree.edges()]
    return pairs.count({one, other})


def test_who_cannot_reach_each_other_have_no_edges_until_one_has_come_anew() -> None:
    room = conference()
    assert edges_between(room, ANA, BEN) == 2
    room.unreachable(ANA, BEN, 1.0)
    assert edges_between(room, ANA, BEN) == 0
    room.leave(BEN, 2.0)
    room.join(Participant(BEN, Kind.WEB, "Ben", AUDIO), native=True, now=3.0)
    assert edges_between(room, ANA, BEN) == 2


def test_only_others_who_are_here_can_be_unreachable() -> None:
    room = conference()
    before = room.forests
    for nobody in (ANA, ParticipantId("web-gone"), ParticipantId("seat")):
        room.unreachable(ANA, nobody, 1.0)
    assert room.forests == before


def test_who_calls_everybody_unreachable_harms_only_itself() -> None:
    room = conference()
    for other in (BEN, EVA):
        room.unreachable(ANA, other, 1.0)
    assert edges_between(room, BEN, EVA) >= 2
    trees = room.forests[StreamKind.AUDIO]
    assert all(set(tree.parent_of) == {ANA, BEN, EVA} - {tree.root} for tree in trees.values())


def test_nobody_stands_by_for_one_that_it_cannot_reach() -> None:
    room, standing = Conference(Sparse(2), 20), set[Edge]()

    def settle() -> None:
        while events := room.events():
            for event in events:
                if isinstance(event, Attach):
                    room.ready(event.edge, 0.0)
                elif isinstance(event, Standby):
                    (standing.add if event.on else standing.discard)(event.edge)

    for number in range(12):
        who = ParticipantId(f"web-{number:02}")
        room.join(Participant(who, Kind.WEB, who, AUDIO), native=True, now=0.0)
        settle()
    assert standing
    one = sorted(standing, key=str)[0]
    room.unreachable(one.parent, one.child, 1.0)
    settle()
    assert not any({edge.parent, edge.child} == {one.parent, one.child} for edge in standing)
