"""The monitor's door: the page, what it sees as JSON and as a feed, and its orders.

docs/monitor.md tells what comes. Whoever has the token sees the names of all who are in any room;
the token comes in a header, so that no address and no log has it.
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence

from aiohttp import web

from gateway.conference.journal import Change, Entry, Journal, Key
from gateway.conference.rooms import Rooms
from gateway.conference.watch import Watch
from gateway.errors import Reason, Refused
from gateway.ports import RoomName
from gateway.roomname import room_name
from gateway.web.injection_order import BadOrder, parse

TOLD_EVERY = 0.25
"""Seconds between two looks for what is new."""

ALIVE_EVERY = 10.0
"""Seconds after which something is said though nothing is new: the page knows that we are there."""

MAX_FEEDS = 50

_PATIENCE = 30.0
"""Seconds for a page to read one piece."""

_AT_ONCE = 500
"""Changes in one piece: the signalling goes on between two of them."""

_UNLOCK = (
    "The monitor needs its token: 'Authorization: Bearer <token>'. The gateway tells it when it"
    " starts, unless web.monitor_token is set: then it is that one.\n"
)


class MonitorPages:
    """The routes below /api/monitor."""

    def __init__(self, token: str, rooms: Rooms) -> None:
        self._token = token.encode()
        self._rooms = rooms
        self._stopping = asyncio.Event()
        self._feeds = 0

    def routes(self) -> list[web.RouteDef]:
        one = "/api/monitor/{room}"
        return [
            web.get("/api/monitor", self._tell_rooms),
            web.get(one, self._tell_room),
            web.get(f"{one}/history", self._tell_history),
            web.get(f"{one}/feed", self._feed),
            web.post(f"{one}/faults", self._inject),
            web.delete(f"{one}/faults", self._stop_injecting),
        ]

    def stop(self) -> None:
        """Ends all feeds."""
        self._stopping.set()

    def inventory(self) -> Mapping[str, int]:
        return {"monitor_feeds": self._feeds}

    # --- what is now, and what was ----------------------------------------------------------

    async def _tell_rooms(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        rooms = [
            {"room": name, "lab": self._rooms.is_lab(name), **_count(watch.journal.now)}
            for name, watch in self._rooms.monitor.watches.items()
        ]
        return web.json_response({"rooms": rooms})

    async def _tell_room(self, request: web.Request) -> web.StreamResponse:
        name, watch = self._asked(request)
        journal = watch.journal
        return web.json_response({**self._about(name, journal), **_sorted(journal.now)})

    async def _tell_history(self, request: web.Request) -> web.StreamResponse:
        name, watch = self._asked(request)
        journal = watch.journal
        head = {**self._about(name, journal), "then": _sorted(journal.oldest)}
        changes = journal.changes()
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        await answer.write(f'{_json(head)[:-1]}, "changes": ['.encode())
        between = ""
        for piece in _pieces(changes):
            await answer.write((between + ", ".join(map(_json, map(_change, piece)))).encode())
            between = ", "
        await answer.write(b"]}\n")
        return answer

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        name, watch = self._asked(request)
        if self._feeds >= MAX_FEEDS or self._stopping.is_set():
            raise web.HTTPServiceUnavailable(
                text="Too many people look at the monitor now.\n", headers={"Retry-After": "10"}
            )
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self._feeds += 1
        try:
            await answer.prepare(request)
            await self._follow(answer, name, watch)
        except (ConnectionError, TimeoutError):
            pass  # the page has gone, or reads no more
        finally:
            self._feeds -= 1
        return answer

    async def _follow(self, answer: web.StreamResponse, name: RoomName, watch: Watch) -> None:
        """Until the room is empty, or the server stops. Who reads slowly misses what is between
        and gets the whole picture again."""
        journal = watch.journal
        told: int | None = None
        said_at = 0.0
        while not self._stopping.is_set() and self._rooms.monitor.watches.get(name) is watch:
            changes = None if told is None else journal.after(told)
            told, now = journal.number, self._rooms.clock()
            if changes is None:
                changes, said_at = journal.changes(), 0.0
                entries = [{"key": key, "entry": entry} for key, entry in journal.oldest.items()]
                await _say(answer, "picture", {**self._about(name, journal), "entries": entries})
            if changes or now - said_at >= ALIVE_EVERY:
                said_at = now
                await self._say_changes(answer, changes, now)
            try:
                await asyncio.wait_for(self._stopping.wait(), TOLD_EVERY)
            except TimeoutError:
                continue

    async def _say_changes(
        self, answer: web.StreamResponse, changes: Sequence[Change], now: float
    ) -> None:
        for piece in _pieces(changes) or [()]:
            told = {"now": now, "changes": [_change(change) for change in piece]}
            await _say(answer, "changes", told)
            await asyncio.sleep(0)

    # --- experiments ------------------------------------------------------------------------

    async def _inject(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        name = self._name(request)
        try:
            self._rooms.inject(name, parse(await request.text(), secrets.randbits(53)))
        except (BadOrder, UnicodeDecodeError, LookupError) as mistake:
            raise web.HTTPBadRequest(text=f"{mistake}\n") from None
        except Refused as refused:
            status = 403 if refused.reason is Reason.FORBIDDEN else 404
            return web.Response(status=status, text=f"{refused.text}\n")
        return web.json_response(self._rooms.monitor.watches[name].journal.now["injection",])

    async def _stop_injecting(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        self._rooms.stop_injecting(self._name(request))
        return web.Response(status=204)

    # --- inside -----------------------------------------------------------------------------

    def _check(self, request: web.Request) -> None:
        """Raises `HTTPUnauthorized`; RFC 6750, section 2.1."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # Bytes, as text that is not ASCII cannot be compared in constant time.
        right = hmac.compare_digest(given.strip().encode(errors="replace"), self._token)
        if scheme.lower() != "bearer" or not right:
            raise web.HTTPUnauthorized(text=_UNLOCK, headers={"WWW-Authenticate": "Bearer"})

    def _name(self, request: web.Request) -> RoomName:
        name = room_name(request.match_info["room"])
        if name is None:
            raise web.HTTPNotFound(text="This is no room's name.\n")
        return name

    def _asked(self, request: web.Request) -> tuple[RoomName, Watch]:
        self._check(request)
        name = self._name(request)
        watch = self._rooms.monitor.watches.get(name)
        if watch is None:
            raise web.HTTPNotFound(text=f"Nobody is in {name} now.\n")
        return name, watch

    def _about(self, name: RoomName, journal: Journal) -> dict[str, object]:
        lab = self._rooms.is_lab(name)
        return {"room": name, "lab": lab, "at": journal.since, "now": self._rooms.clock()}


