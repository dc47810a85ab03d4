"""One browser's signalling: a leg of a native participant.

Waiting for `join`, then in the room, then ended; docs/protocol.md says what is answered when.
Whatever a browser sends can end at most its own participation.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from enum import Enum

from gateway.address import Address
from gateway.allowance import Allowance
from gateway.conference.rooms import Rooms
from gateway.errors import BY_STRANGERS, Reason, Refused
from gateway.ports import SEAT, Kind, LegEvent, ParticipantId
from gateway.web.ice_servers import IceServers
from gateway.web.joins import Joins
from gateway.web.limits import Limits
from gateway.web.participation import Participation
from gateway.web.protocol import codes, server_messages
from gateway.web.protocol.client_messages import ClientMessage, Join, Ping, Ready, SignalTo
from gateway.web.protocol.codes import CloseCode, ErrorCode, ProtocolError
from gateway.web.protocol.parsing import parse
from gateway.web.seat_negotiation import SeatNegotiation
from gateway.web.signalling_socket import Closed, Flooded, SignallingSocket
from gateway.web.tokens import Tokens

_log = logging.getLogger("trestle.web")


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
        socket: SignallingSocket,
        *,
        address: str,
        host: str,
        rooms: Rooms,
        tokens: "Tokens[Session]",
        ice_servers: IceServers,
        joins: Joins,
        limits: Limits,
    ) -> None:
        self.id = participant
        self.name = ""
        self.address = address
        self._socket = socket
        self._host = host
        self._rooms = rooms
        self._tokens = tokens
        self._ice_servers = ice_servers
        self._joins = joins
        self._limits = limits
        self._renewal: asyncio.TimerHandle | None = None
        self._state = _State.WAITING
        self._held: list[LegEvent] = []
        self._errors = 0
        now = asyncio.get_running_loop().time()
        self._acts = Allowance(limits.acts_per_second, limits.acts_burst, now)
        self._seat = SeatNegotiation(participant, limits.seat_queue, socket.send)
        self._participation: Participation | None = None
        """While it is in the room."""

    # --- ports.Leg --------------------------------------------------------------------------

    def notify(self, event: LegEvent) -> None:
        if self._state is _State.ENTERING:
            # `welcome` comes first, and it is only sent once the focus has let us in.
            self._held.append(event)
        elif self._state is _State.JOINED:
            self._socket.send(server_messages.event(event))

    def hang_up(self, reason: Reason, text: str) -> None:
        self._close(reason, text)

    # --- the server -------------------------------------------------------------------------

    def end(self, reason: Reason, text: str) -> None:
        """The server ends the participation: it stops, or the browser came back elsewhere."""
        self._leave(reason, text)
        self._close(reason, text)

    def cut(self) -> None:
        """Without another word."""
        self._socket.abort()

    async def run(self) -> None:
        """Returns when the socket is closed and nothing of the session is left."""
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._limits.join_timeout, self._give_up_waiting)
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(self._socket.write())
                seat = tasks.create_task(self._seat.run())
                await self._read()
                seat.cancel()
                if not self._socket.closing:
                    writer.cancel()
        except Exception:
            _log.exception("%s: our own fault", self.id)
            self._leave(Reason.FAILURE, "our own fault")
            await self._socket.close_at_once(CloseCode.FAILURE)
        finally:
            overdue.cancel()
            if self._renewal is not None:
                self._renewal.cancel()
            self._leave(Reason.CONNECTIVITY, "the connection was cut")
            self._state = _State.ENDED

    # --- what the browser says --------------------------------------------------------------

    async def _read(self) -> None:
        while self._state is not _State.ENDED:
            try:
                self._handle(parse(await self._socket.receive()))
            except ProtocolError as error:
                self._offence(error)
            except Flooded:
                self._error(ErrorCode.RATE_LIMITED, "too much at once")
                self._expel("sent too much at once")
            except Closed as closed:
                if self._state is _State.WAITING and closed.reason is Reason.BAD_REQUEST:
                    _log.info("%s is put out: it %s", self.id, closed.text, extra=BY_STRANGERS)
                self._leave(closed.reason, closed.text)
                return

    def _handle(self, message: ClientMessage) -> None:
        """Raises `ProtocolError` for what does not fit the state, `Flooded`."""
        if isinstance(message, Ping):
            self._socket.send(server_messages.pong())
        elif isinstance(message, Join):
            if self._state is not _State.WAITING:
                raise ProtocolError(ErrorCode.ALREADY_JOINED, "you are in a room already")
            self._join(message)
        elif self._participation is None:
            raise ProtocolError(ErrorCode.NOT_JOINED, "'join' comes first")
        elif isinstance(message, Ready | SignalTo) or self._may_act():
            self._participation.receive(message)
        else:
            raise Flooded

    def _may_act(self) -> bool:
        return self._acts.take(1, asyncio.get_running_loop().time())

    def _join(self, join: Join) -> None:
        if not self._joins.may(self.address, asyncio.get_running_loop().time()):
            text = "too many join from your address at once"
            _log.info("%s: %s: %s", self.id, text, self.address, extra=BY_STRANGERS)
            self._end(CloseCode.TRY_AGAIN, text)
            return
        self.name = join.name
        before = self._tokens.redeem(join.token) if join.token else None
        if before is not None:
            before.end(Reason.REPLACED, "the same participant came back")
        former = before.id if before is not None else None
        self._state = _State.ENTERING
        try:
            name = self._rooms.route(
                Address("web", join.room, self._host), Address("web", self.id, self._host)
            )
            room = self._rooms.enter(name, self, join.publishes, join.key, former, join.device)
        except Refused as refused:
            self._state = _State.WAITING
            _log.info(
                "%s was not let into %s: %s", self.id, join.room, refused.text, extra=BY_STRANGERS
            )
            self._error(codes.of_refused_join(refused.reason), refused.text)
            self._end(CloseCode.POLICY, refused.text)
            return
        self._state = _State.JOINED
        self._participation = Participation(self.id, room, self._seat, self._socket.send)
        self._socket.send(
            server_messages.welcome(
                *(self.id, self._tokens.issue(self), name, self._servers(), SEAT),
                may_record=room.may_record,
                lab=self._rooms.is_lab(name),
            )
        )
        for event in self._held:
            self._socket.send(server_messages.event(event))
        self._held.clear()

    def _servers(self) -> Sequence[Mapping[str, object]]:
        """For ICE; when their credentials are about to end, the browser is sent others."""
        after = self._ice_servers.renew_after
        if after is not None:
            self._renewal = asyncio.get_running_loop().call_later(after, self._renew_servers)
        return self._ice_servers.for_participant(self.id, time.time())

    def _renew_servers(self) -> None:
        if self._state is _State.JOINED:
            self._socket.send(server_messages.ice_servers(self._servers()))

    # --- errors and ends --------------------------------------------------------------------

    def _error(self, code: ErrorCode, text: str) -> None:
        self._socket.send(server_messages.error(code, text))

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
            self._participation = None
            self._tokens.withdraw(self)
            self._rooms.leave(self.id, reason, text)

    def _close(self, reason: Reason, text: str) -> None:
        """Says goodbye; the focus knows already."""
        self._tokens.withdraw(self)
        self._socket.send(server_messages.bye(reason, text))
        self._end(codes.of_closing(reason), text)

    def _end(self, code: int, text: str) -> None:
        self._state = _State.ENDED
        self._participation = None
        self._socket.close(code, text)
