"""Rooms carry out what a conference decides: legs, media plane and timers together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from gateway.address import Address
from gateway.conference.permissions import Rules
from gateway.conference.room import RECORDINGS_APART
from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.errors import Reason, Refused
from gateway.ports import (
    SEAT,
    Answer,
    Attach,
    Candidate,
    Detach,
    Edge,
    Kind,
    LegEvent,
    LegFailed,
    Measured,
    MediaEvent,
    MediaKind,
    Offer,
    ParticipantId,
    QualityTold,
    RecordingStarted,
    RecordingStopped,
    RoomName,
    Roster,
    RosterChanged,
    SeatReceiving,
    Signal,
    Track,
)
from gateway.trees.planner import TreePolicy
from gateway.trees.policies.breadth_first import BreadthFirst
from support.measured import MEASURED

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


async def test_an_edge_is_told_to_both_of_its_ends_and_to_nobody_else(house: House) -> None:
    legs = [house.browser(name) for name in "abc"]
    for leg in legs:
        for event in leg.events:
            if isinstance(event, Attach):
                assert leg.id in (event.edge.parent, event.edge.child)
    told = [e.edge for leg in legs for e in leg.events if isinstance(e, Attach)]
    assert all(told.count(edge) == 2 for edge in told)


async def test_the_roster_comes_before_any_edge(house: House) -> None:
    house.browser("a")
    assert isinstance(house.browser("b").events[0], RosterChanged)


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


async def test_a_full_room_is_busy_for_everyone() -> None:
    house = House(max_participants=2)
    house.browser("a")
    await house.phone("b")
    with pytest.raises(Refused) as refusal:
        await house.phone("c")
    assert refusal.value.reason is Reason.BUSY
    with pytest.raises(Refused, match="full"):
        house.browser("d")
    assert house.plane.open == {"b"}


async def test_when_the_last_phone_leaves_the_seat_goes_too(house: House) -> None:
    house.browser("a")
    phone = await house.phone("phone")
    house.rooms.leave(phone.id, Reason.NORMAL, "BYE")
    assert house.plane.open == set()
    assert house.plane.dropped == ["a"]


async def test_failed_media_ends_the_leg_and_the_others_stay(house: House) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    house.rooms.on_media_event(LegFailed(phone.id, Reason.CONNECTIVITY, "RTP stopped"))
    assert phone.ended == [Reason.CONNECTIVITY]
    assert ana.ended == []
    assert ana.names() == ["ana"]
    house.rooms.leave(phone.id, Reason.NORMAL, "too late")  # ignored


async def test_a_signal_reaches_a_neighbour_unread(house: House) -> None:
    a, b = house.browser("a"), house.browser("b")
    house.room.signal(a.id, b.id, {"anything": 1})
    assert b.events[-1] == Signal(a.id, {"anything": 1})


async def test_a_signal_to_somebody_in_another_room_is_refused(house: House) -> None:
    a = house.browser("a")
    stranger = RecordingLeg(ParticipantId("stranger"))
    house.rooms.enter(RoomName("other"), stranger, BOTH)
    with pytest.raises(Refused) as refusal:
        house.room.signal(a.id, stranger.id, {})
    assert refusal.value.reason is Reason.NOT_FOUND


async def test_the_seat_answers_an_offer(house: House) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    body = {
        "connection": "k1",
        "description": {"type": "offer", "sdp": "x"},
        "tracks": {"0": {"source": "phone", "kind": "audio"}},
    }
    reply = await house.room.seat_signal(ana.id, body)
    answer = {"type": "answer", "sdp": "seat's answer to x with ['0']"}
    assert reply == {"connection": "k1", "description": answer}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"connection": ""},
        {"connection": "k", "description": {"type": "answer", "sdp": "x"}},
        {"connection": "k", "description": {"type": "offer"}},
        {"connection": "k", "description": []},
        {"connection": "k", "candidate": {"candidate": 1}},
        {"connection": "k", "tracks": {"0": {"source": "phone", "kind": "smell"}}},
        {"connection": "k", "tracks": {"0": "phone"}},
    ],
)
async def test_a_malformed_message_to_the_seat_is_refused(
    house: House, body: Mapping[str, object]
) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    with pytest.raises(Refused) as refusal:
        await house.room.seat_signal(ana.id, body)
    assert refusal.value.reason is Reason.BAD_REQUEST


async def test_an_answer_for_a_browser_that_left_meanwhile_is_taken_back(house: House) -> None:
    ana = house.browser("ana")
    await house.phone("phone")
    house.plane.meanwhile = lambda: house.rooms.leave(ana.id, Reason.NORMAL, "left")
    body = {"connection": "k", "description": {"type": "offer", "sdp": "x"}}
    assert await house.room.seat_signal(ana.id, body) is None
    assert house.plane.dropped.count(ana.id) == 2


async def test_without_a_phone_there_is_no_seat_to_talk_to(house: House) -> None:
    ana = house.browser("ana")
    with pytest.raises(Refused) as refusal:
        await house.room.seat_signal(ana.id, {"connection": "k"})
    assert refusal.value.reason is Reason.NOT_FOUND


async def test_another_way_is_tried_by_the_timer_for_one_that_never_gets_ready(
    house: House,
) -> None:
    legs = [house.browser(name) for name in "abcdefg"]
    attached, last = set[Edge](), None
    while attached != last:
        last = set(attached)
        attached = {e.edge for leg in legs for e in leg.events if isinstance(e, Attach)}
        for edge in sorted(attached - last, key=str):
            if edge.child != "b":
                house.room.ready(edge)
    timer = next(timer for timer in house.timers if not timer.cancelled)
    house.now = timer.deadline
    timer.callback()
    after = {e.edge for leg in legs for e in leg.events if isinstance(e, Attach)}
    assert after - attached


async def test_the_seat_that_receives_ends_the_old_edge(house: House) -> None:
    for name in "ab":
        house.browser(name)
    await house.phone("phone")
    a = ParticipantId("a")
    house.rooms.on_media_event(SeatReceiving(ROOM, Edge(a, a, SEAT)))
    described = house.rooms.describe()[ROOM]
    assert isinstance(described, dict)
    phone = next(p for p in described["participants"] if p["id"] == "phone")
    assert phone["hears"] == ["a"]


async def test_browsers_are_told_how_phones_come_through_and_phones_are_not(house: House) -> None:
    ana, phone = house.browser("ana"), await house.phone("phone")
    gone = ParticipantId("sip-gone")
    house.rooms.on_media_event(Measured(ROOM, {phone.id: MEASURED, gone: MEASURED}))
    assert ana.events[-1] == QualityTold({phone.id: MEASURED})
    assert QualityTold not in map(type, phone.events)
    described = house.rooms.describe()[ROOM]
    assert isinstance(described, dict)
    assert described["media"]["phone"]["quality"] == "good"
    assert described["media"]["phone"]["lost"] == 3
    events = len(ana.events)
    house.rooms.on_media_event(Measured(ROOM, {gone: MEASURED}))
    house.rooms.on_media_event(Measured(RoomName("closed"), {phone.id: MEASURED}))
    assert len(ana.events) == events


def test_a_call_reaches_a_declared_or_an_open_room_and_no_other(house: House) -> None:
    caller = Address("sip", "bob", "192.0.2.9")
    assert house.rooms.route(Address("sip", "demo", "host"), caller) == "demo"
    with pytest.raises(Refused) as refusal:
        house.rooms.route(Address("sip", "standup", "host"), caller)
    assert refusal.value.reason is Reason.NOT_FOUND
    house.rooms.enter(RoomName("standup"), RecordingLeg(ParticipantId("ana")), BOTH)
    assert house.rooms.route(Address("sip", "standup", "host"), caller) == "standup"


async def test_a_recording_is_shown_to_all_and_the_seat_hears_browsers_for_it(house: House) -> None:
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.record(ana.id, True)
    assert house.plane.recordings == ["start demo"]
    assert ana.sees_recording()
    assert ben.sees_recording()
    assert Attach(Edge(ben.id, ben.id, SEAT)) in house.plane.edges
    house.room.record(ben.id, True)
    assert house.plane.recordings == ["start demo"], "it is recorded already"
    body = {"connection": "k", "description": {"type": "offer", "sdp": "x"}}
    assert await house.room.seat_signal(ana.id, body) is not None

    house.room.record(ben.id, False)
    assert house.plane.recordings == ["start demo", "stop demo"]
    assert not ana.sees_recording()
    assert house.plane.dropped == ["ana", "ben"]
    with pytest.raises(Refused):
        await house.room.seat_signal(ana.id, body)


async def test_where_recording_is_off_nobody_may(house: House) -> None:
    house = House(recording=False)
    ana = house.browser("ana")
    with pytest.raises(Refused) as refusal:
        house.room.record(ana.id, True)
    assert refusal.value.reason is Reason.FORBIDDEN
    assert house.plane.recordings == []
    assert not ana.sees_recording()


async def test_a_recording_ends_with_its_room_and_the_next_is_not_recorded(house: House) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    house.rooms.leave(ParticipantId("ana"), Reason.NORMAL, "left")
    assert house.plane.recordings == ["start demo", "stop demo"]
    house.rooms.on_media_event(RecordingStopped(ROOM, "x.opus"))
    assert not house.browser("ben").sees_recording()


async def test_a_recording_that_fails_is_not_shown_any_more_and_phones_hear_it(
    house: House,
) -> None:
    ana = house.browser("ana")
    phone = await house.phone("phone")
    house.room.record(ana.id, True)
    house.rooms.on_media_event(RecordingStarted(ROOM, "x.opus"))
    assert phone.sees_recording()
    house.rooms.on_media_event(RecordingStopped(ROOM, "x.opus", "the disk is full"))
    assert not ana.sees_recording()
    assert house.plane.said == [(None, "recording-started"), (None, "recording-stopped")]
    assert house.plane.dropped == [], "the seat is still needed by the phone"


async def test_who_stopped_one_recording_keeps_the_next(house: House) -> None:
    ana = house.browser("ana")
    for on in (True, False, True):
        house.room.record(ana.id, on)
        house.now += RECORDINGS_APART
    house.rooms.on_media_event(RecordingStopped(ROOM, "first.opus"))
    assert ana.sees_recording()


async def test_recordings_do_not_follow_each_other_at_once_but_can_be_stopped_at_once(
    house: House,
) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    house.room.record(ana.id, False)
    with pytest.raises(Refused, match="only just ended") as refusal:
        house.room.record(ana.id, True)
    assert refusal.value.reason is Reason.OVERLOADED
    assert not ana.sees_recording()
    house.now += RECORDINGS_APART
    house.room.record(ana.id, True)
    assert ana.sees_recording()


async def test_a_phone_alone_is_told_so_by_the_timer_until_somebody_comes(house: House) -> None:
    phone = await house.phone("phone")
    assert house.plane.said == []
    timer = next(timer for timer in house.timers if not timer.cancelled)
    house.now = timer.deadline
    timer.callback()
    assert house.plane.said == [(phone.id, "you-are-alone")]
    house.browser("ana")
    assert house.plane.said[1:] == [(phone.id,), (None, "join")]


async def test_who_confirms_in_a_recorded_room_hears_of_it(house: House) -> None:
    ana = house.browser("ana")
    house.room.record(ana.id, True)
    phone = await house.phone("phone")
    assert (phone.id, "recording-started") in house.plane.said


async def test_who_only_stayed_for_the_last_one_goes_with_it_and_the_room_is_closed() -> None:
    house = House(policy=BreadthFirst(1))
    ana, ben = house.browser("ana"), house.browser("ben")
    house.room.record(ana.id, True)
    to_ana = Edge(ben.id, ben.id, ana.id)
    assert Attach(to_ana) in ana.events
    house.room.ready(to_ana)
    to_seat = Edge(ben.id, ana.id, SEAT)
    assert Attach(to_seat) in house.plane.edges
    house.rooms.on_media_event(SeatReceiving(ROOM, to_seat))
    house.room.withdraw(ana.id)
    assert not ana.ended
    house.rooms.leave(ben.id, Reason.NORMAL, "left")
    assert ana.ended == [Reason.NORMAL]
    assert not any(house.rooms.inventory().values())
