"""PURE: Jingle Message Initiation (XEP-0353, version 0.8) as the called side.

A person's client proposes a call to a room's bare JID; we ring and proceed at once, from the full
JID that the session-initiate shall go to. The session that follows has the proposal's id as sid.
Proposals are known by the caller's bare JID and the id, since older clients answered from there.

We never propose, so answers to proposals (ringing, proceed, reject, accept) mean nothing to us.
"""

from dataclasses import dataclass, replace
from enum import Enum
from xml.etree.ElementTree import Element

from gateway.errors import Reason
from xmppbridge.jid import Jid
from xmppbridge.reasons import JingleReason, from_jingle, read_reason, to_jingle, write_reason
from xmppbridge.stanza import DELAY, HINTS, Stanza, local_name, namespace

JMI = "urn:xmpp:jingle-message:0"

RESOURCE = "mix"
"""Of the address that our answers come from."""

INITIATE_TIMEOUT = 60.0
"""Seconds from a proposal to its session-initiate."""

MAX_PROPOSALS = 1000
MAX_PROPOSALS_PER_ACCOUNT = 4
_MAX_ID = 256


@dataclass(frozen=True, slots=True)
class ProposalKey:
    """What names a proposal."""

    account: Jid
    """The caller's bare JID."""
    id: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """Somebody calls a room: `proceed` or `reject`."""

    key: ProposalKey
    caller: Jid
    room: Jid


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The caller gave up, or ended the call without a session-terminate (`started`)."""

    key: ProposalKey
    started: bool
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Expired:
    """No session-initiate came; the caller is told."""

    key: ProposalKey


JmiEvent = Proposed | Withdrawn | Expired


class _State(Enum):
    PROPOSED = "proposed"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class _Proposal:
    caller: Jid
    local: Jid
    deadline: float
    state: _State = _State.PROPOSED


class Proposals:
    """Every call that was proposed and is not over."""

    def __init__(self) -> None:
        self._proposals: dict[ProposalKey, _Proposal] = {}
        self._stanzas: list[Stanza] = []
        self._events: list[JmiEvent] = []

    def __len__(self) -> int:
        """How many wait for their session-initiate."""
        return sum(p.state is _State.PROPOSED for p in self._proposals.values())

    def receive_message(self, stanza: Stanza, now: float) -> None:
        """A message with an element of ours; others are the caller's business."""
        element = element_of(stanza)
        if element is None or stanza.child(f"{{{DELAY}}}delay") is not None:
            # A call from an archive or a delayed delivery must not ring.
            return
        call_id = element.get("id", "")
        if not call_id or len(call_id) > _MAX_ID:
            return
        key = ProposalKey(stanza.sender.bare, call_id)
        match local_name(element):
            case "propose":
                self._propose(key, stanza, element, now)
            case "retract" | "finish":
                self._withdraw(key, element)

    def ring_and_proceed(self, key: ProposalKey) -> None:
        proposal = self._proposals[key]
        self._send("ringing", key, proposal)
        self._send("proceed", key, proposal)

    def reject(self, key: ProposalKey, reason: JingleReason) -> None:
        self._send("reject", key, self._proposals.pop(key), reason)

    def start(self, key: ProposalKey) -> None:
        """The session-initiate has come; the id may belong to no proposal (a direct call)."""
        proposal = self._proposals.get(key)
        if proposal is not None:
            self._proposals[key] = replace(proposal, state=_State.STARTED)

    def finish(self, key: ProposalKey, reason: JingleReason) -> None:
        """The call is over. One that was never proposed, or is finished, is left alone."""
        proposal = self._proposals.pop(key, None)
        if proposal is not None:
            self._send("finish", key, proposal, reason)

    def finish_all(self, reason: JingleReason) -> None:
        for key in list(self._proposals):
            self.finish(key, reason)

    def handle_timeout(self, now: float) -> None:
        for key, proposal in list(self._proposals.items()):
            if proposal.state is _State.PROPOSED and proposal.deadline <= now:
                self.finish(key, JingleReason("expired"))
                self._events.append(Expired(key))

    def next_timeout(self) -> float | None:
        waiting = (p for p in self._proposals.values() if p.state is _State.PROPOSED)
        return min((proposal.deadline for proposal in waiting), default=None)

    def stanzas_to_send(self) -> list[Stanza]:
        stanzas, self._stanzas = self._stanzas, []
        return stanzas

    def events(self) -> list[JmiEvent]:
        events, self._events = self._events, []
        return events

    def _propose(self, key: ProposalKey, stanza: Stanza, element: Element, now: float) -> None:
        if key in self._proposals:
            return
        room = stanza.to.bare
        local = Jid(room.user, room.host, RESOURCE)
        proposal = _Proposal(stanza.sender, local, now + INITIATE_TIMEOUT)
        of_account = sum(other.account == key.account for other in self._proposals)
        if of_account >= MAX_PROPOSALS_PER_ACCOUNT or len(self._proposals) >= MAX_PROPOSALS:
            self._send("reject", key, proposal, to_jingle(Reason.BUSY, "too many calls at once"))
            return
        media = {child.get("media") for child in element if local_name(child) == "description"}
        if media and "audio" not in media:
            reason = JingleReason("unsupported-applications", "a conference needs audio")
            self._send("reject", key, proposal, reason)
            return
        self._proposals[key] = proposal
        self._events.append(Proposed(key, stanza.sender, room))

    def _withdraw(self, key: ProposalKey, element: Element) -> None:
        proposal = self._proposals.pop(key, None)
        if proposal is None:
            return
        started = proposal.state is _State.STARTED
        if started:
            # Both sides say finish (section 3.7); after a retract there is nothing to finish.
            self._send("finish", key, proposal, JingleReason("success"))
        said = read_reason(element) or JingleReason("success" if started else "cancel")
        self._events.append(Withdrawn(key, started, *from_jingle(said)))

    def _send(
        self,
        action: str,
        key: ProposalKey,
        proposal: _Proposal,
        reason: JingleReason | None = None,
    ) -> None:
        element = Element(f"{{{JMI}}}{action}", {"id": key.id})
        if reason is not None:
            write_reason(element, reason)
        # Section 5: archived, so that the person's other devices see how the call went.
        store = Element(f"{{{HINTS}}}store")
        message = Stanza("message", "chat", proposal.local, proposal.caller, "", (element, store))
        self._stanzas.append(message)


def element_of(stanza: Stanza) -> Element | None:
    """The JMI element of a message, if it has one and is no error that came back."""
    if stanza.type == "error":
        return None
    return next((child for child in stanza.payload if namespace(child) == JMI), None)
