"""Recordings: who may have one when, and that everybody sees or hears of it."""

import pytest
from house import ROOM, House

from gateway.conference.room import RECORDINGS_APART
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Edge,
    ParticipantId,
    RecordingStarted,
    RecordingStopped,
)


@pytest.fixture
def house() -> House:
    return House()


async def test_a_recording_is_shown_to_all_and_the_seat_hears_browsers_for_it(house: House) -> None:
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.record(ana.id, True)
    assert house.plane.recordings == ["start demo"]
    assert ana.sees_recording()
    assert ben.sees_recording()
    assert Attach(Edge(ben.id, ben.id, SEAT)) in house.plane.edges
    house.room.record(ben.id, True)
    assert house.plane.recordings == ["start demo"], "it is recorded already"
    body = {"connection": "k", "description": {"type": "offer", "sdp": "x"}}
    assert await house.room.seat_signal(ana.id, body) is not None

    house.room.record(ben.id, False)
    assert house.plane.recordings == ["start demo", "stop demo"]
    assert not ana.sees_recording()
    assert house.plane.dropped == ["ana", "ben"]
    with pytest.raises(Refused):
        await house.room.seat_signal(ana.id, body)


async def test_where_recording_is_off_nobody_may(house: House) -> None:
    house = House(recording=False)
    ana = house.browser("ana")
    with pytest.raises(Refused) as refusal:
        house.room.record(ana.id, True)
    assert refusal.value.reason is Reason.FORBIDDEN
    assert house.plane.recordings == []
    assert not ana.sees_recording()


async def test_a_recording_ends_with_its_room_and_the_next_is_not_recorded(house: House) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    house.rooms.leave(ParticipantId("ana"), Reason.NORMAL, "left")
    assert house.plane.recordings == ["start demo", "stop demo"]
    house.rooms.on_media_event(RecordingStopped(ROOM, "x.opus"))
    assert not house.browser("ben").sees_recording()


async def test_a_recording_that_fails_is_not_shown_any_more_and_phones_hear_it(
    house: House,
) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    house.room.record(ana.id, True)
    house.rooms.on_media_event(RecordingStarted(ROOM, "x.opus"))
    assert phone.sees_recording()
    house.rooms.on_media_event(RecordingStopped(ROOM, "x.opus", "the disk is full"))
    assert not ana.sees_recording()
    assert house.plane.said == [(None, "recording-started"), (None, "recording-stopped")]
    assert house.plane.dropped == [], "the seat is still needed by the phone"


async def test_who_stopped_one_recording_keeps_the_next(house: House) -> None:
    ana = house.browser("ana")
    for on in (True, False, True):
        house.room.record(ana.id, on)
        house.now += RECORDINGS_APART
    house.rooms.on_media_event(RecordingStopped(ROOM, "first.opus"))
    assert ana.sees_recording()


async def test_recordings_do_not_follow_each_other_at_once_but_can_be_stopped_at_once(
    house: House,
) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    house.room.record(ana.id, False)
    with pytest.raises(Refused, match="only just ended") as refusal:
        house.room.record(ana.id, True)
    assert refusal.value.reason is Reason.OVERLOADED
    assert not ana.sees_recording()
    house.now += RECORDINGS_APART
    house.room.record(ana.id, True)
    assert ana.sees_recording()


async def test_who_confirms_in_a_recorded_room_hears_of_it(house: House) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    phone = await house.phone("phone")
    assert (phone.id, "recording-started") in house.plane.said