def _count(entries: Mapping[Key, Entry]) -> Mapping[str, int]:
    edges = [key for key in entries if key[0] == "edge"]
    people = [key for key, one in entries.items() if key[0] == "participant"]
    return {
        "participants": sum(entries[key]["kind"] != "seat" for key in people),
        "trees": len({key[1:3] for key in edges}),
        "edges": sum(entries[key]["state"] != "standby" for key in edges),
    }


def _sorted(entries: Mapping[Key, Entry]) -> Mapping[str, object]:
    """For people and scripts: lists by what the entries are."""
    kinds = ("participant", "edge", "link")
    lists = {f"{kind}s": [one for key, one in entries.items() if key[0] == kind] for kind in kinds}
    return {**lists, "injection": entries.get(("injection",))}


def _change(change: Change) -> Mapping[str, object]:
    return {"at": change.at, "key": change.key, "entry": change.entry}


def _pieces(changes: Sequence[Change]) -> list[Sequence[Change]]:
    return [changes[start : start + _AT_ONCE] for start in range(0, len(changes), _AT_ONCE)]


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False)


async def _say(answer: web.StreamResponse, event: str, data: object) -> None:
    async with asyncio.timeout(_PATIENCE):
        await answer.write(f"event: {event}\ndata: {_json(data)}\n\n".encode())
