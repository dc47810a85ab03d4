"""Legs on their way in: nothing is left of who gives up, is refused, or finds the room full."""

import pytest
from house import ROOM, House, RecordingLeg

from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Answer,
    Attach,
    Edge,
    Kind,
    Offer,
    ParticipantId,
)


@pytest.fixture
def house() -> House:
    return House()


async def test_a_phone_joins_with_the_planes_answer_and_all_see_it(house: House) -> None:
    ana = house.browser("ana")
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    answer = await house.rooms.join(ROOM, phone, Offer("offer"))
    assert answer.sdp == "answer to offer"
    house.rooms.confirm(phone.id)
    assert house.plane.confirmed == ["phone"]
    assert ana.names() == ["ana", "phone"]
    assert Attach(Edge(ana.id, ana.id, SEAT)) in house.plane.edges
    assert Attach(Edge(phone.id, SEAT, ana.id)) in ana.events


async def test_a_refused_offer_leaves_nothing_behind(house: House) -> None:
    house.plane.refusal = Refused(Reason.MEDIA, "no codec in common")
    with pytest.raises(Refused, match="no codec"):
        await house.phone("phone")
    assert house.plane.open == set()
    assert not any(house.rooms.inventory().values())


async def test_a_caller_who_gives_up_while_media_is_opened_never_joins(house: House) -> None:
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    house.plane.meanwhile = lambda: house.rooms.leave(phone.id, Reason.CANCELLED, "CANCEL")
    with pytest.raises(Refused) as refusal:
        await house.rooms.join(ROOM, phone, Offer("offer"))
    assert refusal.value.reason is Reason.CANCELLED
    assert house.plane.open == set()
    assert not any(house.rooms.inventory().values())


async def test_a_caller_who_never_confirms_is_in_no_roster_and_gets_no_media(house: House) -> None:
    ana = house.browser("ana")
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    await house.rooms.join(ROOM, phone, Offer("offer"))
    assert ana.names() == ["ana"]
    assert house.plane.confirmed == []
    house.rooms.leave(phone.id, Reason.CONNECTIVITY, "no ACK")
    assert house.plane.open == set()
    assert ana.names() == ["ana"]


async def test_who_confirms_when_the_room_is_full_by_now_is_hung_up() -> None:
    house = House(max_participants=1)
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    await house.rooms.join(ROOM, phone, Offer("offer"))
    house.browser("ana")
    house.rooms.confirm(phone.id)
    assert phone.ended == [Reason.BUSY]
    assert house.plane.open == set()


async def test_a_delayed_offer_joins_with_its_answer(house: House) -> None:
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    assert (await house.rooms.invite(ROOM, phone)).sdp == "an offer"
    assert house.rooms.inventory()["participants"] == 0
    await house.rooms.accept(phone.id, Answer("answer"))
    assert phone.names() == ["phone"]


async def test_an_unusable_answer_to_a_delayed_offer_leaves_nothing_behind(house: House) -> None:
    phone = RecordingLeg(ParticipantId("phone"), Kind.SIP)
    await house.rooms.invite(ROOM, phone)
    house.plane.refusal = Refused(Reason.MEDIA, "no codec in common")
    with pytest.raises(Refused):
        await house.rooms.accept(phone.id, Answer("answer"))
    assert house.plane.open == set()
