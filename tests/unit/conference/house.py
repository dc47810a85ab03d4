"""Rooms with everything around them in the test's hand: legs, media plane, clock, timers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.address import Address
from gateway.conference.permissions import Rules
from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.errors import Reason, Refused
from gateway.ports import (
    Answer,
    Attach,
    Candidate,
    Detach,
    Edge,
    Kind,
    LegEvent,
    MediaEvent,
    MediaKind,
    Offer,
    ParticipantId,
    RoomName,
    Roster,
    RosterChanged,
    Track,
)
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst

ROOM = RoomName("demo")
BOTH = frozenset({MediaKind.AUDIO, MediaKind.VIDEO})


@dataclass
class RecordingLeg:
    id: ParticipantId
    kind: Kind = Kind.WEB
    name: str = "Somebody"
    address: str = "192.0.2.1"
    events: list[LegEvent] = field(default_factory=list)
    ended: list[Reason] = field(default_factory=list)

    def notify(self, event: LegEvent) -> None:
        self.events.append(event)

    def hang_up(self, reason: Reason, text: str) -> None:
        self.ended.append(reason)

    def names(self) -> list[ParticipantId]:
        """Of the last roster heard of."""
        return [p.id for p in self._roster().participants]

    def sees_recording(self) -> bool:
        return self._roster().recorded

    def _roster(self) -> Roster:
        return [e.roster for e in self.events if isinstance(e, RosterChanged)][-1]


class RecordingPlane:
    """A media plane without media: remembers what is open and what it was told."""

    def __init__(self) -> None:
        self.open: set[ParticipantId] = set()
        self.edges: list[Attach | Detach] = []
        self.dropped: list[ParticipantId] = []
        self.confirmed: list[ParticipantId] = []
        self.said: list[tuple[str | None, ...]] = []
        """To whom, and what; without a prompt: stopped."""
        self.recordings: list[str] = []
        self.muted: dict[ParticipantId, bool] = {}
        self.gains: dict[tuple[ParticipantId, ParticipantId], float] = {}
        self.refusal: Refused | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None: ...

    async def stop(self) -> None: ...

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        self.open.add(leg)
        self.meanwhile()
        if self.refusal:
            raise self.refusal
        return Answer(f"answer to {offer.sdp}")

    async def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        self.open.add(leg)
        return Offer("an offer")

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        if self.refusal:
            raise self.refusal

    def confirm(self, leg: ParticipantId) -> None:
        assert leg in self.open
        self.confirmed.append(leg)

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None: ...

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        self.muted[leg] = muted

    def set_gain(self, listener: ParticipantId, source: ParticipantId, gain: float) -> None:
        self.gains[listener, source] = gain

    def close(self, leg: ParticipantId) -> None:
        self.open.discard(leg)

    async def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        self.meanwhile()
        return Answer(f"seat's answer to {offer.sdp} with {sorted(tracks)}")

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None: ...

    def seat_candidate(
        self, room: RoomName, peer: ParticipantId, connection: str, candidate: Candidate
    ) -> None: ...

    def attach(self, room: RoomName, edge: Edge) -> None:
        self.edges.append(Attach(edge))

    def detach(self, room: RoomName, edge: Edge) -> None:
        self.edges.append(Detach(edge))

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None:
        self.dropped.append(peer)

    def play(self, room: RoomName, leg: ParticipantId | None, prompts: tuple[str, ...]) -> None:
        self.said.append((leg, *prompts))

    def stop_playing(self, room: RoomName, leg: ParticipantId | None) -> None:
        self.said.append((leg,))

    def record(self, room: RoomName) -> None:
        self.recordings.append(f"start {room}")

    def stop_recording(self, room: RoomName) -> None:
        self.recordings.append(f"stop {room}")

    def inventory(self) -> Mapping[str, int]:
        return {}


@dataclass
class Timer:
    deadline: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(frozen=True)
class Destination:
    room: RoomName
    open: bool


class Plan:
    def resolve(self, to: Address, caller: Address) -> Destination:
        return Destination(RoomName(to.user), to.scheme == "web")

    def is_declared(self, room: RoomName) -> bool:
        return room == ROOM

    def is_lab(self, room: RoomName) -> bool:
        return False


class House:
    """Rooms with everything around them in the test's hand."""

    def __init__(
        self,
        max_participants: int = 10,
        *,
        recording: bool = True,
        rules: Rules | None = None,
        policy: TreePolicy | None = None,
    ) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []
        self.plane = RecordingPlane()
        surroundings = Surroundings(lambda: self.now, self._call_at)
        self.rooms = Rooms(
            Plan(),
            self.plane,
            policy or BreadthFirst(2),
            surroundings,
            max_participants,
            recording=recording,
            rules=lambda _: rules or Rules(),
        )

    def _call_at(self, deadline: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(deadline, callback))
        return self.timers[-1]

    def browser(self, name: str) -> RecordingLeg:
        leg = RecordingLeg(ParticipantId(name))
        self.room = self.rooms.enter(ROOM, leg, BOTH)
        return leg

    async def phone(self, name: str) -> RecordingLeg:
        leg = RecordingLeg(ParticipantId(name), Kind.SIP)
        await self.rooms.join(ROOM, leg, Offer("offer"))
        self.rooms.confirm(leg.id)
        return leg
