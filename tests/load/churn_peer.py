"""A participant of the churn experiment without I/O: docs/protocol.md, "Edges" and "Repair".

There is one source. What a data channel and RTP carry in browsers are datagrams here: media, which
begin with an octet of their kind, and JSON. A connection of two neighbours is two addresses that
they tell each other by `signal`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MISSING = 0.15
"""Seconds without a packet, from a parent that says nothing else either, until a child asks."""

PATIENCE = 0.4
"""The same where the parent is alive: it asks itself."""

ASK_AGAIN = 0.2
SILENCE = 0.05
"""After so long a parent that has nothing to pass on says `alive`."""

TICK = 0.025
"""How often `tick` is to be called."""

KINDS = ("audio", "high")
"""A packet's first octet is the index of its kind."""

Message = Mapping[str, Any]


def packet(kind: int, number: int, size: int) -> bytes:
    return bytes([kind]) + number.to_bytes(4, "big") + bytes(size - 5)


def number_of(data: bytes) -> int:
    return int.from_bytes(data[1:5], "big")


@dataclass(slots=True)
class _Intake:
    """How one kind of stream comes in."""

    parents: dict[str, bool] = field(default_factory=dict)
    """The edges, and whether each is said to be ready."""
    current: str | None = None
    standby: str | None = None
    asked: float | None = None
    """When the standby parent was asked for it."""
    newest: int = -1
    last: float | None = None
    """When that one came."""

    def forget(self, parent: str) -> None:
        self.parents.pop(parent, None)
        if self.current == parent:
            self.current = None


@dataclass(slots=True)
class _Outlet:
    """To whom one kind of stream goes."""

    children: set[str] = field(default_factory=set)
    standing_by: set[str] = field(default_factory=set)
    adopted: set[str] = field(default_factory=set)
    """Those of them that have asked."""
    feeds: list[str] = field(default_factory=list)
    """All who get it, as far as they are connected."""


