"""The small interfaces in the middle.

A bridge is everything that one foreign protocol needs: it depends on this module (and on
`address`, `sdp`, `errors`, `drive`) and on nothing else of the gateway; no two bridges know each
other. The media plane hides behind `MediaPlane` in the same way: everything that crosses is a
frozen value, so that it can run in another process.

Everything here runs on one event loop. Methods that are not `async` never block and never call
back into their caller before they return.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from gateway.address import Address
from gateway.errors import Reason
from gateway.statistics import EngineStatistics, LegStatistics

RoomName = NewType("RoomName", str)

ParticipantId = NewType("ParticipantId", str)
"""Names one participant, its leg, its tree and its node; it starts every log line about them."""

SEAT = ParticipantId("seat")
"""The gateway's own node in each forest: leaf of browsers' trees, root of legacy ones."""


class Kind(StrEnum):
    """How a participant joined; shown in the roster."""

    WEB = "web"
    SIP = "sip"
    XMPP = "xmpp"


class MediaKind(StrEnum):
    """What a participant publishes: the media of RFC 8866, and its screen."""

    AUDIO = "audio"
    VIDEO = "video"
    SCREEN = "screen"


class StreamKind(StrEnum):
    """What one tree carries of its source; the camera's picture has two layers."""

    AUDIO = "audio"
    LOW = "low"
    HIGH = "high"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Muted:
    """What a participant keeps back of what it publishes."""

    audio: bool = False
    video: bool = False


@dataclass(frozen=True, slots=True)
class Participant:
    """One entry of the roster; RFC 4575, section 5.6."""

    id: ParticipantId
    kind: Kind
    name: str
    """For people: 1 to 64 characters, no control characters."""
    publishes: frozenset[MediaKind] = frozenset()
    muted: Muted = Muted()
    may: frozenset[MediaKind] = frozenset()
    """What it may publish; all that it publishes is among it."""
    moderator: bool = False
    hand: int = 0
    """Its place in the order of raised hands, from 1; 0 while it is down."""
    online: bool = True
    """Whether it is heard of: False where its reports have stopped."""


@dataclass(frozen=True, slots=True)
class Roster:
    """Everyone in a conference, in order of joining. `version` rises by one with each change."""

    version: int
    participants: tuple[Participant, ...]
    recorded: bool = False
    """Whether what they say is being recorded."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`child` gets `source`'s stream from `parent`: one edge of one tree."""

    source: ParticipantId
    parent: ParticipantId
    child: ParticipantId
    kind: StreamKind = StreamKind.AUDIO


# --- what the focus tells a leg -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """The roster is now this one."""

    roster: Roster


@dataclass(frozen=True, slots=True)
class Attach:
    """Start this edge; told to its parent and its child, the parent has the stream by now."""

    edge: Edge


@dataclass(frozen=True, slots=True)
class Detach:
    """Stop this edge; told to its parent and its child."""

    edge: Edge


@dataclass(frozen=True, slots=True)
class Standby:
    """Hold this edge ready, or not any more; told to its parent and its child.

    Its child takes it by itself where its own parent fails, and says ready then.
    """

    edge: Edge
    on: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """A neighbour's negotiation message, passed on unread; docs/protocol.md, `signal`."""

    sender: ParticipantId
    body: Mapping[str, object]


class FaultKind(StrEnum):
    """What can be done to a participant of an experiment; docs/protocol.md, `fault`."""

    KILL = "kill"
    """It is gone without a word, and comes back as somebody new."""
    FREEZE = "freeze"
    """It passes nothing on."""
    LOSS = "loss"
    """A part of what it sends is lost."""
    DELAY = "delay"
    """What it sends is held back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Behave as if this had happened; only in rooms that are for experiments."""

    fault: FaultKind
    seconds: float
    """How long it lasts; of no meaning for a kill."""
    ratio: float | None = None
    """Of a loss: 0 to 1."""
    ms: float | None = None
    """Of a delay."""


@dataclass(frozen=True, slots=True)
class QualityTold:
    """How the media of some legacy participants does; those that are not named did not change."""

    legs: Mapping[ParticipantId, LegStatistics]


LegEvent = RosterChanged | Attach | Detach | Standby | Signal | QualityTold | Fault


