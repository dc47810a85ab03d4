"""A user agent on a table: an own clock, and a peer whose messages are written by hand."""

from itertools import count
from typing import Any

from gateway.ports import ParticipantId
from sipbridge.call import Confirmed, Offered
from sipbridge.flow import Flow
from sipbridge.message import Request, Response, parse
from sipbridge.transaction import Timers
from sipbridge.useragent import Limits, UserAgent, UserAgentEvent

UDP = Flow("UDP", "192.0.2.1", 5070)
TCP = Flow("TCP", "192.0.2.1", 40123, 1)
OFFER = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = "v=0\r\no=- 9 9 IN IP4 192.0.2.99\r\ns=-\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"


def message(
    method: str = "INVITE",
    *,
    uri: str = "sip:demo@gateway1",
    branch: str = "z9hG4bK1",
    call_id: str = "call-1",
    tag: str = "alice",
    to_tag: str = "",
    number: int = 1,
    body: str = "",
    contact: str | None = "<sip:alice@192.0.2.1:5070>",
    extra: str = "",
    via: str = "192.0.2.1:5070",
    rport: str = ";rport",
    protocol: str = "UDP",
    cseq_method: str = "",
) -> bytes:
    """A request of the peer's."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{protocol} {via};branch={branch}{rport}",
        f'From: "Alice" <sip:alice@example.com>;tag={tag}',
        f"To: <{uri}>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {number} {cseq_method or method}",
        "Max-Forwards: 70",
    ]
    if contact is not None:
        lines.append(f"Contact: {contact}")
    if body and "Content-Type" not in extra:
        lines.append("Content-Type: application/sdp")
    if extra:
        lines.append(extra)
    lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


class Lab:
    """The machine and all that came out of it, with the second at which it did."""

    def __init__(
        self, flow: Flow = UDP, *, timers: Timers | None = None, limits: Limits | None = None
    ) -> None:
        numbers = count(1)
        self.flow = flow
        self.agent = UserAgent(
            random_hex=lambda: f"{next(numbers):06x}" + "0" * 10,
            sent_by=lambda _: "192.0.2.99:5060",
            timers=timers,
            limits=limits,
        )
        self.now = 0.0
        self.log: list[tuple[float, Request | Response]] = []
        self.flows: list[Flow] = []
        self._read = 0
        self._events: list[UserAgentEvent] = []

    def receive(self, data: bytes, flow: Flow | None = None) -> None:
        self.agent.receive_message(data, flow or self.flow, self.now)
        self.drain()

    def advance(self, seconds: float) -> None:
        """Lets time pass, waking the machine whenever it asks."""
        end = self.now + seconds
        while (deadline := self.agent.next_timeout()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.agent.handle_timeout(self.now)
            self.drain()
        self.now = end

    def drain(self) -> None:
        for packet in self.agent.messages_to_send(self.now):
            self.log.append((self.now, parse(packet.data)))
            self.flows.append(packet.flow)
        self._events += self.agent.events()

    def sent(self) -> list[Request | Response]:
        """What has gone out since the last look."""
        new = [message for _, message in self.log[self._read :]]
        self._read = len(self.log)
        return new

    def times(self, since: int = 0) -> list[float]:
        return [time for time, _ in self.log[since:]]

    def response(self) -> Response:
        """The only message since the last look."""
        (response,) = self.sent()
        assert isinstance(response, Response)
        return response

    def request(self) -> Request:
        (request,) = self.sent()
        assert isinstance(request, Request)
        return request

    def codes(self) -> list[int]:
        return [message.code for message in self.sent() if isinstance(message, Response)]

    def events(self) -> list[UserAgentEvent]:
        events, self._events = self._events, []
        return events

    # --- whole steps of a call ---

    def offered(self, **fields: Any) -> ParticipantId:
        """An INVITE comes in; gives the call's id."""
        self.receive(message(**{"body": OFFER, **fields}))
        (event,) = self.events()
        assert isinstance(event, Offered), event
        return event.call

    def answer(self, call: ParticipantId, number: int = 1, sdp: str = ANSWER) -> Response:
        self.agent.answer(call, number, sdp, self.now)
        self.drain()
        return self.response()

    def established(self, **fields: Any) -> tuple[ParticipantId, str]:
        """A call from INVITE to ACK; gives its id and our tag."""
        call = self.offered(**fields)
        tag = self.answer(call, fields.get("number", 1)).to.tag
        self.ack(tag, **fields)
        assert self.events() == [Confirmed(call)]
        return call, tag

    def ack(self, to_tag: str, **fields: Any) -> None:
        fields = {"branch": "z9hG4bKack", **fields, "to_tag": to_tag}
        self.receive(message("ACK", **fields))

    def ok(self, request: Request, code: int = 200) -> None:
        """The peer answers a request of ours."""
        vias = "".join(f"Via: {via}\r\n" for via in request.all("Via"))
        fields = "".join(f"{n}: {request.get(n)}\r\n" for n in ("From", "To", "Call-ID", "CSeq"))
        self.receive(f"SIP/2.0 {code} Whatever\r\n{vias}{fields}\r\n".encode())
