"""Rooms carry out what a conference decides: legs, edges, signals and timers together."""

import pytest
from house import BOTH, ROOM, House, RecordingLeg

from gateway.address import Address
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Edge,
    LegFailed,
    Measured,
    ParticipantId,
    QualityTold,
    RoomName,
    RosterChanged,
    SeatReceiving,
    Signal,
)
from gateway.trees.policies.breadth_first import BreadthFirst
from support.measured import MEASURED


@pytest.fixture
def house() -> House:
    return House()


async def test_an_edge_is_told_to_both_of_its_ends_and_to_nobody_else(house: House) -> None:
    legs = [house.browser(name) for name in "abc"]
    for leg in legs:
        for event in leg.events:
            if isinstance(event, Attach):
                assert leg.id in (event.edge.parent, event.edge.child)
    told = [e.edge for leg in legs for e in leg.events if isinstance(e, Attach)]
    assert all(told.count(edge) == 2 for edge in told)


async def test_the_roster_comes_before_any_edge(house: House) -> None:
    house.browser("a")
    assert isinstance(house.browser("b").events[0], RosterChanged)


async def test_a_full_room_is_busy_for_everyone() -> None:
    house = House(max_participants=2)
    house.browser("a")
    await house.phone("b")
    with pytest.raises(Refused) as refusal:
        await house.phone("c")
    assert refusal.value.reason is Reason.BUSY
    with pytest.raises(Refused, match="full"):
        house.browser("d")
    assert house.plane.open == {"b"}


async def test_failed_media_ends_the_leg_and_the_others_stay(house: House) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    house.rooms.on_media_event(LegFailed(phone.id, Reason.CONNECTIVITY, "RTP stopped"))
    assert phone.ended == [Reason.CONNECTIVITY]
    assert ana.ended == []
    assert ana.names() == ["ana"]
    house.rooms.leave(phone.id, Reason.NORMAL, "too late")  # ignored


async def test_a_signal_reaches_a_neighbour_unread(house: House) -> None:
    a, b = house.browser("a"), house.browser("b")
    house.room.signal(a.id, b.id, {"anything": 1})
    assert b.events[-1] == Signal(a.id, {"anything": 1})


async def test_a_signal_to_somebody_in_another_room_is_refused(house: House) -> None:
    a = house.browser("a")
    stranger = RecordingLeg(ParticipantId("stranger"))
    house.rooms.enter(RoomName("other"), stranger, BOTH)
    with pytest.raises(Refused) as refusal:
        house.room.signal(a.id, stranger.id, {})
    assert refusal.value.reason is Reason.NOT_FOUND


async def test_another_way_is_tried_by_the_timer_for_one_that_never_gets_ready(
    house: House,
) -> None:
    legs = [house.browser(name) for name in "abcdefg"]
    attached, last = set[Edge](), None
    while attached != last:
        last = set(attached)
        attached = {e.edge for leg in legs for e in leg.events if isinstance(e, Attach)}
        for edge in sorted(attached - last, key=str):
            if edge.child != "b":
                house.room.ready(edge)
    timer = next(timer for timer in house.timers if not timer.cancelled)
    house.now = timer.deadline
    timer.callback()
    after = {e.edge for leg in legs for e in leg.events if isinstance(e, Attach)}
    assert after - attached


async def test_browsers_are_told_how_phones_come_through_and_phones_are_not(house: House) -> None:
    ana, phone = house.browser("ana"), await house.phone("phone")
    gone = ParticipantId("sip-gone")
    house.rooms.on_media_event(Measured(ROOM, {phone.id: MEASURED, gone: MEASURED}))
    assert ana.events[-1] == QualityTold({phone.id: MEASURED})
    assert QualityTold not in map(type, phone.events)
    described = house.rooms.describe()[ROOM]
    assert isinstance(described, dict)
    assert described["media"]["phone"]["quality"] == "good"
    assert described["media"]["phone"]["lost"] == 3
    events = len(ana.events)
    house.rooms.on_media_event(Measured(ROOM, {gone: MEASURED}))
    house.rooms.on_media_event(Measured(RoomName("closed"), {phone.id: MEASURED}))
    assert len(ana.events) == events


def test_a_call_reaches_a_declared_or_an_open_room_and_no_other(house: House) -> None:
    caller = Address("sip", "bob", "192.0.2.9")
    assert house.rooms.route(Address("sip", "demo", "host"), caller) == "demo"
    with pytest.raises(Refused) as refusal:
        house.rooms.route(Address("sip", "standup", "host"), caller)
    assert refusal.value.reason is Reason.NOT_FOUND
    house.rooms.enter(RoomName("standup"), RecordingLeg(ParticipantId("ana")), BOTH)
    assert house.rooms.route(Address("sip", "standup", "host"), caller) == "standup"


async def test_who_only_stayed_for_the_last_one_goes_with_it_and_the_room_is_closed() -> None:
    house = House(policy=BreadthFirst(1))
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.record(ana.id, True)
    to_ana = Edge(ben.id, ben.id, ana.id)
    assert Attach(to_ana) in ana.events
    house.room.ready(to_ana)
    to_seat = Edge(ben.id, ana.id, SEAT)
    assert Attach(to_seat) in house.plane.edges
    house.rooms.on_media_event(SeatReceiving(ROOM, to_seat))
    house.room.withdraw(ana.id)
    assert not ana.ended
    house.rooms.leave(ben.id, Reason.NORMAL, "left")
    assert ana.ended == [Reason.NORMAL]
    assert not any(house.rooms.inventory().values())
