"""What phones and XMPP clients are told, decided with an integer for a clock."""

import pytest

from gateway.conference.announcements import (
    ALONE_AFTER,
    SMALL,
    TONES_APART,
    Announcements,
    Play,
    StopPlaying,
)
from gateway.ports import ParticipantId

ANA, BOB, WEB = map(ParticipantId, ("sip-ana", "xmpp-bob", "web-1"))
JOIN, LEAVE = Play(None, ("join",)), Play(None, ("leave",))
NOTICE = "recording-started"


@pytest.fixture
def said() -> Announcements:
    return Announcements(enabled=True)


def at(said: Announcements, now: float) -> list[Play | StopPlaying]:
    """The time comes; gives what is said."""
    said.handle_timeout(now)
    return list(said.events())


def test_who_is_alone_is_told_so_once_after_a_moment(said: Announcements) -> None:
    said.joined(ANA, 100, listens=True)
    assert said.next_timeout() == 100 + ALONE_AFTER
    assert at(said, 101) == []
    assert at(said, 102) == [Play(ANA, ("you-are-alone",))]
    assert said.next_timeout() is None
    assert at(said, 1000) == []


def test_who_is_not_alone_any_more_is_not_told_so(said: Announcements) -> None:
    said.joined(ANA, 100, listens=True)
    said.joined(BOB, 101, listens=True)
    assert list(said.events()) == [JOIN]
    assert said.next_timeout() is None


@pytest.mark.parametrize("listens", [True, False])
def test_the_prompt_ends_as_soon_as_somebody_comes(said: Announcements, listens: bool) -> None:
    said.joined(ANA, 100, listens=True)
    at(said, 102)
    said.joined(BOB, 103, listens=listens)
    assert list(said.events()) == [StopPlaying(ANA), JOIN]


def test_who_stays_behind_hears_that_they_left_and_no_more(said: Announcements) -> None:
    said.joined(ANA, 100, listens=True)
    said.joined(BOB, 101, listens=True)
    said.events()
    said.left(BOB, 110)
    assert list(said.events()) == [LEAVE]
    assert said.next_timeout() is None


def test_who_comes_to_a_browser_is_not_alone_and_a_browser_is_told_nothing(
    said: Announcements,
) -> None:
    said.joined(WEB, 100, listens=False)
    assert said.next_timeout() is None
    said.joined(ANA, 101, listens=True)
    assert said.next_timeout() is None
    assert list(said.events()) == []
    said.left(ANA, 110)
    assert list(said.events()) == []


def test_the_first_of_a_new_conference_hears_it_again(said: Announcements) -> None:
    said.joined(ANA, 100, listens=True)
    at(said, 102)
    said.left(ANA, 110)
    said.joined(BOB, 200, listens=True)
    assert at(said, 202) == [Play(BOB, ("you-are-alone",))]


def test_in_a_large_conference_nobody_is_disturbed(said: Announcements) -> None:
    said.joined(ANA, 0, listens=True)
    for number in range(SMALL):
        said.joined(ParticipantId(f"web-{number}"), 10 + 10 * number, listens=False)
    assert list(said.events()) == [JOIN] * SMALL
    said.joined(BOB, 500, listens=True)
    said.left(BOB, 600)
    assert list(said.events()) == []
    said.left(ParticipantId("web-0"), 700)
    assert list(said.events()) == [LEAVE]


def test_a_crowd_that_comes_at_once_is_one_tone(said: Announcements) -> None:
    said.joined(ANA, 0, listens=True)
    for number in range(5):
        said.joined(ParticipantId(f"web-{number}"), 10 + number / 10, listens=False)
        said.left(ParticipantId(f"web-{number}"), 10 + number / 10)
    assert list(said.events()) == [JOIN]
    said.joined(BOB, 10 + TONES_APART, listens=True)
    assert list(said.events()) == [JOIN]


def test_a_recording_is_told_to_all_and_to_who_comes_later(said: Announcements) -> None:
    said.joined(WEB, 0, listens=False)
    said.recorded(True)
    assert list(said.events()) == [], "nobody hears the mix"
    said.joined(ANA, 0, listens=True)
    assert list(said.events()) == [Play(ANA, (NOTICE,))]
    said.recorded(True)
    assert list(said.events()) == []
    said.recorded(False)
    assert list(said.events()) == [Play(None, ("recording-stopped",))]


def test_switched_off_it_says_only_that_it_is_recorded() -> None:
    said = Announcements(enabled=False)
    said.joined(ANA, 0, listens=True)
    assert said.next_timeout() is None
    said.joined(BOB, 10, listens=True)
    said.left(BOB, 20)
    assert list(said.events()) == []
    said.recorded(True)
    assert list(said.events()) == [Play(None, (NOTICE,))]
