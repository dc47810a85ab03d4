"""Who offers without end loses those with whom it does, and then relays for nobody."""

from contextlib import suppress

import pytest
from house import House, RecordingLeg

from gateway.conference.loops import AT_ONCE, DESCRIPTION, PER_SECOND
from gateway.errors import Reason, Refused
from gateway.ports import Attach, Edge, ParticipantId, Signal, StreamKind
from gateway.trees.policies.sparse import Sparse

OFFER = {"description": {"type": "offer", "sdp": "v=0"}, "tracks": {}}
ANSWER = {"description": {"type": "answer", "sdp": "v=0"}}
EVE = ParticipantId("web-0")


def crowd(size: int = 9) -> tuple[House, list[RecordingLeg]]:
    house = House(policy=Sparse(2))
    legs = [house.browser(f"web-{number}") for number in range(size)]
    get_ready(house, legs)
    return house, legs


def get_ready(house: House, legs: list[RecordingLeg]) -> None:
    """Everybody says ready for all that it is told, until there is nothing more."""
    said: set[Edge] = set()
    while new := attached(legs) - said:
        for edge in sorted(new, key=str):
            house.room.ready(edge)
        said |= new


def attached(legs: list[RecordingLeg]) -> set[Edge]:
    return {event.edge for leg in legs for event in leg.events if isinstance(event, Attach)}


def loop(house: House, one: RecordingLeg, other: RecordingLeg, rounds: int = 500) -> int:
    """`one` offers, `other` answers what it gets; how many offers came."""
    for _ in range(rounds):
        with suppress(Refused):
            house.room.signal(one.id, other.id, OFFER)
            house.room.signal(other.id, one.id, ANSWER)
    with pytest.raises(Refused) as refused:
        house.room.signal(one.id, other.id, OFFER)
    assert refused.value.reason is Reason.OVERLOADED
    return other.events.count(Signal(one.id, OFFER))


def pairs(house: House) -> list[set[ParticipantId]]:
    forests = house.room.conference.forests[StreamKind.AUDIO].values()
    return [{edge.parent, edge.child} for tree in forests for edge in tree.edges()]


def relays(house: House, who: ParticipantId) -> bool:
    forests = house.room.conference.forests[StreamKind.AUDIO].values()
    return any(edge.parent == who != edge.source for tree in forests for edge in tree.edges())


def hear_each_other(house: House, legs: list[RecordingLeg]) -> bool:
    ids = {leg.id for leg in legs}
    return all(house.room.conference.hears(one) >= ids - {one} for one in ids)


def test_a_loop_stops_and_streams_are_led_around_the_pair() -> None:
    house, legs = crowd()
    neighbour = next(leg for leg in legs[1:] if {EVE, leg.id} in pairs(house))
    assert loop(house, legs[0], neighbour) <= AT_ONCE / DESCRIPTION
    get_ready(house, legs)
    assert {EVE, neighbour.id} not in pairs(house)
    assert hear_each_other(house, legs)


@pytest.mark.parametrize("says_ready", [False, True])
def test_who_loops_with_several_ends_as_a_leaf_and_the_others_relay_on(says_ready: bool) -> None:
    house, legs = crowd()
    honest = [leg for leg in legs[1:] if relays(house, leg.id)]
    assert relays(house, EVE)
    for other in legs[1:5]:
        loop(house, legs[0], other)
        get_ready(house, legs if says_ready else legs[1:])
    if says_ready:
        for edge in sorted(attached(legs[:1]), key=str):
            house.room.ready(edge)  # again, also for those that are long over
    assert not relays(house, EVE)
    assert all(relays(house, leg.id) for leg in honest)
    assert hear_each_other(house, legs[1:])


def test_a_candidate_costs_less_and_who_waits_may_go_on() -> None:
    house, legs = crowd(3)
    for _ in range(int(AT_ONCE)):
        house.room.signal(EVE, legs[1].id, {"candidate": None})
    with pytest.raises(Refused):
        house.room.signal(legs[1].id, EVE, {"candidate": None})
    house.room.signal(EVE, legs[2].id, OFFER)
    house.now += DESCRIPTION / PER_SECOND
    house.room.signal(EVE, legs[1].id, OFFER)


def test_who_comes_anew_begins_anew() -> None:
    house, legs = crowd(3)
    loop(house, legs[0], legs[1])
    assert {EVE, legs[1].id} not in pairs(house)
    house.rooms.leave(legs[1].id, Reason.NORMAL, "left")
    house.browser(legs[1].id)
    assert {EVE, legs[1].id} in pairs(house)


def test_nobody_is_its_own_neighbour() -> None:
    house, _ = crowd(2)
    with pytest.raises(Refused) as refused:
        house.room.signal(EVE, EVE, OFFER)
    assert refused.value.reason is Reason.NOT_FOUND
