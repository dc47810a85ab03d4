"""A conference without media, for tests of the SIP side alone: it answers PCMU and notes calls."""

import asyncio
from dataclasses import dataclass, field

from gateway.address import Address
from gateway.errors import Reason, Refused
from gateway.ports import Answer, Candidate, Leg, Offer, ParticipantId, RoomName
from gateway.sdp import SessionDescription, reverse

OWN_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


@dataclass
class PlainFocus:
    """`ports.Focus` over a dictionary. Rooms whose name begins with "no" do not exist."""

    legs: dict[ParticipantId, Leg] = field(default_factory=dict)
    opening: dict[ParticipantId, Leg] = field(default_factory=dict)
    left: list[tuple[ParticipantId, Reason]] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    joined: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: joining waits, as for a slow media plane."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def until(self, **state: int) -> None:
        """Waits until so many legs are `opening` or `present` or `gone`, or `directions` known."""
        wanted = {
            "opening": lambda: len(self.opening),
            "present": lambda: len(self.legs),
            "gone": lambda: len(self.left),
            "directions": lambda: len(self.directions),
        }
        async with asyncio.timeout(10):
            while any(wanted[name]() != value for name, value in state.items()):
                self.changed.clear()
                await self.changed.wait()

    def hang_up(self, leg: ParticipantId, reason: Reason = Reason.NORMAL) -> None:
        self.legs.pop(leg).hang_up(reason, "the host has ended the call")

    # --- ports.Focus ---

    def route(self, to: Address, caller: Address) -> RoomName:
        if to.user.startswith("no") or not to.user:
            raise Refused(Reason.NOT_FOUND, f"there is no room {to.user!r}")
        return RoomName(to.user)

    async def join(self, room: RoomName, leg: Leg, offer: Offer) -> Answer:
        answer = self._answer(offer)
        await self.gate.wait()
        self.opening[leg.id] = leg
        self.changed.set()
        return answer

    def confirm(self, leg: ParticipantId) -> None:
        self._enter(self.opening.pop(leg))

    async def invite(self, room: RoomName, leg: Leg) -> Offer:
        self._enter(leg)
        return Offer(OWN_SDP)

    async def accept(self, leg: ParticipantId, answer: Answer) -> None:
        self._answer(Offer(answer.sdp))

    async def renegotiate(self, leg: ParticipantId, offer: Offer) -> Answer:
        return self._answer(offer)

    def add_candidate(self, leg: ParticipantId, candidate: Candidate) -> None: ...

    def mute(self, leg: ParticipantId, muted: bool) -> None: ...

    def leave(self, leg: ParticipantId, reason: Reason, text: str) -> None:
        self.legs.pop(leg, None)
        self.opening.pop(leg, None)
        self.left.append((leg, reason))
        self.changed.set()

    def _enter(self, leg: Leg) -> None:
        self.legs[leg.id] = leg
        self.joined += 1
        self.changed.set()

    def _answer(self, offer: Offer) -> Answer:
        audio = next(m for m in SessionDescription.parse(offer.sdp).inherited())
        if not {"PCMU"} & {codec.name.upper() for codec in audio.codecs}:
            raise Refused(Reason.MEDIA, "only PCMU is spoken here")
        self.directions.append(audio.direction)
        self.changed.set()
        return Answer(f"{OWN_SDP}a={reverse(audio.direction)}\r\n")
