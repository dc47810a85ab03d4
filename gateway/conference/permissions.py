"""Who may publish what in one conference, who moderates it, and who asks for the word.

Pure, and knows nothing of trees or legs: the focus tells who comes and goes, and carries out what
`standing` says then.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.errors import Reason, Refused
from gateway.ports import MediaKind, Participant, ParticipantId

EVERYTHING = frozenset(MediaKind)
NOTHING: frozenset[MediaKind] = frozenset()
SOUND = frozenset({MediaKind.AUDIO})
"""What a phone or an XMPP client can publish."""


class Publishing(StrEnum):
    """What those who join may publish without being asked."""

    EVERYONE = "everyone"
    """Everyone, everything."""
    MODERATORS = "moderators"
    """Only moderators; the others listen until they are given the word."""


class Moderation(StrEnum):
    """Who moderates a room; who joins with its key, if it has one, does so in any case."""

    FIRST = "first"
    """The first native participant, and when the last moderator leaves, who joined next."""
    KEY = "key"
    """Nobody else."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the admin decided for a room."""

    publishing: Publishing = Publishing.EVERYONE
    moderation: Moderation = Moderation.FIRST
    key: str | None = field(default=None, repr=False)
    """Makes moderators of those who have it."""

    @property
    def can_be_moderated(self) -> bool:
        return self.moderation is Moderation.FIRST or self.key is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one participant stands in the conference."""

    may: frozenset[MediaKind]
    """What it may publish."""
    moderator: bool = False
    hand: int = 0
    """Its place in the order of raised hands, from 1; 0 while it is down."""


@dataclass(frozen=True, slots=True)
class _Member:
    native: bool
    may: frozenset[MediaKind]
    moderator: bool


@dataclass(frozen=True, slots=True)
class _Departure:
    """How things stood before somebody left."""

    who: ParticipantId
    members: Mapping[ParticipantId, _Member]


class Permissions:
    """Of all who are in; in order of joining."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._members: dict[ParticipantId, _Member] = {}
        self._hands: list[ParticipantId] = []
        self._last_departure: _Departure | None = None

    def check_key(self, key: str | None) -> None:
        """Raises `Refused` (forbidden) for a key that is not the room's.

        To let its bearer in as an ordinary participant would only puzzle them.
        """
        if key is not None and not self._fits(key):
            text = "the key in your link is not this room's: ask for the new link"
            raise Refused(Reason.FORBIDDEN, text)

    def join(
        self,
        who: ParticipantId,
        *,
        native: bool,
        key: str | None = None,
        former: ParticipantId | None = None,
    ) -> None:
        """`former` has just left to come back as `who`, which stands as it did.

        Raises `Refused` (forbidden) as `check_key` does.
        """
        self.check_key(key)
        everyone = self._rules.publishing is Publishing.EVERYONE
        may = _possible(native) if everyone else NOTHING
        self._members[who] = _Member(native, may, moderator=False)
        if former is not None:
            self._take_over(who, former)
        if key is not None:
            self._appoint(who)
        self._succeed()

    def _take_over(self, who: ParticipantId, former: ParticipantId) -> None:
        departure = self._last_departure
        if departure is None or departure.who != former:
            return
        was = departure.members[former]
        self._members[who] = was
        if was.moderator:
            # Whom its absence made a moderator is one no more.
            for other in self._members.keys() & departure.members.keys():
                self._members[other] = departure.members[other]

    def leave(self, who: ParticipantId) -> None:
        self._last_departure = _Departure(who, dict(self._members))
        del self._members[who]
        self._drop_hand(who)
        self._succeed()

    def grant(self, by: ParticipantId, who: ParticipantId, kinds: frozenset[MediaKind]) -> None:
        """`who` may publish these kinds from now on, as far as it can, and no others.

        What is new to it answers a raised hand. Raises `Refused`: forbidden where `by` does not
        moderate or `who` does, not-found where `who` is not here.
        """
        self._check_moderates(by)
        member = self._member(who)
        if member.moderator:
            raise Refused(Reason.FORBIDDEN, "moderators may always publish")
        may = kinds & _possible(member.native)
        if may - member.may:
            self._drop_hand(who)
        self._members[who] = replace(member, may=may)

    def raise_hand(self, who: ParticipantId) -> None:
        if who not in self._hands:
            self._hands.append(who)

    def lower_hand(self, by: ParticipantId, who: ParticipantId) -> None:
        """Raises `Refused` (forbidden) where it is another's, and `by` does not moderate."""
        if by != who:
            self._check_moderates(by)
        self._drop_hand(who)

    def standing(self, who: ParticipantId) -> Standing:
        member = self._members[who]
        hand = self._hands.index(who) + 1 if who in self._hands else 0
        return Standing(member.may, member.moderator, hand)

    def apply(self, participant: Participant) -> Participant:
        """The participant as it stands now.

        What it may not publish it publishes no more. Who calls by phone or XMPP cannot say that
        it publishes again: it does as soon as it may.
        """
        standing = self.standing(participant.id)
        native = self._members[participant.id].native
        return replace(
            participant,
            publishes=participant.publishes & standing.may if native else standing.may,
            may=standing.may,
            moderator=standing.moderator,
            hand=standing.hand,
        )

    def _member(self, who: ParticipantId) -> _Member:
        if who not in self._members:
            raise Refused(Reason.NOT_FOUND, f"{who[:64]!r} is not here")
        return self._members[who]

    def _check_moderates(self, who: ParticipantId) -> None:
        if not self._members[who].moderator:
            raise Refused(Reason.FORBIDDEN, "only a moderator may do that")

    def _fits(self, key: str) -> bool:
        ours = self._rules.key
        # The time that it takes must not tell how much of a guess is right.
        return ours is not None and hmac.compare_digest(key.encode(), ours.encode())

    def _appoint(self, who: ParticipantId) -> None:
        self._members[who] = replace(self._members[who], moderator=True, may=EVERYTHING)

    def _succeed(self) -> None:
        """A room does not stay without a moderator while somebody can be one."""
        if self._rules.moderation is not Moderation.FIRST:
            return
        if not any(member.moderator for member in self._members.values()):
            heir = next((who for who, member in self._members.items() if member.native), None)
            if heir is not None:
                self._appoint(heir)

    def _drop_hand(self, who: ParticipantId) -> None:
        if who in self._hands:
            self._hands.remove(who)


def _possible(native: bool) -> frozenset[MediaKind]:
    return EVERYTHING if native else SOUND