class Peer:
    """The source, or a receiver that relays.

    Give it what comes and call `tick` every `TICK` seconds; then send what `says` (to the server)
    and `sends` (to neighbours) hold, and empty them.
    """

    def __init__(self, address: str, connecting: float) -> None:
        """`connecting`: seconds that two browsers need from the answer to the first packet."""
        self.id = ""
        self.says: list[dict[str, Any]] = []
        self.sends: list[tuple[str, bytes]] = []
        self.address_of: dict[str, str] = {}
        self._address = address
        self._connecting = connecting
        self._usable: dict[str, float] = {}
        self._offered: set[str] = set()
        self._intakes = [_Intake() for _ in KINDS]
        self._outlets = [_Outlet() for _ in KINDS]
        self._source = ""
        self._heard: dict[str, float] = {}
        self._told: dict[str, float] = {}

    # --- what comes -------------------------------------------------------------------------

    def message(self, message: Message, now: float) -> None:
        """One of the server's."""
        match message["type"]:
            case "welcome":
                self.id = message["you"]
            case "roster":
                self._roster({one["id"] for one in message["participants"]})
            case "attach" | "detach" | "standby":
                self._edge(message, KINDS.index(message["kind"]))
            case "signal" if "description" in message:
                self._signal(message["from"], message["description"], now)
        self._choose_feeds(now)

    def media(self, sender: str, data: bytes, now: float) -> Sequence[str]:
        """Gives those to whom it goes on at once; nobody where it is old or nobody's business."""
        intake = self._intakes[data[0]]
        self._heard[sender] = now
        if sender == intake.standby and intake.asked is not None:
            intake.parents[sender] = False
            intake.standby = intake.asked = None
        ready = intake.parents.get(sender)
        if ready is None:
            return ()
        number = number_of(data)
        if not ready:
            intake.parents[sender] = True
            intake.current = sender
            self._say("ready", source=self._source, kind=KINDS[data[0]], parent=sender)
        if number <= intake.newest:
            return ()
        intake.newest, intake.last = number, now
        if intake.asked is not None:
            self._tell(intake.standby, "release", data[0], now)
            intake.asked = None
        return self.passes_on(data[0], now)

    def passes_on(self, kind: int, now: float) -> Sequence[str]:
        feeds = self._outlets[kind].feeds
        for child in feeds:
            self._told[child] = now
        return feeds

    def control(self, sender: str, data: bytes, now: float) -> None:
        """A neighbour's message on the data channel."""
        self._heard[sender] = now
        message = json.loads(data)
        if message["type"] in ("adopt", "release"):
            outlet = self._outlets[KINDS.index(message["kind"])]
            if message["type"] == "release":
                outlet.adopted.discard(sender)
            elif sender in outlet.standing_by:
                outlet.adopted.add(sender)
            self._choose_feeds(now)

    def tick(self, now: float) -> None:
        for kind, intake in enumerate(self._intakes):
            if self._is_missed(intake, now):
                intake.asked = now
                self._tell(intake.standby, "adopt", kind, now)
        self._choose_feeds(now)
        for child in {child for outlet in self._outlets for child in outlet.feeds}:
            if now - self._told.get(child, 0.0) > SILENCE:
                self._tell(child, "alive", None, now)

    # --- what is known ----------------------------------------------------------------------

    def parent(self, kind: int) -> str | None:
        """Who sends it that kind of stream now."""
        return self._intakes[kind].current

    def newest(self, kind: int) -> int:
        """The number of the last packet; -1 before the first one."""
        return self._intakes[kind].newest

    # --- inside -----------------------------------------------------------------------------

    def _roster(self, here: set[str]) -> None:
        for gone in [peer for peer in self._peers() if peer not in here]:
            self._usable.pop(gone, None)
            self._offered.discard(gone)
            self.address_of.pop(gone, None)
            for intake, outlet in zip(self._intakes, self._outlets, strict=True):
                intake.forget(gone)
                if intake.standby == gone:
                    intake.standby = intake.asked = None
                for group in (outlet.children, outlet.standing_by, outlet.adopted):
                    group.discard(gone)

    def _peers(self) -> Iterator[str]:
        yield from list(self._usable.keys() | self._offered)
        for intake, outlet in zip(self._intakes, self._outlets, strict=True):
            yield from [*intake.parents, *outlet.children, *outlet.standing_by]
            if intake.standby is not None:
                yield intake.standby

    def _edge(self, message: Message, kind: int) -> None:
        self._source = message["source"]
        on = bool(message.get("on"))
        if message["child"] == self.id:
            self._as_child(message["type"], self._intakes[kind], message["parent"], on)
        else:
            self._as_parent(message["type"], self._outlets[kind], message["child"], on)

    def _as_child(self, what: str, intake: _Intake, parent: str, on: bool) -> None:
        if what == "detach":
            intake.forget(parent)
        elif what == "attach":
            intake.parents.setdefault(parent, False)
        elif on:
            intake.standby, intake.asked = parent, None
        if not on and what != "detach" and intake.standby == parent:
            intake.standby = intake.asked = None

    def _as_parent(self, what: str, outlet: _Outlet, child: str, on: bool) -> None:
        if what == "attach" or on:
            (outlet.standing_by if on else outlet.children).add(child)
            self._connect(child)
        if what == "detach":
            outlet.children.discard(child)
        if not on:
            outlet.adopted.discard(child)
        if not on and what != "detach":
            outlet.standing_by.discard(child)

    def _connect(self, child: str) -> None:
        """The parent offers."""
        if child not in self._usable and child not in self._offered:
            self._offered.add(child)
            description = {"type": "offer", "sdp": self._address}
            self._say("signal", to=child, description=description, tracks={})

    def _signal(self, sender: str, description: Message, now: float) -> None:
        self.address_of[sender] = description["sdp"]
        self._usable.setdefault(sender, now + self._connecting)
        if description["type"] == "offer":
            answer = {"type": "answer", "sdp": self._address}
            self._say("signal", to=sender, description=answer, tracks={})

    def _is_missed(self, intake: _Intake, now: float) -> bool:
        if (
            intake.last is None
            or intake.standby is None
            or not self._is_usable(intake.standby, now)
        ):
            return False
        if intake.asked is not None and now - intake.asked < ASK_AGAIN:
            return False
        current = intake.current
        alive = current is not None and now - self._heard.get(current, 0.0) < MISSING
        return now - intake.last > (PATIENCE if alive else MISSING)

    def _is_usable(self, peer: str, now: float) -> bool:
        return self._usable.get(peer, now + 1) <= now

    def _choose_feeds(self, now: float) -> None:
        for outlet in self._outlets:
            wanted = outlet.children | outlet.adopted
            outlet.feeds = [peer for peer in sorted(wanted) if self._is_usable(peer, now)]

    def _tell(self, peer: str | None, message: str, kind: int | None, now: float) -> None:
        assert peer is not None
        members = {} if kind is None else {"source": self._source, "kind": KINDS[kind]}
        self._told[peer] = now
        self.sends.append((peer, json.dumps({"type": message, **members}).encode()))

    def _say(self, message: str, **members: object) -> None:
        self.says.append({"type": message, **members})
