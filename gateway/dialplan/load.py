"""Reads a dial plan from YAML and refuses what would surprise the admin later.

`config/dialplan.yaml` shows the language and is the embedded plan.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.dialplan.match import Pattern, PatternError, fill, names_in, ties
from gateway.dialplan.model import Plan, Room, Route
from gateway.errors import ConfigError
from gateway.ports import RoomName
from gateway.roomname import RULE, room_name
from gateway.yamltext import MIN_KEY, Problems, Source, Value, choice, parse, read, secret, switch

EMBEDDED = """\
version: 1
rooms:
  demo: {}
routes:
  - name: demo by number
    match: { to: 100 }
    do: { join: { room: demo } }
  - name: web rooms
    match: { to: "web:{room}" }
    do: { join: { room: "{room}", open: yes } }
  - name: any room by address
    match: { to: "{room}" }
    do: { join: { room: "{room}" } }
"""
"""The plan without a file: phones and XMPP clients reach rooms that are declared or in use."""

_VERSION = "1"


def load_plan(path: Path | None, environ: Mapping[str, str] | None = None) -> Plan:
    """The plan in a file; the embedded one without. `environ` serves `!env`.

    Raises `ConfigErrors` with all mistakes.
    """
    problems = Problems()
    if path is None:
        top = parse(EMBEDDED, Source("embedded dial plan", Path(), {}, problems))
    else:
        top = read(path, os.environ if environ is None else environ, problems)
    plan = Plan.of({}, ())
    try:
        plan = _plan(top)
    except ConfigError as error:
        problems.add(error)
    problems.raise_any()
    return plan


def _plan(top: Value) -> Plan:
    section = top.section(["version", "rooms", "routes"])
    version = section.need("version")
    if version.text() != _VERSION:
        raise version.error(f"expected {_VERSION}, not '{version.text()}'")
    return Plan.of(section.read("rooms", _rooms, {}), section.read("routes", _routes, []))


def _rooms(value: Value) -> dict[RoomName, Room]:
    rooms: dict[RoomName, Room] = {}
    for text, options in value.names().items():
        room = room_name(text)
        try:
            if room is None:
                raise options.error(f"expected {RULE}")
            if room in rooms:
                raise options.error(f"room '{room}' is declared already")
            rooms[room] = Room()
            rooms[room] = _room(options)
        except ConfigError as error:
            value.source.problems.add(error)
    return rooms


def _room(value: Value) -> Room:
    section = value.section(["lab", "publishing", "moderator_key"])
    return Room(
        section.read("lab", switch, False),
        section.read("publishing", choice("everyone", "moderators"), None),
        section.read("moderator_key", secret(MIN_KEY), None),
    )


def _routes(value: Value) -> list[Route]:
    places: dict[str, Value] = {}
    patterns: list[tuple[Pattern, Value]] = []
    routes: list[Route] = []
    for entry in value.items():
        try:
            route = _route(entry, places, patterns)
        except ConfigError as error:
            value.source.problems.add(error)
        else:
            routes.append(route)
    _report_ties(patterns)
    return routes


def _route(entry: Value, places: dict[str, Value], patterns: list[tuple[Pattern, Value]]) -> Route:
    section = entry.section(["name", "match", "do"])
    name = section.need("name")
    if name.text() in places:
        raise name.error(f"line {places[name.text()].line} has a route of this name already")
    places[name.text()] = name
    found = [_pattern(each) for each in section.need("match").section(["to"]).need("to").items()]
    patterns += found
    join = section.need("do").section(["join"]).need("join").section(["room", "open"])
    return Route(
        name.text(),
        tuple(pattern for pattern, _ in found),
        _target(join.need("room"), found),
        join.read("open", switch, False),
    )


def _pattern(value: Value) -> tuple[Pattern, Value]:
    try:
        return Pattern.parse(value.text()), value
    except PatternError as error:
        raise value.error(str(error)) from None


def _target(value: Value, patterns: list[tuple[Pattern, Value]]) -> str:
    """The room to join: a name, or one with captures that every pattern of the route has."""
    template = value.text().lower()
    names = names_in(template)
    for pattern, place in patterns:
        for name in sorted(names - pattern.captures):
            raise value.error(f"'{{{name}}}' is not in the pattern '{pattern}' (line {place.line})")
    if room_name(fill(template, dict.fromkeys(names, "x"))) is None:
        raise value.error(f"expected a room: {RULE}")
    return template


def _report_ties(patterns: list[tuple[Pattern, Value]]) -> None:
    for one, other in ties(pattern for pattern, _ in patterns):
        (first, place), (second, later) = patterns[one], patterns[other]
        later.source.problems.add(
            later.error(
                f"'{second}' ties with '{first}' (line {place.line}): one address could match"
                " both, and neither is more specific"
            )
        )
