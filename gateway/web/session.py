"""One browser's signalling socket: a leg of a native participant.

Waiting for `join`, then in the room, then ended; docs/protocol.md says what is answered when.
Whatever a browser sends can end at most its own participation.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, assert_never

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from gateway.address import Address
from gateway.conference.member import Shown
from gateway.conference.report import ANY_DEVICE, Device, Report
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import (
    SEAT,
    Edge,
    Focus,
    Kind,
    Leg,
    LegEvent,
    MediaKind,
    Muted,
    ParticipantId,
    RoomName,
)
from gateway.web.allowance import Allowance
from gateway.web.ice_servers import IceServers
from gateway.web.outbox import Outbox
from gateway.web.protocol import codes, server_messages
from gateway.web.protocol.client_messages import (
    Block,
    ClientMessage,
    Grant,
    Hand,
    InRoom,
    Join,
    Leave,
    Mute,
    Ping,
    Publish,
    Ready,
    Record,
    SignalTo,
    Told,
    Unreachable,
    View,
)
from gateway.web.protocol.codes import CloseCode, ErrorCode, ProtocolError
from gateway.web.protocol.parsing import parse

_log = logging.getLogger("trestle.web")


class NativeFocus(Focus, Protocol):
    """The focus as native participants see it: edges and negotiation instead of an offer."""

    @property
    def may_record(self) -> bool:
        """Whether `record` is allowed at all."""
        ...

    def is_lab(self, room: RoomName) -> bool:
        """Whether failures may be injected into this room."""
        ...

    def enter(
        self,
        room: RoomName,
        leg: Leg,
        publishes: frozenset[MediaKind],
        key: str | None = None,
        former: ParticipantId | None = None,
        device: Device = ANY_DEVICE,
    ) -> None:
        """The leg joins, with the rights of `former` if it comes back; it hears of the roster
        first, of its edges then. Raises `Refused`."""
        ...

    def withdraw(self, leg: ParticipantId) -> None:
        """The leg leaves; it is hung up once nobody needs what it relays."""
        ...

    def publish(self, leg: ParticipantId, publishes: frozenset[MediaKind]) -> None:
        """Raises `Refused` (forbidden) for what it may not publish; the rest holds."""
        ...

    def grant(self, leg: ParticipantId, who: ParticipantId, kinds: frozenset[MediaKind]) -> None:
        """What `who` may publish from now on. Raises `Refused` (forbidden, not-found)."""
        ...

    def raise_hand(self, leg: ParticipantId) -> None: ...

    def lower_hand(self, leg: ParticipantId, who: ParticipantId) -> None:
        """Raises `Refused` (forbidden) for another's."""
        ...

    def block(self, leg: ParticipantId, source: ParticipantId, blocked: bool) -> None:
        """Raises `Refused` (not-found)."""
        ...

    def set_muted(self, leg: ParticipantId, muted: Muted) -> None: ...

    def record(self, leg: ParticipantId, recorded: bool) -> None:
        """Raises `Refused` (forbidden, overloaded)."""
        ...

    def view(self, leg: ParticipantId, shows: Shown) -> None: ...

    def unreachable(self, leg: ParticipantId, neighbour: ParticipantId) -> None: ...

    def report(self, leg: ParticipantId, report: Report) -> None: ...

    def ready(self, edge: Edge) -> None: ...

    def signal(self, leg: ParticipantId, to: ParticipantId, body: Mapping[str, object]) -> None:
        """Raises `Refused` (not-found) if the neighbour has left."""
        ...

    async def seat_signal(
        self, leg: ParticipantId, body: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """Gives the seat's answer, if there is one. Raises `Refused`."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one browser may do, and how long."""

    join_timeout: float = 10.0
    """Seconds from the connection to `join`."""
    errors: int = 10
    """Messages against the protocol; one more closes."""
    messages_per_second: float = 100.0
    burst: float = 400.0
    """Messages at once: joining a large room sends many candidates."""
    bytes_per_second: float = 524_288.0
    """Less than a neighbour's backlog, so that one browser cannot cut another off."""
    burst_bytes: float = 1_048_576.0
    seat_queue: int = 256
    """Messages that wait for the seat's answer to an earlier one."""


class Tokens(Protocol):
    """Which live session a `token` names."""

    def issue(self, session: "Session") -> str: ...

    def redeem(self, token: str) -> "Session | None":
        """The session with this token, which is void from now on."""
        ...

    def withdraw(self, session: "Session") -> None: ...


class _State(Enum):
    WAITING = "waiting for join"
    ENTERING = "entering"
    JOINED = "in the room"
    ENDED = "ended"


class Session:
    """Implements `ports.Leg`; `run` reads the socket to its end."""

    kind = Kind.WEB

    def __init__(
        self,
        participant: ParticipantId,
        socket: web.WebSocketResponse,
        abort: Callable[[], None],
        *,
        address: str,
        host: str,
        focus: NativeFocus,
        tokens: Tokens,
        ice_servers: IceServers,
        limits: Limits,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self.id = participant
        self.name = ""
        self._withdrawn = False
        """It said `leave`, and only passes on what it has."""
        self.address = address
        self._socket = socket
        self._abort = abort
        self._host = host
        self._focus = focus
        self._tokens = tokens
        self._ice_servers = ice_servers
        self._limits = limits
        self._renewal: asyncio.TimerHandle | None = None
        self._outbox = Outbox(socket, abort)
        self._state = _State.WAITING
        self._held: list[LegEvent] = []
        self._errors = 0
        self._messages = Allowance(limits.messages_per_second, limits.burst, now)
        self._bytes = Allowance(limits.bytes_per_second, limits.burst_bytes, now)
        self._for_seat: asyncio.Queue[Mapping[str, object]] = asyncio.Queue(limits.seat_queue)

    # --- ports.Leg --------------------------------------------------------------------------

    def notify(self, event: LegEvent) -> None:
        if self._state is _State.ENTERING:
            # `welcome` comes first, and it is only sent once the focus has let us in.
            self._held.append(event)
        elif self._state is _State.JOINED:
            self._send(server_messages.event(event))

    def hang_up(self, reason: Reason, text: str) -> None:
        self._close(reason, text)

    # --- the server -------------------------------------------------------------------------

    def end(self, reason: Reason, text: str) -> None:
        """The server ends the participation: it stops, or the browser came back elsewhere."""
        self._leave(reason, text)
        self._close(reason, text)

    def cut(self) -> None:
        """Without another word."""
        self._abort()

    async def run(self) -> None:
        """Returns when the socket is closed and nothing of the session is left."""
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._limits.join_timeout, self._give_up_waiting)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._outbox.run())
                seat = tasks.create_task(self._negotiate_with_seat())
                await self._read()
                seat.cancel()
                if not self._outbox.closing:
                    writer.cancel()
        except Exception:
            _log.exception("%s: our own fault", self.id)
            self._leave(Reason.FAILURE, "our own fault")
            await self._close_at_once(CloseCode.FAILURE)
        finally:
            overdue.cancel()
            if self._renewal is not None:
                self._renewal.cancel()
            self._leave(Reason.CONNECTIVITY, "the connection was cut")
            self._state = _State.ENDED

    # --- reading ----------------------------------------------------------------------------

    async def _read(self) -> None:
        while self._state is not _State.ENDED:
            frame = await self._socket.receive()
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._receive(frame)
            else:
                reason, text = self._why_it_closed(frame)
                if self._state is _State.WAITING and reason is Reason.BAD_REQUEST:
                    _log.info("%s is put out: it %s", self.id, text, extra=BY_STRANGERS)
                self._leave(reason, text)
                break

    def _why_it_closed(self, frame: WSMessage) -> tuple[Reason, str]:
        if self._outbox.overflowed:
            return Reason.CONNECTIVITY, "it reads too slowly"
        if frame.type is WSMsgType.CLOSE:
            # RFC 6455, section 7.4.1: closed on purpose, page left, no code given.
            if frame.data in (WSCloseCode.OK, WSCloseCode.GOING_AWAY, 0, 1005):
                return Reason.NORMAL, "closed the page"
            return Reason.CONNECTIVITY, f"the browser closed with {frame.data}"
        if isinstance(frame.data, WebSocketError):
            return Reason.BAD_REQUEST, f"broke the web socket protocol: {frame.data}"
        return Reason.CONNECTIVITY, "the connection was lost"

    def _receive(self, frame: WSMessage) -> None:
        now = asyncio.get_running_loop().time()
        fair = self._messages.take(1, now) and self._bytes.take(len(frame.data), now)
        if not fair:
            self._error(ErrorCode.RATE_LIMITED, "too much at once")
            self._expel("sent too much at once")
            return
        if frame.type is WSMsgType.BINARY:
            self._offence(ProtocolError(ErrorCode.BAD_MESSAGE, "only text frames are used"))
            return
        _log.debug("%s < %s", self.id, _without_secrets(frame.data))
        try:
            message = parse(frame.data)
            self._handle(message)
        except ProtocolError as error:
            self._offence(error)

    def _handle(self, message: ClientMessage) -> None:
        """Raises `ProtocolError` for what does not fit the state."""
        if isinstance(message, Ping):
            self._send(server_messages.pong())
        elif isinstance(message, Join):
            if self._state is not _State.WAITING:
                raise ProtocolError(ErrorCode.ALREADY_JOINED, "you are in a room already")
            self._join(message)
        elif self._state is not _State.JOINED:
            raise ProtocolError(ErrorCode.NOT_JOINED, "'join' comes first")
        else:
            self._act(message)

    def _join(self, join: Join) -> None:
        self.name = join.name
        before = self._tokens.redeem(join.token) if join.token else None
        if before is not None:
            before.end(Reason.REPLACED, "the same participant came back")
        self._state = _State.ENTERING
        try:
            room = self._focus.route(Address("web", join.room, self._host), self._caller())
            former = before.id if before is not None else None
            self._focus.enter(room, self, join.publishes, join.key, former, join.device)
        except Refused as refused:
            self._state = _State.WAITING
            _log.info(
                "%s was not let into %s: %s", self.id, join.room, refused.text, extra=BY_STRANGERS
            )
            self._error(codes.of_refused_join(refused.reason), refused.text)
            self._end(CloseCode.POLICY, refused.text)
            return
        self._state = _State.JOINED
        token = self._tokens.issue(self)
        self._send(
            server_messages.welcome(
                *(self.id, token, room, self._servers(), SEAT),
                may_record=self._focus.may_record,
                lab=self._focus.is_lab(room),
            )
        )
        for event in self._held:
            self._send(server_messages.event(event))
        self._held.clear()

    def _servers(self) -> Sequence[Mapping[str, object]]:
        """For ICE; when their credentials are about to end, the browser is sent others."""
        after = self._ice_servers.renew_after
        if after is not None:
            self._renewal = asyncio.get_running_loop().call_later(after, self._renew_servers)
        return self._ice_servers.for_participant(self.id, time.time())

    def _renew_servers(self) -> None:
        if self._state is _State.JOINED:
            self._send(server_messages.ice_servers(self._servers()))

    def _caller(self) -> Address:
        return Address("web", self.id, self._host)

    def _act(self, message: InRoom) -> None:
        match message:
            case Leave():
                if not self._withdrawn:
                    self._withdrawn = True
                    self._focus.withdraw(self.id)
            case _ if self._withdrawn and not isinstance(message, _OF_LEAVERS):
                pass
            case Told(report):
                self._focus.report(self.id, report)
            case Unreachable(neighbour):
                self._focus.unreachable(self.id, neighbour)
            case SignalTo(to, body):
                self._pass_on(to, body)
            case _:
                try:
                    self._tell_focus(message)
                except Refused as refused:
                    self._error(codes.of_denial(refused.reason), refused.text)

    def _pass_on(self, to: ParticipantId, body: Mapping[str, object]) -> None:
        if to != SEAT:
            try:
                self._focus.signal(self.id, to, body)
            except Refused as refused:
                self._refused(refused)
        elif self._for_seat.full():
            self._error(ErrorCode.RATE_LIMITED, "the seat has too much to answer")
        else:
            self._for_seat.put_nowait(body)

    def _tell_focus(
        self,
        message: (Publish | Mute | Record | View | Block | Hand | Grant | Ready),
    ) -> None:
        """Raises `Refused` for what this participant may not, or not now."""
        match message:
            case Publish(publishes):
                self._focus.publish(self.id, publishes)
            case Record(on):
                self._focus.record(self.id, on)
            case Block(participant, blocked):
                self._focus.block(self.id, participant, blocked)
            case Hand(raised=True):
                self._focus.raise_hand(self.id)
            case Hand(participant=whose):
                self._focus.lower_hand(self.id, whose or self.id)
            case Grant(participant, kinds):
                self._focus.grant(self.id, participant, kinds)
            case Mute(muted):
                self._focus.set_muted(self.id, muted)
            case View(shows):
                self._focus.view(self.id, shows)
            case Ready(source, kind, parent):
                self._focus.ready(Edge(source, parent, self.id, kind))
            case _:
                assert_never(message)

    async def _negotiate_with_seat(self) -> None:
        """One message after the other, while the rest goes on."""
        while True:
            body = await self._for_seat.get()
            try:
                answer = await self._focus.seat_signal(self.id, body)
            except Refused as refused:
                self._refused(refused)
            else:
                if answer is not None and self._state is _State.JOINED:
                    self._send(server_messages.signal(SEAT, answer))

    # --- writing and ending -----------------------------------------------------------------

    def _send(self, message: str) -> None:
        _log.debug("%s > %s", self.id, _without_secrets(message))
        self._outbox.send(message)

    def _error(self, code: ErrorCode, text: str) -> None:
        self._send(server_messages.error(code, text))

    def _refused(self, refused: Refused) -> None:
        """A neighbour that just left is nobody's fault; everything else is worth a line."""
        code = codes.of_refused_signal(refused.reason)
        if code is not ErrorCode.UNKNOWN_PEER:
            _log.info(
                "%s: the seat refused its message: %s", self.id, refused.text, extra=BY_STRANGERS
            )
        self._error(code, refused.text)

    def _offence(self, error: ProtocolError) -> None:
        """A message against the protocol: answered, logged in one line, and counted."""
        text = "%s sent a bad message: %s: %s"
        _log.info(text, self.id, error.code, error.text, extra=BY_STRANGERS)
        self._errors += 1
        self._error(error.code, error.text)
        if self._errors > self._limits.errors:
            self._expel("broke the protocol too often")
        elif self._state is _State.WAITING and error.message_type == "join":
            self._end(CloseCode.POLICY, error.text)

    def _expel(self, text: str) -> None:
        _log.info("%s is put out: it %s", self.id, text, extra=BY_STRANGERS)
        self._leave(Reason.BAD_REQUEST, text)
        self._end(CloseCode.POLICY, text)

    def _give_up_waiting(self) -> None:
        if self._state is _State.WAITING:
            text = "%s did not join within %g s"
            _log.info(text, self.id, self._limits.join_timeout, extra=BY_STRANGERS)
            self._end(CloseCode.POLICY, "you did not join")

    def _leave(self, reason: Reason, text: str) -> None:
        """Tells the focus, once."""
        if self._state is _State.JOINED:
            self._state = _State.ENDED
            self._tokens.withdraw(self)
            self._focus.leave(self.id, reason, text)

    def _close(self, reason: Reason, text: str) -> None:
        """Says goodbye; the focus knows already."""
        self._tokens.withdraw(self)
        self._send(server_messages.bye(reason, text))
        self._end(codes.of_closing(reason), text)

    def _end(self, code: int, text: str) -> None:
        self._state = _State.ENDED
        self._outbox.close(code, text)

    async def _close_at_once(self, code: int) -> None:
        try:
            async with asyncio.timeout(1):
                await self._socket.close(code=code)
        except (TimeoutError, ConnectionError):
            self._abort()


_OF_LEAVERS = (Ready, SignalTo)
"""What still counts of one who said `leave`: it relays until its children have other parents."""

_SECRETS = re.compile(r'("(?:token|key|credential)"\s*:\s*")(?:[^"\\]|\\.)*')
_MAX_LOGGED = 400


def _without_secrets(text: str) -> str:
    """For the log: who can read it must not be able to take somebody's place, or use our TURN."""
    return ascii(_SECRETS.sub(r"\1...", text[:_MAX_LOGGED]))[1:-1]
