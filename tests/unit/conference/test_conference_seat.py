"""The seat of a room: it is there while somebody needs it, answers browsers, and says prompts."""

from collections.abc import Mapping

import pytest
from house import ROOM, House

from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Edge,
    ParticipantId,
    SeatReceiving,
)


@pytest.fixture
def house() -> House:
    return House()


async def test_when_the_last_phone_leaves_the_seat_goes_too(house: House) -> None:
    house.browser("a")
    phone = await house.phone("phone")
    house.rooms.leave(phone.id, Reason.NORMAL, "BYE")
    assert house.plane.open == set()
    assert house.plane.dropped == ["a"]


async def test_the_seat_answers_an_offer(house: House) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    body = {
        "connection": "k1",
        "description": {"type": "offer", "sdp": "x"},
        "tracks": {"0": {"source": "phone", "kind": "audio"}},
    }
    reply = await house.room.seat_signal(ana.id, body)
    answer = {"type": "answer", "sdp": "seat's answer to x with ['0']"}
    assert reply == {"connection": "k1", "description": answer}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"connection": ""},
        {"connection": "k", "description": {"type": "answer", "sdp": "x"}},
        {"connection": "k", "description": {"type": "offer"}},
        {"connection": "k", "description": []},
        {"connection": "k", "candidate": {"candidate": 1}},
        {"connection": "k", "tracks": {"0": {"source": "phone", "kind": "smell"}}},
        {"connection": "k", "tracks": {"0": "phone"}},
    ],
)
async def test_a_malformed_message_to_the_seat_is_refused(
    house: House, body: Mapping[str, object]
) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    with pytest.raises(Refused) as refusal:
        await house.room.seat_signal(ana.id, body)
    assert refusal.value.reason is Reason.BAD_REQUEST


async def test_an_answer_for_a_browser_that_left_meanwhile_is_taken_back(house: House) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    house.plane.meanwhile = lambda: house.rooms.leave(ana.id, Reason.NORMAL, "left")
    body = {"connection": "k", "description": {"type": "offer", "sdp": "x"}}
    assert await house.room.seat_signal(ana.id, body) is None
    assert house.plane.dropped.count(ana.id) == 2


async def test_without_a_phone_there_is_no_seat_to_talk_to(house: House) -> None:
    ana = house.browser("ana")
    with pytest.raises(Refused) as refusal:
        await house.room.seat_signal(ana.id, {"connection": "k"})
    assert refusal.value.reason is Reason.NOT_FOUND


async def test_the_seat_that_receives_ends_the_old_edge(house: House) -> None:
    for name in "ab":
        house.browser(name)
    await house.phone("phone")
    a = ParticipantId("a")
    house.rooms.on_media_event(SeatReceiving(ROOM, Edge(a, a, SEAT)))
    described = house.rooms.describe()[ROOM]
    assert isinstance(described, dict)
    phone = next(p for p in described["participants"] if p["id"] == "phone")
    assert phone["hears"] == ["a"]


async def test_a_phone_alone_is_told_so_by_the_timer_until_somebody_comes(house: House) -> None:
    phone = await house.phone("phone")
    assert house.plane.said == []
    timer = next(timer for timer in house.timers if not timer.cancelled)
    house.now = timer.deadline
    timer.callback()
    assert house.plane.said == [(phone.id, "you-are-alone")]
    house.browser("ana")
    assert house.plane.said[1:] == [(phone.id,), (None, "join")]
