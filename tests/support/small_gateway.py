"""A gateway without web and XMPP: rooms, the SIP bridge on a real socket, and a media plane."""

import asyncio
from dataclasses import dataclass
from typing import Self

from gateway.address import Address
from gateway.conference.permissions import Rules
from gateway.conference.rooms import Rooms
from gateway.conference.surroundings import Surroundings
from gateway.errors import Reason
from gateway.ports import (
    Kind,
    LegEvent,
    MediaPlane,
    Offer,
    ParticipantId,
    RoomName,
)
from gateway.trees.policies.breadth_first import BreadthFirst
from sipbridge.bridge import SipBridge
from support.media_peers import Phone, XmppClient
from support.sip import Response, SipSocket


@dataclass(frozen=True)
class _Destination:
    room: RoomName
    open: bool = True


class _EveryRoom:
    """A dial plan in which every user part is a room."""

    def resolve(self, to: Address, caller: Address) -> _Destination:
        return _Destination(RoomName(to.user))

    def is_declared(self, room: RoomName) -> bool:
        return False

    def is_lab(self, room: RoomName) -> bool:
        return False


class SmallGateway:
    """Starts and stops with the context; `plane` is not started yet."""

    def __init__(
        self, plane: MediaPlane, host: str = "127.0.0.1", rules: Rules | None = None
    ) -> None:
        """`rules` of who may publish, in every room."""
        self.plane = plane
        self.host = host
        self._rules = rules or Rules()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        time = Surroundings(loop.time, loop.call_at)
        self.rooms = Rooms(
            _EveryRoom(), self.plane, BreadthFirst(2), time, 100, rules=lambda _: self._rules
        )
        await self.plane.start(self.rooms.on_media_event)
        self.sip = SipBridge(listen=self.host, port=0)
        await self.sip.start(self.rooms)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sip.stop()
        await self.plane.stop()

    def uri(self, room: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{room}@{host}:{self.sip.port}"


class Caller:
    """A phone: SIP by hand, and a tone in G.711."""

    def __init__(self, gateway: SmallGateway, hz: int) -> None:
        self.sip = SipSocket(gateway.sip.port)
        self.media = Phone(hz)
        self._gateway = gateway

    async def __aenter__(self) -> Self:
        await self.sip.__aenter__()
        await self.media.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.media.__aexit__()
        await self.sip.__aexit__(None, None, None)

    async def invite(self, room: str) -> Response:
        """Calls, and acknowledges whatever comes of it; RFC 3261, section 17.1.1.3."""
        self.sip.new_call()
        uri = self._gateway.uri(room)
        self.sip.request("INVITE", uri, body=self.media.offer())
        response = await self.sip.response()
        if response.status == 200:
            self.media.take(response.body)
            self._to = response.header("To")
            self.sip.request("ACK", uri, to=self._to)
        else:
            self.sip.acknowledge(uri, response)
        self._uri = uri
        return response

    async def hang_up(self) -> None:
        self.sip.request("BYE", self._uri, to=self._to, number=2)
        assert (await self.sip.response()).status == 200
        self.media.hang_up()

    async def is_hung_up(self) -> str:
        """The gateway's BYE, answered."""
        bye = await self.sip.request_received("BYE")
        self.sip.respond(bye, "200 OK")
        self.media.hang_up()
        return bye


class WebRtcLeg:
    """`ports.Leg` of an aiortc client: DTLS-SRTP over ICE, without a bridge."""

    kind = Kind.XMPP

    def __init__(self, number: int, hz: int) -> None:
        self.id = ParticipantId(f"xmpp-{number}")
        self.name = f"Client {number}"
        self.address = f"client{number}@example.org/x"
        self.client = XmppClient(hz)
        self.ended: asyncio.Future[tuple[Reason, str]] = asyncio.get_running_loop().create_future()

    def notify(self, event: LegEvent) -> None: ...

    def hang_up(self, reason: Reason, text: str) -> None:
        self.ended.set_result((reason, text))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def join(self, gateway: SmallGateway, room: str) -> None:
        offer = Offer(await self.client.offer())
        answer = await gateway.rooms.join(RoomName(room), self, offer)
        await self.client.take(answer.sdp)
        gateway.rooms.confirm(self.id)
