"""Who may not publish has no tree, and phones among them are silent in the mix."""

import pytest
from house import BOTH, ROOM, House, RecordingLeg

from gateway.conference.focus import Conference
from gateway.conference.permissions import EVERYTHING, Moderation, Publishing, Rules
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Attach,
    Detach,
    Edge,
    Kind,
    MediaKind,
    Participant,
    ParticipantId,
    RosterChanged,
    StreamKind,
)
from gateway.trees.policies.breadth_first import BreadthFirst

AUDIO = frozenset({MediaKind.AUDIO})
LECTURE = Rules(Publishing.MODERATORS, Moderation.FIRST, "a long secret")


@pytest.fixture
def house() -> House:
    return House(rules=LECTURE)


def listed(leg: RecordingLeg, who: ParticipantId) -> Participant:
    """Somebody's entry in the last roster that a leg was told."""
    roster = [event.roster for event in leg.events if isinstance(event, RosterChanged)][-1]
    return next(one for one in roster.participants if one.id == who)


def test_who_may_not_publish_gets_no_tree_until_it_is_granted() -> None:
    conference = Conference(BreadthFirst(2), 10, LECTURE)
    ana, ben = ParticipantId("ana"), ParticipantId("ben")
    for who in (ana, ben):
        conference.join(Participant(who, Kind.WEB, who, BOTH), native=True, now=0.0)
    assert {*conference.forests[StreamKind.AUDIO]} == {ana}
    with pytest.raises(Refused, match="audio and video first"):
        conference.publish(ben, BOTH, 0.0)
    conference.grant(ana, ben, AUDIO, 0.0)
    with pytest.raises(Refused, match="video first"):
        conference.publish(ben, BOTH, 0.0)
    # The rest held.
    assert {*conference.forests[StreamKind.AUDIO]} == {ana, ben}
    assert {*conference.forests[StreamKind.HIGH]} == {ana}


def test_a_revoked_publisher_is_cut_off_at_all_its_children_at_once() -> None:
    conference = Conference(BreadthFirst(2), 10)
    names = [ParticipantId(name) for name in "abcdef"]
    for who in names:
        conference.join(Participant(who, Kind.WEB, who, BOTH), native=True, now=0.0)
    a, b = names[:2]
    standing = {e for e in (Edge(b, b, child) for child in names) if e.child != b}
    told = {event.edge for event in conference.events() if not isinstance(event, RosterChanged)}
    conference.grant(a, b, frozenset(), 0.0)
    roster, *ended = conference.events()
    assert isinstance(roster, RosterChanged)
    assert {event.edge for event in ended if isinstance(event, Detach)} >= standing & told
    assert all(b not in forest for forest in conference.forests.values())
    assert b in conference.forests[StreamKind.AUDIO][a].parent_of


async def test_a_phone_without_the_right_to_speak_is_silent_in_the_mix(house: House) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    assert house.plane.muted == {phone.id: True}
    assert listed(ana, phone.id).may == listed(ana, phone.id).publishes == frozenset()
    house.room.grant(ana.id, phone.id, EVERYTHING)
    assert house.plane.muted == {phone.id: False}
    assert listed(ana, phone.id).may == listed(ana, phone.id).publishes == AUDIO
    assert [event.edge for event in house.plane.edges if event.edge.parent == SEAT] == [
        Edge(phone.id, SEAT, ana.id)
    ]
    house.room.grant(ana.id, phone.id, frozenset())
    assert house.plane.muted == {phone.id: True}


async def test_the_word_does_not_unmute_a_phone_that_muted_itself(house: House) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    house.rooms.mute(phone.id, True)
    house.room.grant(ana.id, phone.id, AUDIO)
    assert house.plane.muted == {phone.id: True}
    house.rooms.mute(phone.id, False)
    assert house.plane.muted == {phone.id: False}
    house.room.grant(ana.id, phone.id, frozenset())
    house.rooms.mute(phone.id, False)
    assert house.plane.muted == {phone.id: True}


async def test_a_phone_blocks_in_the_mixer_and_a_browser_in_the_trees(house: House) -> None:
    ana = house.browser("ana")
    phone, other = await house.phone("phone"), await house.phone("other")
    house.room.grant(ana.id, phone.id, AUDIO)
    house.room.block(other.id, phone.id, True)
    house.room.block(ana.id, phone.id, True)
    assert house.plane.gains == {(other.id, phone.id): 0.0}
    assert house.plane.edges[-1] == Detach(Edge(phone.id, SEAT, ana.id))
    house.room.block(other.id, phone.id, False)
    assert house.plane.gains == {(other.id, phone.id): 1.0}


async def test_a_block_ends_with_the_one_who_is_blocked(house: House) -> None:
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.block(ben.id, ana.id, True)
    house.rooms.leave(ana.id, Reason.NORMAL, "left")
    ben.events.clear()
    house.browser("ana")
    house.room.grant(ben.id, ana.id, AUDIO)  # Ben moderates by now.
    house.room.publish(ana.id, AUDIO)
    assert Attach(Edge(ana.id, ana.id, ben.id)) in ben.events


def test_a_wrong_key_opens_no_room(house: House) -> None:
    with pytest.raises(Refused) as caught:
        house.rooms.enter(ROOM, RecordingLeg(ParticipantId("eve")), BOTH, "a long guess")
    assert caught.value.reason is Reason.FORBIDDEN
    assert not any(house.rooms.inventory().values())


def test_a_key_makes_moderators(house: House) -> None:
    ana, ben = house.browser("ana"), RecordingLeg(ParticipantId("ben"))
    house.rooms.enter(ROOM, ben, BOTH, "a long secret")
    assert listed(ana, ben.id).moderator
    assert listed(ana, ana.id).moderator


def test_hands_are_in_everyones_roster(house: House) -> None:
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.raise_hand(ben.id)
    assert listed(ana, ben.id).hand == 1
    with pytest.raises(Refused):
        house.room.lower_hand(ben.id, ana.id)
    house.room.lower_hand(ana.id, ben.id)
    assert listed(ben, ben.id).hand == 0
