"""SIP as a front door of the conference: `ports.Bridge` over the user agent and its sockets."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from gateway.drive import Driver
from gateway.errors import Reason, Refused
from gateway.ports import Focus, ParticipantId
from sipbridge.call import Answered, Confirmed, Ended, Offered, Reoffered
from sipbridge.flow import Flow, Packet
from sipbridge.framing import Unframeable
from sipbridge.leg import SipLeg, called_by, caller_of
from sipbridge.status import Refusal, refusal
from sipbridge.transport import Transport
from sipbridge.useragent import Closed, Queried, UserAgent, UserAgentEvent

_log = logging.getLogger("trestle.sip")

STOP_LIMIT_S = 2.0
"""How long a stopping gateway waits for the answers to its BYEs."""


class SipBridge:
    """Listens for calls by UDP and TCP; each becomes a leg of the room it dials."""

    def __init__(
        self,
        *,
        listen: str = "0.0.0.0",
        port: int = 5060,
        host: str | None = None,
        udp: bool = True,
        tcp: bool = True,
    ) -> None:
        """`host` stands in Contact and Via; None: the local address that a caller's flow uses."""
        self._listen = listen
        self._wanted_port = port
        self._host = host
        self._udp = udp
        self._tcp = tcp
        self._open: _Open | None = None

    @property
    def port(self) -> int:
        """The one that is listened on; the configured one before `start`."""
        return self._open.transport.port if self._open else self._wanted_port

    async def start(self, focus: Focus) -> None:
        opened = _Open(focus, self._host)
        await opened.transport.start(self._listen, self._wanted_port, udp=self._udp, tcp=self._tcp)
        self._open = opened
        protocols = " and ".join(["UDP"] * self._udp + ["TCP"] * self._tcp)
        _log.info("SIP listens on %s port %d, %s", self._listen, self.port, protocols)

    async def stop(self) -> None:
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.stop()

    def inventory(self) -> Mapping[str, int]:
        if self._open is None:
            return {"sip_dialogs": 0, "sip_transactions": 0, "sip_connections": 0}
        connections = self._open.transport.connections
        return {**self._open.agent.inventory(), "sip_connections": connections}


class _Open:
    """A bridge between `start` and `stop`: what the sockets bring goes in, events go to legs."""

    def __init__(self, focus: Focus, host: str | None) -> None:
        self._focus = focus
        self._host = host
        self._legs: dict[ParticipantId, SipLeg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet = asyncio.Event()
        self.transport = Transport(self)
        self.agent = UserAgent(random_hex=lambda: secrets.token_hex(8), sent_by=self._sent_by)
        self.driver: Driver[Packet, UserAgentEvent] = Driver(
            self.agent, self.transport.send, self._on_event
        )

    async def stop(self) -> None:
        """Sends every BYE, waits a little for the answers, closes everything."""
        self.agent.drain()
        for leg in list(self._legs.values()):
            leg.give_up(Reason.SHUTDOWN, "the gateway is stopping")
        try:
            async with asyncio.timeout(STOP_LIMIT_S):
                while self.agent.calls:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            _log.info("%d calls did not answer our BYE", self.agent.calls)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.driver.close()
        await self.transport.stop()

    # --- transport.Receiver ------------------------------------------------------------------

    def receive_message(self, data: bytes, flow: Flow) -> None:
        self.agent.receive_message(data, flow, self.driver.now())
        self.driver.drain()

    def receive_unframeable(self, unframeable: Unframeable, flow: Flow) -> None:
        self.agent.receive_unframeable(unframeable.head, unframeable.code, unframeable.text, flow)
        self.driver.drain()

    def connection_lost(self, flow: Flow) -> None:
        self.agent.connection_lost(flow, self.driver.now())
        self.driver.drain()

    def uses(self, flow: Flow) -> bool:
        return self.agent.uses(flow)

    # --- the user agent's events -------------------------------------------------------------

    def _on_event(self, event: UserAgentEvent) -> None:
        match event:
            case Offered():
                self._open_leg(event)
            case Reoffered() | Answered() | Confirmed() | Ended():
                if leg := self._legs.get(event.call):
                    leg.deliver(event)
            case Queried():
                self._reply(event)
            case Closed():
                self._quiet.set()
            case _:
                assert_never(event)

    def _open_leg(self, offered: Offered) -> None:
        line = _Line(self.agent, self.driver, offered.call)
        leg = SipLeg(offered, line, self._focus)
        self._legs[leg.id] = leg
        task = asyncio.create_task(self._run(leg), name=f"leg {leg.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, leg: SipLeg) -> None:
        try:
            await leg.run()
        except Exception:
            # Our bug, told with its trace; it ends this call and no other.
            _log.exception("%s: a fault of ours ends the call", leg.id)
            leg.give_up(Reason.FAILURE, "a fault of the gateway")
        finally:
            del self._legs[leg.id]

    def _reply(self, queried: Queried) -> None:
        """An OPTIONS to nobody in particular asks after the gateway; otherwise after a room."""
        to = called_by(queried.request)
        refused: Refusal | None = None
        if to.user:
            try:
                self._focus.route(to, caller_of(queried.request))
            except Refused as error:
                refused = refusal(error.reason, error.text)
        self.agent.reply(queried.query, refused, self.driver.now())
        self.driver.drain()

    def _sent_by(self, flow: Flow) -> str:
        host = self._host or self.transport.local_host(flow)
        bracketed = f"[{host}]" if ":" in host else host
        return f"{bracketed}:{self.transport.port}"


@dataclass(frozen=True, slots=True)
class _Line:
    """`leg.Line`: one call of the user agent."""

    agent: UserAgent
    driver: Driver[Packet, UserAgentEvent]
    call: ParticipantId

    def answer(self, number: int, sdp: str) -> None:
        self.agent.answer(self.call, number, sdp, self.driver.now())
        self.driver.drain()

    def refuse(self, number: int, refused: Refusal) -> None:
        self.agent.refuse(self.call, number, refused, self.driver.now())
        self.driver.drain()

    def hang_up(self, reason: Reason, text: str) -> None:
        self.agent.hang_up(self.call, reason, text, self.driver.now())
        self.driver.drain()
