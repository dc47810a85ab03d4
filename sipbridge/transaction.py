"""Transactions: RFC 3261, section 17, with the Accepted state of RFC 6026.

Three machines: INVITE server, other requests' server, other requests' client. Each absorbs what
the network repeats and repeats what the network loses, so that the layer above sees every request
once. Timers carry their names from RFC 3261, table 4. The INVITE client comes with calls that we
place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from sipbridge.flow import Flow
from sipbridge.message import MAGIC_COOKIE, Request, Response, respond

TransactionKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Timers:
    """The three times that all timers are made of, in seconds; RFC 3261, section 17.1.1.1."""

    t1: float = 0.5
    """Estimated round trip."""
    t2: float = 4.0
    """Longest pause between repetitions."""
    t4: float = 5.0
    """How long the network keeps a message."""
    trying: float = 0.2
    """A slower answer to an INVITE is announced by 100; section 17.2.1."""

    @property
    def give_up(self) -> float:
        """Timers B, F, H, J, L and M."""
        return 64 * self.t1


class State(Enum):
    """RFC 3261, figures 6 to 8, and RFC 6026, section 7."""

    TRYING = auto()
    PROCEEDING = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


def server_key(request: Request) -> TransactionKey:
    """What a repeated request, its ACK and its CANCEL are recognised by; section 17.2.3.

    An ACK counts as INVITE. Peers without the magic cookie are matched as RFC 2543 did.
    """
    method = "INVITE" if request.method == "ACK" else request.method
    via = request.via
    # The cookie alone names nothing: RFC 4475, section 3.3.2 (badbranch).
    if via.branch.startswith(MAGIC_COOKIE) and via.branch != MAGIC_COOKIE:
        return (via.branch, via.sent_by, method)
    # The To tag is left out: the ACK of a refused INVITE carries one, its INVITE did not.
    tag, number = request.from_.tag, str(request.cseq.sequence)
    return (via.branch, via.sent_by, method, request.uri, tag, request.call_id, number)


def cancelled_key(cancel: Request) -> TransactionKey:
    """The key of the INVITE that a CANCEL means; section 9.2."""
    branch, sent_by, _, *rest = server_key(cancel)
    return (branch, sent_by, "INVITE", *rest)


class Transaction:
    """What the machines share: named deadlines, messages on their way out."""

    def __init__(self, request: Request, flow: Flow, timers: Timers, state: State) -> None:
        self.request = request
        self.flow = flow
        """Where this machine's messages go."""
        self.state = state
        self._timers = timers
        self._deadlines: dict[str, float] = {}
        self._outbox: list[Request | Response] = []

    def next_timeout(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def handle_timeout(self, now: float) -> None:
        due = [name for name, deadline in self._deadlines.items() if deadline <= now]
        for name in due:
            # An earlier timer of this round may have ended the state that this one belongs to.
            if self._deadlines.pop(name, None) is not None:
                self._fire(name, now)

    def messages_to_send(self) -> list[Request | Response]:
        messages, self._outbox = self._outbox, []
        return messages

    def abandon(self) -> None:
        """The connection is gone, nothing can be said any more; section 17.1.4, 17.2.4."""
        self._enter(State.TERMINATED)

    def _enter(self, state: State) -> None:
        self.state = state
        self._deadlines.clear()

    def _fire(self, name: str, now: float) -> None:
        raise NotImplementedError

    def _reliable_zero(self, seconds: float) -> float:
        """Timers that only outlive stragglers are zero where nothing is repeated."""
        return 0.0 if self.flow.reliable else seconds


class InviteServerTransaction(Transaction):
    """Section 17.2.1, figure 7."""

    def __init__(self, request: Request, flow: Flow, timers: Timers, now: float) -> None:
        super().__init__(request, flow, timers, State.PROCEEDING)
        self._last: Response | None = None
        self._timer_g = timers.t1
        self._deadlines["trying"] = now + timers.trying

    def receive_invite(self) -> None:
        """The INVITE again: the answer goes out again.

        Not in Accepted: there the dialog repeats the 2xx (RFC 6026, section 7.1).
        """
        if self.state is State.PROCEEDING and self._last is None:
            self._last = respond(self.request, 100, "Trying")
        if self.state in (State.PROCEEDING, State.COMPLETED) and self._last is not None:
            self._deadlines.pop("trying", None)
            self._outbox.append(self._last)

    def receive_ack(self, now: float) -> bool:
        """False when the ACK is the dialog's: it acknowledges a 2xx."""
        if self.state is State.COMPLETED:
            self._enter(State.CONFIRMED)
            self._deadlines["I"] = now + self._reliable_zero(self._timers.t4)
        return self.state is not State.ACCEPTED

    def respond(self, response: Response, now: float) -> None:
        """A response of the layer above; in Accepted only a 2xx again, otherwise none after a
        final one."""
        if self.state is State.ACCEPTED and 200 <= response.code < 300:
            self._outbox.append(response)
        elif self.state is State.PROCEEDING:
            self._outbox.append(response)
            self._last = response
            self._deadlines.pop("trying", None)
            if 200 <= response.code < 300:
                self._enter(State.ACCEPTED)
                self._deadlines["L"] = now + self._timers.give_up
            elif response.final:
                self._enter(State.COMPLETED)
                self._deadlines["H"] = now + self._timers.give_up
                if not self.flow.reliable:
                    self._deadlines["G"] = now + self._timer_g

    def _fire(self, name: str, now: float) -> None:
        match name:
            case "trying":
                self._last = respond(self.request, 100, "Trying")
                self._outbox.append(self._last)
            case "G" if self._last is not None:
                self._outbox.append(self._last)
                self._timer_g = min(2 * self._timer_g, self._timers.t2)
                self._deadlines["G"] = now + self._timer_g
            case _:  # H: no ACK came; I: no ACK can come any more; L: no repeated 2xx either.
                self._enter(State.TERMINATED)


class NonInviteServerTransaction(Transaction):
    """Section 17.2.2, figure 8. No provisional responses: RFC 4320, section 4.1."""

    def __init__(self, request: Request, flow: Flow, timers: Timers, now: float) -> None:
        super().__init__(request, flow, timers, State.TRYING)
        self._last: Response | None = None
        # The client's: it has given up by then, an answer would find nobody (RFC 4320, s. 4.1).
        self._deadlines["F"] = now + timers.give_up

    def receive_request(self) -> None:
        """The request again: the final response goes out again, if there is one yet."""
        if self._last is not None:
            self._outbox.append(self._last)

    def respond(self, response: Response, now: float) -> None:
        """The one final response."""
        if self.state is not State.TRYING:
            return
        self._last = response
        self._outbox.append(response)
        self._enter(State.COMPLETED)
        self._deadlines["J"] = now + self._reliable_zero(self._timers.give_up)

    def _fire(self, name: str, now: float) -> None:
        # F: no answer of ours came in time; J: no repetition can come any more.
        self._enter(State.TERMINATED)


class NonInviteClientTransaction(Transaction):
    """Section 17.1.2, figure 6. `on_end` hears once how it went: the final response, or None."""

    def __init__(
        self,
        request: Request,
        flow: Flow,
        timers: Timers,
        now: float,
        on_end: Callable[[Response | None], None],
    ) -> None:
        super().__init__(request, flow, timers, State.TRYING)
        self._on_end = on_end
        self._timer_e = timers.t1
        self._outbox.append(request)
        self._deadlines["F"] = now + timers.give_up
        if not flow.reliable:
            self._deadlines["E"] = now + timers.t1

    def receive_response(self, response: Response, now: float) -> None:
        if self.state not in (State.TRYING, State.PROCEEDING):
            return
        if not response.final:
            self.state = State.PROCEEDING
            return
        self._enter(State.COMPLETED)
        self._deadlines["K"] = now + self._reliable_zero(self._timers.t4)
        self._on_end(response)

    def abandon(self) -> None:
        if self.state in (State.TRYING, State.PROCEEDING):
            self._on_end(None)
        super().abandon()

    def _fire(self, name: str, now: float) -> None:
        match name:
            case "E":
                self._outbox.append(self.request)
                doubled = min(2 * self._timer_e, self._timers.t2)
                waiting = self.state is State.PROCEEDING
                self._timer_e = self._timers.t2 if waiting else doubled
                self._deadlines["E"] = now + self._timer_e
            case "F":
                self._on_end(None)
                self._enter(State.TERMINATED)
            case _:  # K: no repeated response can come any more.
                self._enter(State.TERMINATED)
