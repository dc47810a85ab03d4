"""One call that came in: RFC 3261, sections 13 to 15; offers and answers by RFC 3264 and 6337.

Takes the requests of one dialog in their order, answers through their transactions, and tells the
conference what it has to decide: an offer, an answer, an end.
"""

from dataclasses import dataclass
from enum import Enum, auto

from gateway.errors import Reason
from gateway.ports import ParticipantId
from sipbridge.dialog import AnswerRetransmission, Dialog
from sipbridge.flow import Flow
from sipbridge.message import SDP, Headers, Request, Response, respond
from sipbridge.status import Refusal, reason_header, refusal
from sipbridge.transaction import InviteServerTransaction, NonInviteServerTransaction, Timers
from sipbridge.uas import ALLOW, SUPPORTED, session_description

# --- what a call tells the conference --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offered:
    """Somebody calls. `sdp` is None when the caller wants our offer (s. 13.2.1).

    Wants `answer` or `refuse`.
    """

    call: ParticipantId
    number: int
    """The INVITE's CSeq, by which the decision names the offer that it is about."""
    invite: Request
    flow: Flow
    sdp: str | None


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A later offer: hold, resume, a moved media address. Wants `answer` or `refuse`."""

    call: ParticipantId
    number: int
    sdp: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to an offer of ours, come with the ACK."""

    call: ParticipantId
    sdp: str
    first: bool
    """False when the call had a session before: a re-INVITE without an offer."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK of our first answer: the caller is where it says (s. 13.3.1.4)."""

    call: ParticipantId


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer ended the call, or it cannot go on. Not told after `hang_up` and `refuse`."""

    call: ParticipantId
    reason: Reason
    text: str


CallEvent = Offered | Reoffered | Answered | Confirmed | Ended


class CallState(Enum):
    """Of the INVITE dialog as a whole; a re-INVITE does not change it."""

    OFFERED = auto()
    """The conference has not answered yet."""
    ANSWERED = auto()
    """Our 2xx is out, its ACK is not in."""
    CONFIRMED = auto()
    HANGING_UP = auto()
    """A BYE waits for the ACK that section 15 wants first."""
    BYE_SENT = auto()
    ENDED = auto()


_TERMINATED = Refusal(487, "Request Terminated")

ServerTransaction = InviteServerTransaction | NonInviteServerTransaction


class Call:
    """The callee's side of one INVITE dialog."""

    def __init__(
        self,
        call_id: ParticipantId,
        dialog: Dialog,
        invite: Request,
        transaction: InviteServerTransaction,
        flow: Flow,
        timers: Timers,
    ) -> None:
        self.id = call_id
        self.dialog = dialog
        self.state = CallState.OFFERED
        self._timers = timers
        self._events: list[CallEvent] = []
        self._requests: list[Request] = []
        self._used: list[ServerTransaction] = []
        self._invite: InviteServerTransaction | None = transaction
        """The INVITE or re-INVITE that waits for our final answer."""
        self._unacknowledged: AnswerRetransmission | None = None
        self._accepted: InviteServerTransaction | None = None
        """The INVITE whose 2xx is `_unacknowledged`: it carries the repetitions."""
        self._had_session = False
        self._local_sdp = ""
        self._bye_headers: Headers = ()
        sdp = session_description(invite)
        self._we_offered = sdp is None
        self._events.append(Offered(call_id, invite.cseq.sequence, invite, flow, sdp))

    # --- what the conference decides ---------------------------------------------------------

    def answer(self, number: int, sdp: str, now: float) -> None:
        """Accepts that INVITE, by the answer to its offer, or our offer where it had none.

        Nothing happens when it was cancelled meanwhile.
        """
        if self._invite is None or self._invite.request.cseq.sequence != number:
            return
        headers = (
            *self.dialog.record_route(),
            ("Contact", self.dialog.contact),
            ALLOW,
            SUPPORTED,
            ("Content-Type", SDP),
        )
        tag = self.dialog.id.local_tag
        request = self._invite.request
        body = sdp.encode()
        response = respond(request, 200, "OK", to_tag=tag, headers=headers, body=body)
        self._respond(self._invite, response, now)
        self._accepted, self._invite = self._invite, None
        self._unacknowledged = AnswerRetransmission(response, self._timers, now)
        self._local_sdp = sdp
        if self.state is CallState.OFFERED:
            self.state = CallState.ANSWERED

    def refuse(self, number: int, refused: Refusal, now: float) -> None:
        """Refuses that INVITE; a refused re-INVITE leaves the call as it was (s. 14.2)."""
        if self._invite is not None and self._invite.request.cseq.sequence == number:
            self._refuse_pending(refused, now)

    def hang_up(self, reason: Reason, text: str, now: float) -> None:
        """Ends the call in the words of whatever state it is in."""
        self._bye_headers = (reason_header(reason, text),)
        match self.state:
            case CallState.OFFERED:
                self._refuse_pending(refusal(reason, text), now)
            case CallState.ANSWERED:
                self.state = CallState.HANGING_UP
            case CallState.CONFIRMED:
                self._refuse_pending(_TERMINATED, now)
                self._send_bye()
            case _:
                pass

    # --- what the peer sends -----------------------------------------------------------------

    def receive_request(
        self, request: Request, transaction: ServerTransaction, flow: Flow, now: float
    ) -> None:
        """A new request inside the dialog (s. 12.2.2); ACK and CANCEL have their own ways."""
        if not self.dialog.takes(request):
            self._reply(transaction, Refusal(500, "CSeq Out Of Order"), now)
            return
        if isinstance(transaction, InviteServerTransaction):
            self._receive_reinvite(request, transaction, flow, now)
            return
        self.dialog.refresh(request, flow)
        self._reply(transaction, Refusal(200, "OK", (ALLOW, SUPPORTED)), now)
        if request.method == "BYE":
            # S. 15.1.2: an INVITE that the BYE overtakes still gets its answer.
            self._refuse_pending(_TERMINATED, now)
            self._end(Reason.NORMAL, "hung up")

    def _receive_reinvite(
        self, request: Request, transaction: InviteServerTransaction, flow: Flow, now: float
    ) -> None:
        if self._invite is not None:
            # A random pause of up to ten seconds; what is random here is our tag.
            pause = (("Retry-After", str(int(self.dialog.id.local_tag[:4], 16) % 11)),)
            self._reply(transaction, Refusal(500, "Another INVITE Is Pending", pause), now)
        elif self._unacknowledged is not None:
            # RFC 5407, section 3.1.4: our answer and its ACK are still on their way.
            self._reply(transaction, Refusal(491, "Request Pending"), now)
        elif self.state is not CallState.CONFIRMED:
            self._reply(transaction, Refusal(481, "Call Has Ended"), now)
        else:
            self.dialog.refresh(request, flow)
            self._invite = transaction
            sdp = session_description(request)
            self._we_offered = sdp is None
            if sdp is None:
                # Nothing of ours has changed, so our offer is what we said last (RFC 3264, s. 8).
                self.answer(request.cseq.sequence, self._local_sdp, now)
            else:
                self._events.append(Reoffered(self.id, request.cseq.sequence, sdp))

    def receive_ack(self, ack: Request, flow: Flow) -> None:
        """The ACK of a 2xx; a stray one is dropped."""
        if self._unacknowledged is None or not self._unacknowledged.acknowledged_by(ack):
            return
        self._unacknowledged = self._accepted = None
        self.dialog.refresh(ack, flow)
        if self.state is CallState.HANGING_UP:
            self._send_bye()
            return
        if self.state is CallState.ANSWERED:
            self.state = CallState.CONFIRMED
        first, self._had_session = not self._had_session, True
        if not self._we_offered:
            if first:
                self._events.append(Confirmed(self.id))
            return
        sdp = session_description(ack)
        if sdp is not None:
            self._events.append(Answered(self.id, sdp, first))
        elif first:
            self._end_by_bye(Reason.MEDIA, "the phone did not answer our offer")

    def receive_cancel(self, invite: ServerTransaction, now: float) -> None:
        """The caller gave up, s. 9.2: 487 to that INVITE. Too late after a final answer.

        A cancelled re-INVITE leaves the call as it was; its offer may be answered into the void.
        """
        if self._invite is not invite:
            return
        first = self.state is CallState.OFFERED
        self._refuse_pending(_TERMINATED, now)
        if first:
            self._events.append(Ended(self.id, Reason.CANCELLED, "gave up before the answer"))

    def receive_response(self, response: Response | None) -> None:
        """How our BYE went; None when nobody answered. The call is over either way (s. 15.1.1)."""
        self.state = CallState.ENDED

    # --- time --------------------------------------------------------------------------------

    def next_timeout(self) -> float | None:
        return self._unacknowledged.next_timeout() if self._unacknowledged else None

    def handle_timeout(self, now: float) -> None:
        if self._unacknowledged is None or self._accepted is None:
            return
        if self._unacknowledged.expired(now):
            self._unacknowledged = self._accepted = None
            if self.state is CallState.HANGING_UP:
                self._send_bye()
            else:
                self._end_by_bye(Reason.CONNECTIVITY, "our answer was never acknowledged")
        elif self._unacknowledged.due(now):
            self._respond(self._accepted, self._unacknowledged.response, now)

    # --- what goes out -----------------------------------------------------------------------

    def used_transactions(self) -> list[ServerTransaction]:
        """The ones that have something to send now."""
        used, self._used = self._used, []
        return used

    def requests_to_send(self) -> list[Request]:
        """Each wants a client transaction whose end is told to `receive_response`."""
        requests, self._requests = self._requests, []
        return requests

    def events(self) -> list[CallEvent]:
        events, self._events = self._events, []
        return events

    def _end_by_bye(self, reason: Reason, text: str) -> None:
        self._bye_headers = (reason_header(reason, text),)
        self._send_bye()
        self._events.append(Ended(self.id, reason, text))

    def _send_bye(self) -> None:
        self.state = CallState.BYE_SENT
        self._requests.append(self.dialog.request("BYE", self._bye_headers))

    def _end(self, reason: Reason, text: str) -> None:
        told = self.state in (CallState.HANGING_UP, CallState.BYE_SENT)
        self.state = CallState.ENDED
        self._unacknowledged = self._accepted = None
        if not told:
            self._events.append(Ended(self.id, reason, text))

    def _refuse_pending(self, refused: Refusal, now: float) -> None:
        if self._invite is None:
            return
        self._reply(self._invite, refused, now)
        self._invite = None
        if self.state is CallState.OFFERED:
            self.state = CallState.ENDED

    def _reply(self, transaction: ServerTransaction, reply: Refusal, now: float) -> None:
        tag = self.dialog.id.local_tag
        response = respond(
            transaction.request, reply.code, reply.phrase, to_tag=tag, headers=reply.headers
        )
        self._respond(transaction, response, now)

    def _respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        transaction.respond(response, now)
        self._used.append(transaction)
