"""A dial plan as a value: which rooms are declared, and which pattern leads where.

Kept small until its own issue: rooms, and routes that join one. Who calls (`caller`) is part of
every question already, because callers' groups will decide next to the address.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.address import Address
from gateway.dialplan.match import Pattern, fill
from gateway.errors import Reason, Refused
from gateway.ports import RoomName
from gateway.roomname import room_name

MAX_USER = 128
"""A longer user part matches nothing; bounds the work that a caller can cause."""


@dataclass(frozen=True, slots=True)
class Join:
    """The answer: this room, by this route."""

    room: RoomName
    open: bool
    """Whether the call may open a room that nobody declared and nobody is in."""
    route: str


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `routes`; `room` may name captures, as in `team-{room}`."""

    name: str
    patterns: tuple[Pattern, ...]
    room: str
    open: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What the plan says of a room that it declares."""

    lab: bool = False
    """Whether failures may be injected into it, from the monitor."""
    publishing: str | None = None
    """`everyone` or `moderators`; None: as `conference` in gateway.yaml says."""
    moderator_key: str | None = field(default=None, repr=False)
    """None: the one of gateway.yaml, if it has one."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    pattern: Pattern
    route: Route


@dataclass(frozen=True, slots=True)
class Plan:
    """Resolves addresses; make one with `of`."""

    rooms: Mapping[RoomName, Room]
    routes: tuple[Route, ...]
    _exact: Mapping[str, tuple[_Candidate, ...]]
    """Patterns without captures by their user part; in front, the most specific."""
    _captured: tuple[_Candidate, ...]

    @classmethod
    def of(cls, rooms: Mapping[RoomName, Room], routes: Iterable[Route]) -> "Plan":
        """Indexes the routes. They must be free of ties (`match.ties`)."""
        routes = tuple(routes)
        candidates = sorted(
            (_Candidate(pattern, route) for route in routes for pattern in route.patterns),
            key=lambda candidate: candidate.pattern.specificity,
            reverse=True,
        )
        exact: dict[str, tuple[_Candidate, ...]] = {}
        for each in candidates:
            if each.pattern.is_exact:
                user = each.pattern.user
                exact[user] = (*exact.get(user, ()), each)
        captured = tuple(each for each in candidates if not each.pattern.is_exact)
        return cls(rooms, routes, exact, captured)

    def is_declared(self, room: RoomName) -> bool:
        return room in self.rooms

    def options(self, room: RoomName) -> Room:
        return self.rooms.get(room, _UNDECLARED)

    def is_lab(self, room: RoomName) -> bool:
        return self.options(room).lab

    def resolve(self, to: Address, caller: Address) -> Join:
        """The most specific route to `to`. Raises `Refused` (not-found) if there is none."""
        user = to.user.lower()
        if 0 < len(user) <= MAX_USER:
            # An exact user part has more literal characters than any capture that matches it.
            for candidate in (*self._exact.get(user, ()), *self._captured):
                captures = candidate.pattern.match(to)
                if captures is not None:
                    return _join(candidate.route, captures)
        raise Refused(Reason.NOT_FOUND, f"nobody can be reached at {str(to)[:100]!r}")


_UNDECLARED = Room()


def _join(route: Route, captures: Mapping[str, str]) -> Join:
    name = fill(route.room, captures)
    room = room_name(name)
    if room is None:
        raise Refused(Reason.NOT_FOUND, f"{name[:100]!r} is no room's name")
    return Join(room, route.open, route.name)