class Leg(Protocol):
    """One participant's signalling attachment: a SIP dialog, a Jingle session or a web socket."""

    @property
    def id(self) -> ParticipantId: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def name(self) -> str:
        """What people call the participant."""
        ...

    @property
    def address(self) -> str:
        """Where it comes from, for the log: a SIP URI, a JID, an IP address."""
        ...

    def notify(self, event: LegEvent) -> None:
        """Takes what the focus has to say; a leg ignores what its protocol cannot express."""
        ...

    def hang_up(self, reason: Reason, text: str) -> None:
        """The focus ends the leg (it is out of the roster already): tell the peer, clean up."""
        ...


# --- session descriptions -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """An SDP offer as text; RFC 3264."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An SDP answer as text; RFC 3264."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trickled ICE candidate: `line` is the value of `a=candidate`, without "candidate:".

    `mid` names the m-section it belongs to (RFC 5888). RFC 8838, RFC 8839 section 5.1.
    """

    mid: str
    line: str


# --- the focus as a bridge sees it ----------------------------------------------------------


class Focus(Protocol):
    """The conference server for legs whose media ends at the gateway; RFC 4353, section 3.

    A leg comes in once, by `join` and then `confirm` (the peer offered) or by `invite` and then
    `accept` (we offered), and leaves once: either the bridge calls `leave`, or the focus calls
    `Leg.hang_up`, never both.
    """

    def route(self, to: Address, caller: Address) -> RoomName:
        """What a call to `to` means. Raises `Refused`: not-found, forbidden."""
        ...

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        """Opens the leg's media; `confirm` brings it into the conference, or `leave` ends it.

        Raises `Refused` (media, security, busy, bad-request), and then nothing is left behind.
        """
        ...

    def confirm(self, leg: ParticipantId) -> None:
        """The peer took our answer (SIP's ACK): the leg is in the roster, and media may flow.

        Not before: whoever claims a false address never confirms, and gets no stream sent there.
        A leg that has left is ignored; a conference that is full by now hangs it up.
        """
        ...

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        """Opens the leg's media with an offer of ours (a delayed offer, RFC 3261 s. 13.2.1).

        Ends in `accept`, or in `leave` when no answer comes. Raises `Refused`.
        """
        ...

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        """The peer's answer to `invite`: the leg is in the roster now. Raises `Refused`."""
        ...

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        """A later offer: hold, resume, a moved media address.

        Raises `Refused`, and then the leg goes on as it was (RFC 3264, section 8).
        """
        ...

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None:
        """A candidate of the peer's, after its description. One that cannot be used is dropped."""
        ...

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        """The participant muted or unmuted itself, by key or by its protocol's message."""
        ...

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        """The leg has ended. A leg that is already gone is ignored."""
        ...


class Bridge(Protocol):
    """A protocol's front door."""

    async def start(self, focus: Focus) -> None:
        """Listens or connects; returns when people can call. Raises `TrestleError`."""
        ...

    async def stop(self) -> None:
        """Ends every leg in its protocol's words and leaves nothing open."""
        ...

    def inventory(self) -> Mapping[str, int]:
        """How many of each thing are open now, e.g. {"sip_dialogs": 2}; for status and tests."""
        ...


# --- the media plane ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Track:
    """What one m-section of a connection between neighbours carries."""

    source: ParticipantId
    kind: StreamKind


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A telephone event has ended; RFC 4733. `digit` is one of 0-9 * # A-D."""

    leg: ParticipantId
    digit: str


@dataclass(frozen=True, slots=True)
class LegFailed:
    """A leg's media is gone for good: ICE failed, DTLS failed, RTP stopped."""

    leg: ParticipantId
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class SeatReceiving:
    """The seat hears this edge's stream: the first frame has come."""

    room: RoomName
    edge: Edge


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """All that was to be played to `leg`, or to the whole room, has been, or was stopped."""

    room: RoomName
    leg: ParticipantId | None


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """The room's mix goes into the file at `path`."""

    room: RoomName
    path: str


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The file at `path`, if there is one, will not grow any more; not told where the room has been
    recorded anew since.

    `why` is a sentence for people where nobody asked for it: the disk is full, a worker died.
    """

    room: RoomName
    path: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """How some legs of a room do; each comes about every five seconds."""

    room: RoomName
    legs: Mapping[ParticipantId, LegStatistics]


MediaEvent = (
    DigitPressed
    | LegFailed
    | Measured
    | PlayEnded
    | RecordingStarted
    | RecordingStopped
    | SeatReceiving
)


class MediaPlane(Protocol):
    """Ends and mixes the legacy legs' media and holds each room's seat in the forest.

    Knows legs, rooms and edges; knows nothing of SIP, Jingle or web sockets. A leg hears its room
    and is a source for it from `confirm` to `close`.
    """

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None: ...

    async def stop(self) -> None: ...

    async def answer(self, room: RoomName, leg: ParticipantId, offer: Offer) -> Answer:
        """A new leg's offer, or a later one of a leg that is open. Raises `Refused`."""
        ...

    async def offer(self, room: RoomName, leg: ParticipantId) -> Offer:
        """Offers plain RTP to a leg that made no offer of its own. Raises `Refused`."""
        ...

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        """The answer to `offer`. Raises `Refused`."""
        ...

    def confirm(self, leg: ParticipantId) -> None:
        """The peer is there, by its own word: from now on media is sent to it."""
        ...

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None: ...

    def mute(self, leg: ParticipantId, muted: bool) -> None:
        """Nobody hears the leg while it is muted."""
        ...

    def set_gain(self, listener: ParticipantId, source: ParticipantId, gain: float) -> None:
        """What one leg hears of another participant, a leg or a browser: 0.0 is a block, 1.0 is as
        everybody hears it, 4.0 is the most. Unknown listeners are ignored."""
        ...

    async def send_digits(self, leg: ParticipantId, digits: str) -> None:
        """Presses keys (0-9 * # A-D) at the leg's end, after those that are still being sent.

        Returns when they have begun. Raises `Refused`: not-found, bad-request for what is on no
        keypad, media where the peer takes no telephone events or nothing at all now.
        """
        ...

    def close(self, leg: ParticipantId) -> None:
        """Frees all that `answer` or `offer` opened. Unknown legs are ignored."""
        ...

    async def seat_answer(
        self,
        room: RoomName,
        peer: ParticipantId,
        connection: str,
        offer: Offer,
        tracks: Mapping[str, Track],
    ) -> Answer:
        """A browser's offer to the seat. The seat only answers, it never offers.

        `connection` names the browser's RTCPeerConnection: a new name is a new connection and
        ends the old one. `tracks` names by mid what the browser sends and what it wants to
        receive. Raises `Refused`.
        """
        ...

    def seat_tracks(
        self, room: RoomName, peer: ParticipantId, connection: str, tracks: Mapping[str, Track]
    ) -> None:
        """The same m-sections carry other tracks from now on; no negotiation is needed."""
        ...

    def seat_candidate(
        self, room: RoomName, peer: ParticipantId, connection: str, candidate: Candidate
    ) -> None: ...

    def attach(self, room: RoomName, edge: Edge) -> None:
        """An edge with the seat as parent (send it) or as child (mix it in)."""
        ...

    def detach(self, room: RoomName, edge: Edge) -> None: ...

    def drop_peer(self, room: RoomName, peer: ParticipantId) -> None:
        """The browser is gone, or the seat is no longer needed: close the connection with it."""
        ...

    def play(self, room: RoomName, leg: ParticipantId | None, prompts: tuple[str, ...]) -> None:
        """Plays prompts one after the other, after those that are being played there.

        To one leg, or to all legs of the room. The names are those of `gateway.media.prompts`;
        one that does not exist is left out. `PlayEnded` tells the end.
        """
        ...

    def stop_playing(self, room: RoomName, leg: ParticipantId | None) -> None:
        """Ends what `play` began with the same room and leg, and what waits behind it."""
        ...

    def record(self, room: RoomName) -> None:
        """The room's whole mix goes into a new file: `RecordingStarted`, or `RecordingStopped`.

        Goes on until `stop_recording`, also while nobody is there.
        """
        ...

    def stop_recording(self, room: RoomName) -> None:
        """`RecordingStopped` tells when the file is whole."""
        ...

    def statistics(self) -> Mapping[int, EngineStatistics]:
        """How each engine does, as of some seconds ago, by its number; one that is being started
        is missing."""
        ...

    def inventory(self) -> Mapping[str, int]:
        """How many of each thing are open now, e.g. {"rtp_legs": 1, "peer_connections": 4}."""
        ...
