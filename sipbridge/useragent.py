"""The whole SIP side as one machine: messages in, messages and call events out.

Decides which transaction, dialog and call a message belongs to (RFC 3261, sections 8.2, 9.2, 12.2.2
and 17.2.3), and how much a stranger can make us keep. What a call means is the conference's.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from gateway.errors import BY_STRANGERS, Reason
from gateway.ports import ParticipantId
from sipbridge.call import Call, CallEvent, CallState, ServerTransaction
from sipbridge.dialog import Dialog, DialogId
from sipbridge.flow import Flow, Packet
from sipbridge.headers import SipUri
from sipbridge.message import (
    MAGIC_COOKIE,
    Malformed,
    Request,
    Response,
    answerable,
    fault,
    parse,
    respond,
)
from sipbridge.schedule import Schedule
from sipbridge.status import RETRY_AFTER_S, Refusal
from sipbridge.transaction import (
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    State,
    Timers,
    Transaction,
    TransactionKey,
    cancelled_key,
    server_key,
)
from sipbridge.uas import ACCEPT, ALLOW, SUPPORTED, refuse_request

_log = logging.getLogger("trestle.sip")


@dataclass(frozen=True, slots=True)
class Limits:
    """What strangers can make us keep; more is answered by 503, without state of ours."""

    calls: int = 2000
    """In all, answered or not."""
    invites_per_source: int = 100
    """INVITEs of one IP address that are unanswered, or refused and not yet acknowledged."""
    transactions: int = 10_000


@dataclass(frozen=True, slots=True)
class Queried:
    """OPTIONS outside a call wants what an INVITE would have got (s. 11.2): `reply` to it."""

    query: TransactionKey
    request: Request


@dataclass(frozen=True, slots=True)
class Closed:
    """The last word of a call has been said: its dialog is gone."""

    call: ParticipantId


UserAgentEvent = CallEvent | Queried | Closed

_OVERLOADED = Refusal(503, "Too Many Calls", (("Retry-After", str(RETRY_AFTER_S)),))
_STOPPING = Refusal(503, "Gateway Is Stopping", (("Retry-After", str(RETRY_AFTER_S)),))
_CAPABILITIES = (ALLOW, ACCEPT, ("Accept-Encoding", "identity"), SUPPORTED)
_NO_DIALOG = Refusal(481, "Call Does Not Exist")


class UserAgent:
    """Every transaction, dialog and call of one gateway; RFC 3261, section 6, "User Agent"."""

    def __init__(
        self,
        *,
        random_hex: Callable[[], str],
        sent_by: Callable[[Flow], str],
        timers: Timers | None = None,
        limits: Limits | None = None,
    ) -> None:
        """`random_hex` gives at least 16 new hex digits; tags, branches and ids are made of them.

        `sent_by` gives our own host:port as the peer of a flow can reach it.
        """
        self._random_hex = random_hex
        self._sent_by = sent_by
        self._timers = timers or Timers()
        self._limits = limits or Limits()
        self._server: dict[TransactionKey, ServerTransaction] = {}
        self._client: dict[str, NonInviteClientTransaction] = {}
        self._calls: dict[ParticipantId, Call] = {}
        self._dialogs: dict[DialogId, Call] = {}
        self._owner: dict[Transaction, Call] = {}
        """Whose INVITE or BYE a transaction carries, for CANCEL, for ACK and for the log."""
        self._unsettled: Counter[str] = Counter()
        """How many INVITE transactions of a source count against its limit."""
        self._counted: dict[Transaction, str] = {}
        self._originals: dict[tuple[str, str, str], TransactionKey] = {}
        """Requests that opened a transaction, to tell one that came by two paths (s. 8.2.2.2)."""
        self._schedule: Schedule[Transaction | Call] = Schedule()
        self._packets: list[Packet] = []
        self._events: list[UserAgentEvent] = []
        self._draining = False
        self.dropped = 0
        """Messages that could not even be answered."""

    # --- messages in -------------------------------------------------------------------------

    def receive_message(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram, or one message of a stream. Never raises, whatever it holds."""
        try:
            message = parse(data)
        except Malformed as error:
            self._drop(str(error), flow)
            return
        if isinstance(message, Response):
            self._receive_response(message, data, flow, now)
            return
        found = fault(message)
        if found is None:
            self._receive_request(message.received_by(flow), data, flow, now)
        else:
            self._answer_fault(message, found, flow)

    def receive_unframeable(self, head: bytes, code: int, text: str, flow: Flow) -> None:
        """A stream's message whose end is unknown: answered if it can be, then it is over."""
        try:
            message = parse(head)
        except Malformed as error:
            self._drop(str(error), flow)
            return
        if isinstance(message, Request):
            self._answer_fault(message, (code, text), flow)

    def connection_lost(self, flow: Flow, now: float) -> None:
        """Nothing can be sent there any more; calls live on, their peer may come back."""
        for client in [c for c in self._client.values() if c.flow == flow]:
            client.abandon()
            self._settle(client, now)

    def uses(self, flow: Flow) -> bool:
        """Whether a call's messages go there: such a connection is not idle."""
        return any(call.dialog.flow == flow for call in self._calls.values())

    # --- what the conference decides ---------------------------------------------------------

    def answer(self, call_id: ParticipantId, number: int, sdp: str, now: float) -> None:
        """Accepts an offer, or makes the one that the caller asked for."""
        if call := self._calls.get(call_id):
            call.answer(number, sdp, now)
            self._settle_call(call, now)

    def refuse(self, call_id: ParticipantId, number: int, refused: Refusal, now: float) -> None:
        if call := self._calls.get(call_id):
            call.refuse(number, refused, now)
            self._settle_call(call, now)

    def hang_up(self, call_id: ParticipantId, reason: Reason, text: str, now: float) -> None:
        if call := self._calls.get(call_id):
            call.hang_up(reason, text, now)
            self._settle_call(call, now)

    def reply(self, query: TransactionKey, refused: Refusal | None, now: float) -> None:
        """The answer to an OPTIONS: with our capabilities, or as an INVITE would be refused."""
        transaction = self._server.get(query)
        if transaction is not None:
            reply = refused or Refusal(200, "OK", _CAPABILITIES)
            self._reply(transaction, reply, now)

    def drain(self) -> None:
        """No new calls from now on."""
        self._draining = True

    # --- the machine's other verbs -----------------------------------------------------------

    def next_timeout(self) -> float | None:
        return self._schedule.next_timeout()

    def handle_timeout(self, now: float) -> None:
        for machine in self._schedule.due(now):
            machine.handle_timeout(now)
            if isinstance(machine, Call):
                self._settle_call(machine, now)
            else:
                self._settle(machine, now)

    def messages_to_send(self, now: float) -> list[Packet]:
        packets, self._packets = self._packets, []
        return packets

    def events(self) -> list[UserAgentEvent]:
        events, self._events = self._events, []
        return events

    @property
    def calls(self) -> int:
        """Open calls, the ones whose BYE is not answered yet among them."""
        return len(self._calls)

    def inventory(self) -> Mapping[str, int]:
        transactions = len(self._server) + len(self._client)
        return {"sip_dialogs": len(self._calls), "sip_transactions": transactions}

    # --- requests ----------------------------------------------------------------------------

    def _receive_request(self, request: Request, data: bytes, flow: Flow, now: float) -> None:
        key = server_key(request)
        transaction = self._server.get(key)
        dialog = self._dialogs.get(DialogId.of_request(request))
        owner = self._owner.get(transaction) if transaction else None
        self._trace(dialog or owner, "<", data, flow)
        if request.method == "ACK":
            self._receive_ack(request, transaction, dialog, flow, now)
        elif transaction is None:
            self._open(request, key, dialog, flow, now)
        elif isinstance(transaction, InviteServerTransaction):
            transaction.receive_invite()
            self._settle(transaction, now)
        else:
            transaction.receive_request()
            self._settle(transaction, now)

    def _receive_ack(
        self,
        ack: Request,
        transaction: ServerTransaction | None,
        call: Call | None,
        flow: Flow,
        now: float,
    ) -> None:
        """For a refusal its transaction's, for a 2xx its dialog's; a stray one is dropped."""
        if isinstance(transaction, InviteServerTransaction):
            taken = transaction.receive_ack(now)
            self._settle(transaction, now)
            if taken:
                return
        if call is not None:
            call.receive_ack(ack, flow)
            self._settle_call(call, now)

    def _open(
        self, request: Request, key: TransactionKey, call: Call | None, flow: Flow, now: float
    ) -> None:
        """A request that no transaction knows: checked, then opened (s. 8.2)."""
        new_invite = request.method == "INVITE" and not request.to.tag
        if self._overloaded(new_invite, flow):
            self._send_stateless(request, _OVERLOADED, flow)
            return
        transaction = self._open_transaction(request, key, flow, now)
        if request.method == "CANCEL":
            self._cancel(request, transaction, now)
        elif self._merged(request, key):
            self._reply(transaction, Refusal(482, "Loop Detected"), now)
        elif (refused := refuse_request(request)) is not None:
            self._reply(transaction, refused, now)
        elif call is not None:
            self._owner[transaction] = call
            call.receive_request(request, transaction, flow, now)
            self._settle(transaction, now)
            self._settle_call(call, now)
        elif request.to.tag or request.method in ("BYE", "INFO"):
            self._reply(transaction, _NO_DIALOG, now)
        elif self._draining:
            self._reply(transaction, _STOPPING, now)
        elif isinstance(transaction, InviteServerTransaction):
            self._open_call(request, transaction, flow, now)
        else:
            self._events.append(Queried(key, request))

    def _overloaded(self, new_invite: bool, flow: Flow) -> bool:
        if len(self._server) >= self._limits.transactions:
            return True
        return new_invite and (
            len(self._calls) >= self._limits.calls
            or self._unsettled[flow.host] >= self._limits.invites_per_source
        )

    def _open_transaction(
        self, request: Request, key: TransactionKey, flow: Flow, now: float
    ) -> ServerTransaction:
        # Kept for up to 32 s: without the body, of which no answer copies anything.
        head, reply_flow = replace(request, body=b""), _reply_flow(request, flow)
        transaction: ServerTransaction
        if request.method == "INVITE":
            transaction = InviteServerTransaction(head, reply_flow, self._timers, now)
            self._unsettled[flow.host] += 1
            self._counted[transaction] = flow.host
        else:
            transaction = NonInviteServerTransaction(head, reply_flow, self._timers, now)
        self._server[key] = transaction
        self._schedule.note(transaction)
        return transaction

    def _merged(self, request: Request, key: TransactionKey) -> bool:
        """Whether the same request came before by another path: forked, or in a loop."""
        if request.to.tag:
            return False
        return self._originals.setdefault(_identity(request), key) != key

    def _cancel(self, cancel: Request, transaction: ServerTransaction, now: float) -> None:
        """S. 9.2: 200 to the CANCEL, 487 to its INVITE; 481 when there is none."""
        invite = self._server.get(cancelled_key(cancel))
        if invite is None:
            self._reply(transaction, _NO_DIALOG, now)
            return
        call = self._owner.get(invite)
        # The tag is the one that the INVITE's own answer carries.
        tag = call.dialog.id.local_tag if call else ""
        if call is not None:
            self._owner[transaction] = call
        self._reply(transaction, Refusal(200, "OK"), now, tag)
        if call is not None:
            call.receive_cancel(invite, now)
            self._settle_call(call, now)

    def _open_call(
        self, request: Request, transaction: InviteServerTransaction, flow: Flow, now: float
    ) -> None:
        tag = self._random_hex()
        call_id = self._new_id()
        dialog = Dialog(request, tag, self._contact(request, flow), flow)
        call = Call(call_id, dialog, request, transaction, flow, self._timers)
        self._calls[call_id] = self._dialogs[dialog.id] = call
        self._owner[transaction] = call
        _log.debug("%s < INVITE, from here on: %s", call_id, ascii(request.call_id))
        self._settle_call(call, now)

    def _new_id(self) -> ParticipantId:
        while True:
            call_id = ParticipantId(f"sip-{self._random_hex()[:6]}")
            if call_id not in self._calls:
                return call_id

    def _contact(self, request: Request, flow: Flow) -> str:
        """RFC 4579, section 5.2: `isfocus` says that this is a conference."""
        user = SipUri.parse(request.uri).user
        user = quote(user, safe="-_.!~*'()&=+$,;?/", errors="surrogateescape")
        at = f"{user}@" if user else ""
        transport = "" if flow.protocol == "UDP" else f";transport={flow.protocol.lower()}"
        return f"<sip:{at}{self._sent_by(flow)}{transport}>;isfocus"

    # --- responses ---------------------------------------------------------------------------

    def _receive_response(self, response: Response, data: bytes, flow: Flow, now: float) -> None:
        try:
            client = self._client.get(response.via.branch)
            matches = client is not None and response.cseq == client.request.cseq
        except ValueError:
            self._drop("a response whose Via or CSeq cannot be read", flow)
            return
        if client is None or not matches:
            self._drop("a response to nothing that was asked", flow)
            return
        self._trace(self._owner.get(client), "<", data, flow)
        client.receive_response(response, now)
        self._settle(client, now)

    def _send_request(self, call: Call, request: Request, now: float) -> None:
        """Opens the client transaction of a request inside a call; s. 18.1.1 makes the Via."""
        flow = call.dialog.flow
        branch = MAGIC_COOKIE + self._random_hex()
        via = f"SIP/2.0/{flow.protocol} {self._sent_by(flow)};branch={branch};rport"
        request = replace(request, headers=(("Via", via), *request.headers))
        client = NonInviteClientTransaction(request, flow, self._timers, now, call.receive_response)
        self._client[branch] = client
        self._owner[client] = call
        self._settle(client, now)

    # --- messages out ------------------------------------------------------------------------

    def _answer_fault(self, request: Request, found: tuple[int, str], flow: Flow) -> None:
        code, text = found
        if not answerable(request):
            self._drop(f"{request.method[:20]}: {text}", flow)
            return
        try:
            request = request.received_by(flow)
            flow = _reply_flow(request, flow)
        except ValueError:
            pass  # Its Via cannot be read: the answer goes where the packet came from.
        _log.info(
            "%s: %s refused: %d %s", flow, request.method[:20], code, text, extra=BY_STRANGERS
        )
        self._send_stateless(request, Refusal(code, text), flow)

    def _send_stateless(self, request: Request, reply: Refusal, flow: Flow) -> None:
        """Without a transaction: the tag comes out the same for each repetition (s. 8.2.7)."""
        seed = "\n".join((request.call_id, *request.all("Via"))).encode("utf-8", "replace")
        tag = hashlib.blake2s(seed, digest_size=8).hexdigest()
        response = respond(request, reply.code, reply.phrase, to_tag=tag, headers=reply.headers)
        self._send(response, flow, None)

    def _reply(
        self, transaction: ServerTransaction, reply: Refusal, now: float, tag: str = ""
    ) -> None:
        request = transaction.request
        response = respond(
            request,
            reply.code,
            reply.phrase,
            to_tag=tag or self._random_hex(),
            headers=reply.headers,
        )
        transaction.respond(response, now)
        self._settle(transaction, now)

    def _send(self, message: Request | Response, flow: Flow, call: Call | None) -> None:
        data = bytes(message)
        self._trace(call, ">", data, flow)
        self._packets.append(Packet(flow, data))

    def _trace(self, call: Call | None, direction: str, data: bytes, flow: Flow) -> None:
        if _log.isEnabledFor(logging.DEBUG):
            text = data.decode("utf-8", "backslashreplace").rstrip().replace("\r\n", "\n    ")
            _log.debug("%s %s %s\n    %s", call.id if call else "sip", direction, flow, text)

    def _drop(self, why: str, flow: Flow) -> None:
        self.dropped += 1
        told = why.encode("ascii", "replace").decode()
        _log.info("%s: message dropped: %s", flow, told, extra=BY_STRANGERS)

    # --- after every input -------------------------------------------------------------------

    def _settle(self, transaction: Transaction, now: float) -> None:
        """Takes what the transaction has to say, and forgets it when it is over."""
        call = self._owner.get(transaction)
        for message in transaction.messages_to_send():
            self._send(message, transaction.flow, call)
        if transaction.state in (State.ACCEPTED, State.CONFIRMED, State.TERMINATED):
            self._count_off(transaction)
        if transaction.state is State.TERMINATED:
            self._forget(transaction)
        self._schedule.note(transaction)
        if call is not None and isinstance(transaction, NonInviteClientTransaction):
            self._settle_call(call, now)

    def _settle_call(self, call: Call, now: float) -> None:
        for transaction in call.used_transactions():
            self._settle(transaction, now)
        for request in call.requests_to_send():
            self._send_request(call, request, now)
        self._events.extend(call.events())
        self._schedule.note(call)
        if call.state is CallState.ENDED and self._calls.pop(call.id, None) is not None:
            del self._dialogs[call.dialog.id]
            self._events.append(Closed(call.id))

    def _count_off(self, transaction: Transaction) -> None:
        host = self._counted.pop(transaction, None)
        if host is not None:
            self._unsettled[host] -= 1
            if not self._unsettled[host]:
                del self._unsettled[host]

    def _forget(self, transaction: Transaction) -> None:
        self._owner.pop(transaction, None)
        if isinstance(transaction, NonInviteClientTransaction):
            self._client.pop(transaction.request.via.branch, None)
            return
        key = server_key(transaction.request)
        self._server.pop(key, None)
        identity = _identity(transaction.request)
        if self._originals.get(identity) == key:
            del self._originals[identity]


def _identity(request: Request) -> tuple[str, str, str]:
    """What stays the same over all paths of one request; s. 8.2.2.2."""
    return request.from_.tag, request.call_id, request.get("CSeq")


def _reply_flow(request: Request, flow: Flow) -> Flow:
    """Where responses go: s. 18.2.2 and RFC 3581, section 4. `maddr` is not followed: it would
    let anybody aim our answers at a third."""
    if flow.reliable or "rport" in request.via.parameters:
        return flow
    return replace(flow, port=request.via.port or 5060)
