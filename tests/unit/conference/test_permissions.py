"""Who may publish what, who moderates, and whose hand is up."""

import pytest

from gateway.conference.permissions import (
    EVERYTHING,
    NOTHING,
    SOUND,
    Moderation,
    Permissions,
    Publishing,
    Rules,
    Standing,
)
from gateway.errors import Reason, Refused
from gateway.ports import MediaKind, ParticipantId

ANA, BEN, PHONE = (ParticipantId(name) for name in ("ana", "ben", "phone"))
LECTURE = Rules(Publishing.MODERATORS)
VIDEO = frozenset({MediaKind.VIDEO})


def room(rules: Rules, *natives: ParticipantId) -> Permissions:
    permissions = Permissions(rules)
    for one in natives:
        permissions.join(one, native=True)
    return permissions


def refused(reason: Reason) -> pytest.RaisesExc[Refused]:
    return pytest.RaisesExc(Refused, check=lambda error: error.reason is reason)


def test_by_default_all_may_publish_all_that_they_can_and_the_first_browser_moderates() -> None:
    permissions = Permissions(Rules())
    permissions.join(PHONE, native=False)
    permissions.join(ANA, native=True)
    permissions.join(BEN, native=True)
    assert permissions.standing(PHONE) == Standing(SOUND)
    assert permissions.standing(ANA) == Standing(EVERYTHING, moderator=True)
    assert permissions.standing(BEN) == Standing(EVERYTHING)


def test_where_moderators_publish_the_others_wait_for_the_word() -> None:
    permissions = room(LECTURE, ANA, BEN)
    permissions.join(PHONE, native=False)
    assert permissions.standing(ANA).may == EVERYTHING
    assert permissions.standing(BEN).may == permissions.standing(PHONE).may == NOTHING
    permissions.grant(ANA, BEN, SOUND | VIDEO)
    permissions.grant(ANA, PHONE, EVERYTHING)
    assert permissions.standing(BEN).may == SOUND | VIDEO
    assert permissions.standing(PHONE).may == SOUND
    permissions.grant(ANA, BEN, VIDEO)
    assert permissions.standing(BEN).may == VIDEO


def test_only_moderators_grant_and_nobody_takes_a_moderators_own_right() -> None:
    permissions = room(Rules(key="a long secret"), ANA, BEN)
    permissions.join(ParticipantId("cleo"), native=True, key="a long secret")
    with refused(Reason.FORBIDDEN):
        permissions.grant(BEN, BEN, EVERYTHING)
    with refused(Reason.FORBIDDEN):
        permissions.grant(ANA, ParticipantId("cleo"), NOTHING)
    with refused(Reason.NOT_FOUND):
        permissions.grant(ANA, ParticipantId("nobody"), NOTHING)
    assert permissions.standing(ParticipantId("cleo")).may == EVERYTHING


def test_when_the_last_moderator_leaves_who_joined_next_moderates() -> None:
    permissions = room(LECTURE, ANA)
    permissions.join(PHONE, native=False)
    permissions.join(BEN, native=True)
    permissions.leave(ANA)
    assert permissions.standing(BEN) == Standing(EVERYTHING, moderator=True)
    permissions.leave(BEN)
    assert not permissions.standing(PHONE).moderator


def test_with_a_key_only_its_bearers_moderate_and_a_wrong_one_is_refused() -> None:
    permissions = room(Rules(Publishing.MODERATORS, Moderation.KEY, "a long secret"), ANA)
    with refused(Reason.FORBIDDEN):
        permissions.join(BEN, native=True, key="a long guess")
    permissions.join(BEN, native=True, key="a long secret")
    assert not permissions.standing(ANA).moderator
    assert permissions.standing(BEN).moderator
    permissions.leave(BEN)
    assert not permissions.standing(ANA).moderator


def test_in_a_room_without_a_key_each_key_is_wrong() -> None:
    with refused(Reason.FORBIDDEN):
        room(Rules()).join(ANA, native=True, key="a long secret")


def test_a_room_can_be_moderated_by_whoever_comes_first_or_has_its_key() -> None:
    assert Rules().can_be_moderated
    assert Rules(moderation=Moderation.KEY, key="a long secret").can_be_moderated
    assert not Rules(moderation=Moderation.NOBODY).can_be_moderated


def test_hands_stand_in_the_order_in_which_they_were_raised() -> None:
    permissions = room(Rules(), ANA, BEN)
    permissions.raise_hand(BEN)
    permissions.raise_hand(ANA)
    permissions.raise_hand(BEN)
    assert [permissions.standing(one).hand for one in (ANA, BEN)] == [2, 1]
    permissions.lower_hand(BEN, BEN)
    assert [permissions.standing(one).hand for one in (ANA, BEN)] == [1, 0]
    permissions.raise_hand(BEN)
    permissions.leave(ANA)
    assert permissions.standing(BEN).hand == 1


def test_anothers_hand_is_lowered_by_moderators_alone() -> None:
    permissions = room(Rules(), ANA, BEN)
    permissions.raise_hand(ANA)
    with refused(Reason.FORBIDDEN):
        permissions.lower_hand(BEN, ANA)
    permissions.raise_hand(BEN)
    permissions.lower_hand(ANA, BEN)
    assert [permissions.standing(one).hand for one in (ANA, BEN)] == [1, 0]


def test_the_word_answers_a_raised_hand_and_its_withdrawal_does_not() -> None:
    permissions = room(LECTURE, ANA, BEN)
    permissions.raise_hand(BEN)
    permissions.grant(ANA, BEN, NOTHING)
    assert permissions.standing(BEN).hand == 1
    permissions.grant(ANA, BEN, SOUND)
    assert permissions.standing(BEN).hand == 0


def test_the_key_is_in_no_log() -> None:
    assert "secret" not in repr(Rules(key="a long secret"))


def test_who_comes_back_stands_as_before_and_no_heir_stays_in_its_place() -> None:
    permissions = room(LECTURE, ANA, BEN)
    permissions.leave(ANA)
    assert permissions.standing(BEN).moderator
    again = ParticipantId("ana-2")
    permissions.join(again, native=True, former=ANA)
    assert permissions.standing(again) == Standing(EVERYTHING, moderator=True)
    assert permissions.standing(BEN) == Standing(NOTHING)
    permissions.grant(again, BEN, SOUND)
    permissions.leave(BEN)
    permissions.join(BEN, native=True, former=BEN)
    assert permissions.standing(BEN) == Standing(SOUND)


def test_only_who_left_last_is_remembered() -> None:
    permissions = room(LECTURE, ANA, BEN)
    permissions.leave(ANA)
    permissions.leave(BEN)
    permissions.join(PHONE, native=False)
    permissions.join(ANA, native=True, former=ANA)
    permissions.join(BEN, native=True, former=ANA)
    assert not permissions.standing(BEN).moderator
